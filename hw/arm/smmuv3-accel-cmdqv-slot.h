/*
 * Accelerated SMMUv3: the registers of one queue in hardware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMDQV_SLOT_H
#define HW_ARM_SMMUV3_ACCEL_CMDQV_SLOT_H

#include "smmuv3-accel-cmdqv.h"

/* Returns: until when to wait, of g_get_monotonic_time(), for all queues */
int64_t smmuv3_accel_cmdqv_patience_ends(void);

/**
 * smmuv3_accel_cmdqv_slot_start - let hardware go on where QEMU is
 * @l: LVCMDQ, which the host has just allocated
 *
 * Returns: false with @errp set if the hardware does not do so in time.
 */
bool smmuv3_accel_cmdqv_slot_start(SMMUv3AccelState *s, unsigned l,
                                   int64_t until_us, Error **errp);

/**
 * smmuv3_accel_cmdqv_slot_stop - let QEMU go on where hardware is
 *
 * Called when the guest does not have the page. To the guest, the queue stays
 * as enabled as it has been. Returns: true if it has an error.
 */
bool smmuv3_accel_cmdqv_slot_stop(SMMUv3AccelState *s, unsigned l,
                                  int64_t until_us);

/* Disable a queue without a look at where it is, after a failure */
void smmuv3_accel_cmdqv_slot_disable(SMMUv3AccelState *s, unsigned l,
                                     int64_t until_us);

#endif /* HW_ARM_SMMUV3_ACCEL_CMDQV_SLOT_H */
