/*
 * Accelerated SMMUv3: a host that does not execute a guest's command queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMDQV_REFUSED_H
#define HW_ARM_SMMUV3_ACCEL_CMDQV_REFUSED_H

#include "smmuv3-accel-cmdqv.h"

/**
 * smmuv3_accel_cmdqv_explain - what the user can do about a refused queue
 * @ret: -errno of IOMMU_HW_QUEUE_ALLOC
 * @size: of the queue, in bytes
 * @errp: gets a hint
 */
void smmuv3_accel_cmdqv_explain(int ret, uint64_t size, Error **errp);

/**
 * smmuv3_accel_cmdqv_refused - undo what was done to give the queues
 * @err: the reason, consumed
 *
 * Reports it, and keeps it until the guest configures its queues anew.
 */
void smmuv3_accel_cmdqv_refused(SMMUv3AccelState *s, Error *err);

/* Report why the new host has no queues, unless @dev has no CMDQV */
void smmuv3_accel_cmdqv_tell_of_none(SMMUv3AccelState *s,
                                     const SMMUv3AccelHostDevice *dev);

/* Report that errors of queues in hardware would be lost; consumes @err */
void smmuv3_accel_cmdqv_tell_of_no_errors(SMMUv3AccelState *s, Error *err);

#endif /* HW_ARM_SMMUV3_ACCEL_CMDQV_REFUSED_H */
