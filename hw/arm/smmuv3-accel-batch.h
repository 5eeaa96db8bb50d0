/*
 * arm-smmuv3-accel: commands on their way to the kernel, many at a time
 *
 * Pure: no ioctl, no QOM, no globals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_BATCH_H
#define HW_ARM_SMMUV3_ACCEL_BATCH_H

#include "smmuv3-accel-cmdq.h"

/*
 * A Linux guest that unmaps without range commands sends one command a page,
 * and a CMD_SYNC only at the end. 256 commands are 4 KiB, one page for the
 * kernel to copy, and make four blocks of its own 63: more would not lessen
 * the number of ioctls by much and only delay the first.
 */
#define SMMU_ACCEL_BATCH_MAX 256

typedef struct SMMUv3AccelBatch {
    unsigned n;
    SMMUv3AccelHostCmd cmd[SMMU_ACCEL_BATCH_MAX];
} SMMUv3AccelBatch;

/**
 * SMMUv3AccelSubmit:
 * @n: in: how many @cmds; out: how many the kernel took (entry_num)
 *
 * IOMMU_HWPT_INVALIDATE on a vIOMMU. Returns 0 or -errno.
 */
typedef int SMMUv3AccelSubmit(void *opaque, const SMMUv3AccelHostCmd *cmds,
                              uint32_t *n);

#define SMMU_ACCEL_FAILED_MAX 8

typedef struct SMMUv3AccelSubmitResult {
    unsigned ioctls;
    unsigned n_failed;          /* commands the kernel refused one by one */
    uint16_t failed[SMMU_ACCEL_FAILED_MAX]; /* the first of them, by index */
    int err;                    /* first -errno seen, 0 if none */
    bool fallback;              /* the whole TLB was invalidated instead */
    bool stale;                 /* that failed too: the host may hold old TLB */
} SMMUv3AccelSubmitResult;

static inline void smmuv3_accel_batch_reset(SMMUv3AccelBatch *batch)
{
    batch->n = 0;
}

static inline bool smmuv3_accel_batch_full(const SMMUv3AccelBatch *batch)
{
    return batch->n == SMMU_ACCEL_BATCH_MAX;
}

/**
 * smmuv3_accel_batch_push - append to a batch that is not full
 *
 * TLB invalidations since the last command of another kind may be carried out
 * in any order (IHI 0070, 4.4), so that one which another covers is left out.
 */
void smmuv3_accel_batch_push(SMMUv3AccelBatch *batch,
                             const SMMUv3AccelHostCmd *cmd);

/**
 * smmuv3_accel_batch_submit:
 * @res: what to count and to report
 *
 * Make @batch true on the host whatever it takes: a command that the kernel
 * refuses is left out and those it dropped with it are sent again; when
 * commands cannot be issued, the TLB is invalidated as a whole. At most n + 3
 * ioctls, no more than 5 of which time out. The batch is left as it was, so
 * that @res can be reported.
 *
 * Returns false if the host may hold on to anything that should be gone.
 */
bool smmuv3_accel_batch_submit(const SMMUv3AccelBatch *batch,
                               SMMUv3AccelSubmit *submit, void *opaque,
                               SMMUv3AccelSubmitResult *res);

#endif /* HW_ARM_SMMUV3_ACCEL_BATCH_H */
