/*
 * Accelerated SMMUv3: forward guest commands to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_COMMANDS_H
#define HW_ARM_SMMUV3_ACCEL_COMMANDS_H

#include "hw/arm/smmuv3-accel.h"
#include "smmuv3-internal.h"

/**
 * smmuv3_accel_command - handle a guest command, for SMMUv3Class::command
 *
 * Called within a register write. Returns: a SMMUCmdError. CERROR_ABT means
 * that a CMD_SYNC cannot truthfully complete; the guest tries it again.
 */
SMMUCmdError smmuv3_accel_command(SMMUv3AccelState *s, const Cmd *cmd);

/* Have the host carry out the collected commands now */
void smmuv3_accel_flush(SMMUv3AccelState *s);

/* Replace lost invalidations, if there are any and the host is not stuck */
void smmuv3_accel_recover(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_COMMANDS_H */
