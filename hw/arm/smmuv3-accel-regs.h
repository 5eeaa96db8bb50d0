/*
 * Accelerated SMMUv3: when the ID registers are decided
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_REGS_H
#define HW_ARM_SMMUV3_ACCEL_REGS_H

#include "smmuv3-accel-host.h"
#include "hw/arm/smmuv3-accel.h"

/**
 * smmuv3_accel_regs_from_spec - fix the registers if the command line has all
 *
 * Called by realize. Returns: false with @errp set if a given value is wrong;
 * true with regs_fixed unset if registers are to be inherited.
 */
bool smmuv3_accel_regs_from_spec(SMMUv3AccelState *s, Error **errp);

/**
 * smmuv3_accel_regs_from_defaults - fix the registers as newer QEMU would
 *
 * Called when the machine is done and there was no host device. Returns: false
 * if the command line does not have accel=on, which asks for that.
 */
bool smmuv3_accel_regs_from_defaults(SMMUv3AccelState *s);

/* Where the registers come from; for the monitor */
SMMUv3AccelInfoMode smmuv3_accel_regs_mode(const SMMUv3AccelState *s);

/* The options for the same guest hardware elsewhere; g_free() */
char *smmuv3_accel_regs_to_paste(const SMMUv3AccelState *s);

/* log2 of the largest queue of a CMDQV that hardware can have */
uint32_t smmuv3_accel_regs_hardware_cmdqs(const SMMUv3AccelState *s);

/**
 * smmuv3_accel_regs_admit - may this host device serve the vSMMU?
 * @dev: host device that is being plugged, whose SMMU is known
 * @smmu: the name of its physical SMMU, or NULL
 *
 * Inherits from it what is still missing, then compares. Returns: false with
 * every difference in @errp.
 */
bool smmuv3_accel_regs_admit(SMMUv3AccelState *s,
                             const SMMUv3AccelHostDevice *dev,
                             const char *smmu, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_REGS_H */
