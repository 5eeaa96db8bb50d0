/*
 * Accelerated SMMUv3: counters of one vSMMU
 *
 * They count from the start of QEMU: neither a reset of the guest nor an unplug
 * resets them, and they do not migrate. smmuv3-accel-query.c shows them. They
 * are updated with the BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_COUNTERS_H
#define HW_ARM_SMMUV3_ACCEL_COUNTERS_H

#include "qapi/qapi-types-smmuv3-accel.h"

typedef struct SMMUv3AccelCounters {
    uint64_t commands[SMMU_ACCEL_CMD_KIND__MAX];    /* of the guest */

    uint64_t batches;           /* of commands, to the host */
    uint64_t forwarded;         /* commands in them */
    uint64_t refused;           /* those that the host did not accept */
    uint64_t fallbacks;         /* replaced by one for the whole TLB */
    uint64_t lost;              /* batches that were not fully carried out */

    /* Host calls on behalf of the vSMMU, not those of VFIO on its own */
    uint64_t ioctls[SMMU_ACCEL_IOCTL__MAX];
    uint64_t ioctls_failed[SMMU_ACCEL_IOCTL__MAX];
    uint64_t attached[SMMU_ACCEL__MAX];             /* with success */

    uint64_t events_delivered;
    uint64_t events_dropped;    /* queue full, off, or not writable */
    uint64_t events_lost;       /* in the kernel, before QEMU saw them */

    uint64_t stalled;           /* transactions that the guest was told of */
    uint64_t stalls_resumed;    /* the guest has answered: try again */
    uint64_t stalls_terminated; /* the guest has answered: give up */
    uint64_t stalls_expired;    /* the guest has not answered in time */

    uint64_t cmdqv_doorbells;   /* writes of PROD that QEMU saw */
    uint64_t cmdqv_given;       /* to the hardware */
    uint64_t cmdqv_taken_back;

    uint64_t complaints;
    uint64_t complaints_suppressed;
} SMMUv3AccelCounters;

/* Count a host call; returns @ok, which says whether it succeeded */
static inline bool smmuv3_accel_count(SMMUv3AccelCounters *counters,
                                      SMMUv3AccelIoctl ioctl, bool ok)
{
    counters->ioctls[ioctl]++;
    counters->ioctls_failed[ioctl] += !ok;
    return ok;
}

#endif /* HW_ARM_SMMUV3_ACCEL_COUNTERS_H */
