/*
 * Accelerated SMMUv3: a guest's command queues in hardware
 *
 * The guest has a Tegra241 CMDQV with one virtual interface, whose queues QEMU
 * consumes (software) or, behind a host that has such a block, the hardware
 * does (hardware). It goes from one to the other at any time, unseen by the
 * guest. ARCHITECTURE.md has the picture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMDQV_H
#define HW_ARM_SMMUV3_ACCEL_CMDQV_H

#include "hw/arm/smmuv3-accel.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "smmuv3-accel-idregs.h"

/**
 * smmuv3_accel_cmdqv_realize - make room for a CMDQV, unless cmdqv=off
 *
 * Called by realize, when the SMMU has its own memory region and interrupts.
 * Returns: false with @errp set if cmdqv-param= is wrong.
 */
bool smmuv3_accel_cmdqv_realize(SMMUv3AccelState *s, Error **errp);

/**
 * smmuv3_accel_cmdqv_decide - whether the guest has a CMDQV, and of which kind
 *
 * Called when the machine is done, before the guest's tables are built.
 */
void smmuv3_accel_cmdqv_decide(SMMUv3AccelState *s);

/* Whether it has one, or may have when the machine is done */
bool smmuv3_accel_cmdqv_is_wanted(const SMMUv3AccelState *s);

/* Who consumes its queues right now; for the monitor */
SMMUv3AccelCmdqvMode smmuv3_accel_cmdqv_mode(const SMMUv3AccelState *s);

/* Why QEMU does it, a literal or text that stays; NULL if it does not */
const char *smmuv3_accel_cmdqv_why(const SMMUv3AccelState *s);

/**
 * smmuv3_accel_cmdqv_take_back - have QEMU consume the queues
 * @why: for the monitor and the trace
 *
 * Called with the BQL held by whatever hardware queues cannot go on with: a
 * reset, a stopped machine, the last device that leaves. Idempotent.
 */
void smmuv3_accel_cmdqv_take_back(SMMUv3AccelState *s, const char *why);

#endif /* HW_ARM_SMMUV3_ACCEL_CMDQV_H */
