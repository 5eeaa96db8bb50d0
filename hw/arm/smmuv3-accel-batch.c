/*
 * arm-smmuv3-accel: batches of commands for the kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "smmuv3-accel-batch.h"

/* How many earlier commands to search for one that makes a new one redundant */
#define LOOK_BACK 8

static bool is_tlbi_all(const SMMUv3AccelHostCmd *cmd)
{
    return smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_TLBI_NH_ALL ||
           smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_TLBI_NSNH_ALL;
}

/*
 * Whether @before, a TLBI, makes the TLBI @cmd redundant. A TLBI by ASID does
 * not cover those by address in that ASID, which invalidate global entries too.
 */
static bool covers(const SMMUv3AccelHostCmd *before,
                   const SMMUv3AccelHostCmd *cmd)
{
    return is_tlbi_all(before) || !memcmp(before, cmd, sizeof(*cmd));
}

static bool is_redundant(const SMMUv3AccelBatch *batch,
                         const SMMUv3AccelHostCmd *cmd)
{
    for (unsigned i = 1; i <= MIN(batch->n, LOOK_BACK); i++) {
        const SMMUv3AccelHostCmd *before = &batch->cmd[batch->n - i];

        if (!smmuv3_accel_host_cmd_is_tlbi(before)) {
            return false;
        }
        if (covers(before, cmd)) {
            return true;
        }
    }
    return false;
}

void smmuv3_accel_batch_push(SMMUv3AccelBatch *batch,
                             const SMMUv3AccelHostCmd *cmd)
{
    assert(!smmuv3_accel_batch_full(batch));
    if (smmuv3_accel_host_cmd_is_tlbi(cmd) && is_redundant(batch, cmd)) {
        return;
    }
    while (is_tlbi_all(cmd) && batch->n &&
           smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[batch->n - 1])) {
        batch->n--;
    }
    batch->cmd[batch->n++] = *cmd;
}

/*
 * The kernel gives up on a command after a second, while this thread waits. A
 * device may fail to answer ATC_INV while all else works, so try a few.
 */
#define ATC_TIMEOUTS_MAX 4

/* Everything that submitting a batch needs */
typedef struct Submission {
    const SMMUv3AccelBatch *batch;
    bool twice;
    SMMUv3AccelSubmit *submit;
    void *opaque;
    SMMUv3AccelSubmitResult *res;
    unsigned atc_timeouts;
} Submission;

/* One ioctl. @done: how many commands the kernel says it took */
static int submit_once(Submission *sub, const SMMUv3AccelHostCmd *cmds,
                       unsigned n, unsigned *done)
{
    uint32_t entry_num = n;
    int ret = sub->submit(sub->opaque, cmds, &entry_num);

    if (!ret && entry_num < n) {
        ret = -EIO;     /* no kernel does that; treat it as an error */
    }
    sub->res->ioctls++;
    sub->res->ioctls_failed += ret != 0;
    if (ret && !sub->res->err) {
        sub->res->err = ret;
    }
    *done = MIN(entry_num, n);
    return ret;
}

static bool only_atc_inv(const SMMUv3AccelHostCmd *cmds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (smmuv3_accel_host_cmd_type(&cmds[i]) != SMMU_CMD_ATC_INV) {
            return false;
        }
    }
    return true;
}

/*
 * Some commands, and if the SMMU needs it, all of them once more: an ATC_INV
 * has to follow what the TLB really forgets.
 */
static int submit_some(Submission *sub, const SMMUv3AccelHostCmd *cmds,
                       unsigned n, unsigned *done)
{
    int ret = submit_once(sub, cmds, n, done);

    if (ret || !sub->twice || only_atc_inv(cmds, n)) {
        return ret;
    }
    return submit_once(sub, cmds, n, done);
}

/* Send one command alone. Returns false if it was not carried out */
static bool submit_one(Submission *sub, const SMMUv3AccelHostCmd *cmd)
{
    bool is_atc = smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_ATC_INV;
    unsigned done;
    int ret;

    if (sub->res->stuck) {
        return false;
    }
    ret = submit_some(sub, cmd, 1, &done);
    if (ret == -ETIMEDOUT) {
        sub->atc_timeouts += is_atc;
        sub->res->stuck = !is_atc || sub->atc_timeouts == ATC_TIMEOUTS_MAX;
    }
    return !ret;
}

static bool has_tlbi(const SMMUv3AccelBatch *batch, unsigned pos)
{
    for (unsigned i = pos; i < batch->n; i++) {
        if (smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[i])) {
            return true;
        }
    }
    return false;
}

/* Send the commands from @pos on with one of two opcodes, one by one */
static void submit_singly(Submission *sub, unsigned pos,
                          SMMUCommandType a, SMMUCommandType b)
{
    for (unsigned i = pos; i < sub->batch->n; i++) {
        const SMMUv3AccelHostCmd *cmd = &sub->batch->cmd[i];
        SMMUCommandType type = smmuv3_accel_host_cmd_type(cmd);

        if ((type == a || type == b) && !submit_one(sub, cmd)) {
            set_bit(i, sub->res->lost);
        }
    }
}

static void submit_whole_tlb(Submission *sub)
{
    const SMMUv3AccelHostCmd all = smmuv3_accel_host_cmd_tlbi_all();

    sub->res->whole_tlb = submit_one(sub, &all);
    sub->res->tlb_lost = !sub->res->whole_tlb;
}

/*
 * The kernel did not issue all commands from @pos on, and it is unknown which
 * ones. Replace those for the TLB by an invalidation of the whole TLB. Send
 * those for a device one by one, so that one failure does not affect another.
 * The order matters: a TLB may refill from an old CD, an ATC from an old TLB.
 */
static void submit_fallback(Submission *sub, unsigned pos)
{
    submit_singly(sub, pos, SMMU_CMD_CFGI_CD, SMMU_CMD_CFGI_CD_ALL);
    if (has_tlbi(sub->batch, pos)) {
        submit_whole_tlb(sub);
    }
    submit_singly(sub, pos, SMMU_CMD_ATC_INV, SMMU_CMD_ATC_INV);
}

/*
 * The kernel converts commands one by one and issues them in blocks. If it
 * cannot convert one, it returns EIO and its index, and drops the commands
 * before it that did not fill a block. The size of a block is not part of the
 * uAPI, so send all of them again: every command may be repeated.
 */
static void submit_all(Submission *sub)
{
    const SMMUv3AccelBatch *batch = sub->batch;
    unsigned pos = 0, refused_tlbi = batch->n;

    while (pos < batch->n) {
        unsigned n = batch->n - pos, bad, done;
        int ret = submit_some(sub, &batch->cmd[pos], n, &bad);

        if (!ret) {
            break;
        }
        if (ret != -EIO || bad == n ||
            (bad && submit_some(sub, &batch->cmd[pos], bad, &done))) {
            submit_fallback(sub, pos);
            break;
        }
        pos += bad;
        sub->res->refused++;
        if (smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[pos])) {
            refused_tlbi = MIN(refused_tlbi, pos);
        } else {
            set_bit(pos, sub->res->lost);
        }
        pos++;
    }
    if (refused_tlbi < batch->n && !sub->res->whole_tlb) {
        submit_whole_tlb(sub);
    }
    if (refused_tlbi < batch->n && sub->res->whole_tlb) {
        /* They were sent before the replacement of the TLBI: repeat them */
        submit_singly(sub, refused_tlbi, SMMU_CMD_ATC_INV, SMMU_CMD_ATC_INV);
    }
}

bool smmuv3_accel_batch_submit(const SMMUv3AccelBatch *batch, bool twice,
                               SMMUv3AccelSubmit *submit, void *opaque,
                               SMMUv3AccelSubmitResult *res)
{
    Submission sub = { batch, twice, submit, opaque, res, 0 };

    memset(res, 0, sizeof(*res));
    submit_all(&sub);
    return !res->tlb_lost && bitmap_empty(res->lost, SMMU_ACCEL_BATCH_MAX);
}

void smmuv3_accel_batch_give_up(const SMMUv3AccelBatch *batch,
                                SMMUv3AccelSubmitResult *res)
{
    memset(res, 0, sizeof(*res));
    res->err = -ETIMEDOUT;
    res->stuck = true;
    for (unsigned i = 0; i < batch->n; i++) {
        if (smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[i])) {
            res->tlb_lost = true;
        } else {
            set_bit(i, res->lost);
        }
    }
}
