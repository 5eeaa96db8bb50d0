/*
 * arm-smmuv3-accel: commands on their way to the kernel, many at a time
 *
 * Pure: no ioctl, no QOM, no globals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_BATCH_H
#define HW_ARM_SMMUV3_ACCEL_BATCH_H

#include "qemu/bitmap.h"
#include "smmuv3-accel-cmd.h"

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

typedef struct SMMUv3AccelSubmitResult {
    unsigned ioctls, ioctls_failed;
    int err;                    /* first -errno seen, 0 if none */
    unsigned refused;           /* commands the kernel refused one by one */
    bool whole_tlb;             /* the whole TLB was invalidated instead */
    bool stuck;                 /* the host does not carry out anything now */
    bool tlb_lost;              /* TLB entries may be left that should be gone */
    /* By index, the CFGI_CD and ATC_INV that were not carried out */
    DECLARE_BITMAP(lost, SMMU_ACCEL_BATCH_MAX);
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
 * @res: what to count and to report, and what was lost
 *
 * Have the host carry out @batch: a command that the kernel refuses is left
 * out, and those it dropped with it are sent again; when commands cannot be
 * issued, the whole TLB is invalidated in place of those for the TLB, and those
 * for a device go one by one. At most 2 * n + 3 ioctls, of which no more than two
 * time out before the host is taken to be stuck, or five if it is a device that
 * does not answer ATC_INV. The batch is left as it was.
 *
 * Returns: true if the host holds on to nothing that should be gone.
 */
bool smmuv3_accel_batch_submit(const SMMUv3AccelBatch *batch,
                               SMMUv3AccelSubmit *submit, void *opaque,
                               SMMUv3AccelSubmitResult *res);

/**
 * smmuv3_accel_batch_give_up:
 *
 * The result of a @batch that is not even tried, because the host was found to
 * be stuck just before.
 */
void smmuv3_accel_batch_give_up(const SMMUv3AccelBatch *batch,
                                SMMUv3AccelSubmitResult *res);

#endif /* HW_ARM_SMMUV3_ACCEL_BATCH_H */
