/*
 * Accelerated SMMUv3: guest commands that the host has to hear of
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_COMMANDS_H
#define HW_ARM_SMMUV3_ACCEL_COMMANDS_H

#include "smmuv3-accel-state.h"

/**
 * smmuv3_accel_command - what SMMUv3Class::command does
 *
 * Within a register write. Returns: a SMMUCmdError. CERROR_ABT for a CMD_SYNC
 * that cannot be completed truthfully: the guest tries it again.
 */
SMMUCmdError smmuv3_accel_command(SMMUv3AccelState *s, const Cmd *cmd);

/* Have the host carry out what is collected, whatever comes next */
void smmuv3_accel_flush(SMMUv3AccelState *s);

/* Make good for lost invalidations, if there were any and the host can */
void smmuv3_accel_recover(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_COMMANDS_H */
