/*
 * arm-smmuv3-accel: batches of commands for the kernel
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
 * A Linux guest that unmaps without range commands sends one command for each
 * page, and a CMD_SYNC only at the end. 256 commands are 4 KiB, one page for
 * the kernel to copy, or four of its own blocks of 63. A larger batch would
 * save few ioctls and delay the first command.
 */
#define SMMU_ACCEL_BATCH_MAX 256

typedef struct SMMUv3AccelBatch {
    unsigned n;
    SMMUv3AccelHostCmd cmd[SMMU_ACCEL_BATCH_MAX];
} SMMUv3AccelBatch;

/**
 * SMMUv3AccelSubmit:
 * @n: in: how many @cmds; out: how many the kernel accepted (entry_num)
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
    bool tlb_lost;              /* stale TLB entries may be left */
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
 * in any order (IHI 0070, 4.4), so one that another covers is omitted.
 */
void smmuv3_accel_batch_push(SMMUv3AccelBatch *batch,
                             const SMMUv3AccelHostCmd *cmd);

/**
 * smmuv3_accel_batch_submit:
 * @twice: the SMMU has erratum T264-SMMU-3, so that a TLBI or CFGI and its
 *         CMD_SYNC have an effect only when they are repeated after that
 *         CMD_SYNC; the kernel leaves that to its users
 * @res: what to count and to report, and what was lost
 *
 * Have the host carry out @batch. If the kernel refuses a command, omit it and
 * send those that were dropped with it again. If it cannot issue commands,
 * replace those for the TLB by an invalidation of the whole TLB, and send those
 * for a device one by one. This takes at most 2 * n + 3 ioctls, or with @twice as many. After two
 * time-outs the host counts as stuck, or after five if a device does not answer
 * ATC_INV. @batch does not change.
 *
 * Returns: true if the host has no stale entries.
 */
bool smmuv3_accel_batch_submit(const SMMUv3AccelBatch *batch, bool twice,
                               SMMUv3AccelSubmit *submit, void *opaque,
                               SMMUv3AccelSubmitResult *res);

/**
 * smmuv3_accel_batch_give_up:
 *
 * Fill in the result of a @batch that is not tried, because the host is stuck.
 */
void smmuv3_accel_batch_give_up(const SMMUv3AccelBatch *batch,
                                SMMUv3AccelSubmitResult *res);

#endif /* HW_ARM_SMMUV3_ACCEL_BATCH_H */
