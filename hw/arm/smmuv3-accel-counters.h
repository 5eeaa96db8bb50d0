/*
 * Accelerated SMMUv3: what one vSMMU has done so far
 *
 * Counted from the start of QEMU on: neither a reset of the guest nor unplug
 * sets anything back, and nothing of it migrates. smmuv3-accel-query.c shows
 * it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_COUNTERS_H
#define HW_ARM_SMMUV3_ACCEL_COUNTERS_H

#include "smmuv3-accel-cmdq.h"
#include "smmuv3-accel-ste.h"

/* Host calls on behalf of a vSMMU; those of VFIO on its own are not among them */
typedef enum SMMUv3AccelIoctl {
    SMMU_ACCEL_IOCTL_HW_INFO,
    SMMU_ACCEL_IOCTL_VIOMMU_ALLOC,
    SMMU_ACCEL_IOCTL_VDEVICE_ALLOC,
    SMMU_ACCEL_IOCTL_HWPT_ALLOC,
    SMMU_ACCEL_IOCTL_VEVENTQ_ALLOC,
    SMMU_ACCEL_IOCTL_ATTACH,
    SMMU_ACCEL_IOCTL_DETACH,
    SMMU_ACCEL_IOCTL_INVALIDATE,
    SMMU_ACCEL_IOCTL_DESTROY,
    SMMU_ACCEL_NR_IOCTLS
} SMMUv3AccelIoctl;

typedef struct SMMUv3AccelCounters {
    uint64_t commands[SMMU_ACCEL_NR_CMD_KINDS];     /* of the guest */

    uint64_t batches;           /* of commands, to the host */
    uint64_t forwarded;         /* commands in them */
    uint64_t refused;           /* those that the host did not take */
    uint64_t fallbacks;         /* batches replaced by one for the whole TLB */

    uint64_t ioctls[SMMU_ACCEL_NR_IOCTLS];
    uint64_t ioctls_failed[SMMU_ACCEL_NR_IOCTLS];
    uint64_t attached[SMMU_ACCEL_NR_TARGETS];       /* with success */

    uint64_t events_delivered;
    uint64_t events_dropped;    /* queue full, off, or not writable */
    uint64_t events_lost;       /* in the kernel, before QEMU saw them */

    uint64_t complaints;
    uint64_t complaints_suppressed;
} SMMUv3AccelCounters;

/* Note that a host call has returned @ret, 0 or -errno; returns @ret */
static inline int smmuv3_accel_count(SMMUv3AccelCounters *counters,
                                     SMMUv3AccelIoctl ioctl, int ret)
{
    counters->ioctls[ioctl]++;
    counters->ioctls_failed[ioctl] += ret != 0;
    return ret;
}

#endif /* HW_ARM_SMMUV3_ACCEL_COUNTERS_H */
