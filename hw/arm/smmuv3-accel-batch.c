/*
 * arm-smmuv3-accel: commands on their way to the kernel, many at a time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "smmuv3-accel-batch.h"

/* How far to look for what makes a command redundant: not all of 256 */
#define LOOK_BACK 8

static bool is_tlbi(const SMMUv3AccelHostCmd *cmd)
{
    switch (smmuv3_accel_host_cmd_type(cmd)) {
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
    case SMMU_CMD_TLBI_NSNH_ALL:
        return true;
    default:
        return false;
    }
}

static bool is_tlbi_all(const SMMUv3AccelHostCmd *cmd)
{
    return smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_TLBI_NH_ALL ||
           smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_TLBI_NSNH_ALL;
}

/*
 * Whether @before, a TLBI, makes the TLBI @cmd redundant. One for an ASID does
 * not stand for those by address in it: they are for global entries too.
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

        if (!is_tlbi(before)) {
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
    if (is_tlbi(cmd) && is_redundant(batch, cmd)) {
        return;
    }
    if (is_tlbi_all(cmd)) {
        while (batch->n && is_tlbi(&batch->cmd[batch->n - 1])) {
            batch->n--;
        }
    }
    batch->cmd[batch->n++] = *cmd;
}

/*
 * The kernel gives up on a command queue after a second, in which this thread
 * waits: do not try a queue that is stuck again and again.
 */
#define STUCK_MAX 4

/* Everything that submitting a batch needs */
typedef struct Submission {
    const SMMUv3AccelBatch *batch;
    SMMUv3AccelSubmit *submit;
    void *opaque;
    SMMUv3AccelSubmitResult *res;
    unsigned n_stuck;           /* errors that were not about one command */
} Submission;

/* One ioctl. @done: how many commands the kernel says it took */
static int submit_some(Submission *sub, const SMMUv3AccelHostCmd *cmds,
                       unsigned n, unsigned *done)
{
    uint32_t entry_num = n;
    int ret = sub->submit(sub->opaque, cmds, &entry_num);

    sub->res->ioctls++;
    if (!ret && entry_num < n) {
        ret = -EIO;     /* no kernel does that; go on as if it had said so */
    }
    if (ret && !sub->res->err) {
        sub->res->err = ret;
    }
    sub->n_stuck += ret && ret != -EIO;
    *done = MIN(entry_num, n);
    return ret;
}

static void note_failure(Submission *sub, unsigned index)
{
    if (sub->res->n_failed < SMMU_ACCEL_FAILED_MAX) {
        sub->res->failed[sub->res->n_failed] = index;
    }
    sub->res->n_failed++;
}

/* Send those of the batch from @pos on with one of two opcodes, one by one */
static void submit_singly(Submission *sub, unsigned pos,
                          SMMUCommandType a, SMMUCommandType b)
{
    for (unsigned i = pos; i < sub->batch->n; i++) {
        const SMMUv3AccelHostCmd *cmd = &sub->batch->cmd[i];
        SMMUCommandType type = smmuv3_accel_host_cmd_type(cmd);
        unsigned done;

        if ((type == a || type == b) &&
            (sub->n_stuck >= STUCK_MAX || submit_some(sub, cmd, 1, &done))) {
            note_failure(sub, i);
        }
    }
}

/*
 * Commands from @pos on were not issued, or only in part, and nobody knows
 * which. The TLB is invalidated as a whole in place of all that are for the
 * TLB; those for a device go one by one, so that one cannot harm another. The
 * order matters: a TLB may refill from an old CD, an ATC from an old TLB.
 */
static void submit_fallback(Submission *sub, unsigned pos)
{
    const SMMUv3AccelHostCmd all = {
        .cmd = { cpu_to_le64(SMMU_CMD_TLBI_NH_ALL), 0 },
    };
    unsigned done;

    sub->res->fallback = true;
    submit_singly(sub, pos, SMMU_CMD_CFGI_CD, SMMU_CMD_CFGI_CD_ALL);
    sub->res->stale = submit_some(sub, &all, 1, &done) != 0;
    submit_singly(sub, pos, SMMU_CMD_ATC_INV, SMMU_CMD_ATC_INV);
}

/*
 * The kernel converts commands one by one and issues them in blocks. If it
 * cannot convert one, it says EIO and which; those before it that did not fill
 * a block are dropped. Which ones is the kernel's business: all of them are
 * sent again, as every command may be repeated.
 */
bool smmuv3_accel_batch_submit(const SMMUv3AccelBatch *batch,
                               SMMUv3AccelSubmit *submit, void *opaque,
                               SMMUv3AccelSubmitResult *res)
{
    Submission sub = { batch, submit, opaque, res, 0 };
    unsigned pos = 0;

    memset(res, 0, sizeof(*res));
    while (pos < batch->n) {
        unsigned n = batch->n - pos, bad, done;
        int ret = submit_some(&sub, &batch->cmd[pos], n, &bad);

        if (!ret) {
            break;
        }
        if (ret != -EIO || bad == n ||
            (bad && submit_some(&sub, &batch->cmd[pos], bad, &done))) {
            submit_fallback(&sub, pos);
            break;
        }
        note_failure(&sub, pos + bad);
        pos += bad + 1;
    }
    return !res->n_failed && !res->stale;
}
