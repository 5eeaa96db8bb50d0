/*
 * Fuzz target: a batch of commands on a host that fails
 *
 * The host here refuses commands for some StreamIDs, as the kernel does, and
 * times out when the input says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-accel-batch.h"
#include "fuzz.h"
#include "oracle.h"

#define BLOCK           63      /* of the kernel, which issues whole ones */
#define COMMANDS_MAX    48
#define NEVER           (-1)

typedef struct Host {
    Input *in;
    uint8_t refused_sids;       /* by the lowest 3 bits */
    bool fails;                 /* errors other than a refusal are possible */
    unsigned calls;
    GArray *done;               /* SMMUv3AccelHostCmd */
} Host;

static bool is_refused(const Host *h, const SMMUv3AccelHostCmd *cmd)
{
    return oracle_cmd_has_sid(le64_to_cpu(cmd->cmd[0])) &&
           h->refused_sids & 1 << (smmuv3_accel_host_cmd_sid(cmd) & 7);
}

/* Issues @n commands, or those up to one that is refused, in whole blocks */
static int issue(Host *h, const SMMUv3AccelHostCmd *cmds, uint32_t *n)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < *n; i++) {
        if (is_refused(h, &cmds[i])) {
            *n = i;
            return -EIO;
        }
        if (i + 1 - done == BLOCK || i + 1 == *n) {
            g_array_append_vals(h->done, &cmds[done], i + 1 - done);
            done = i + 1;
        }
    }
    return 0;
}

static int submit(void *opaque, const SMMUv3AccelHostCmd *cmds, uint32_t *n)
{
    static const int errors[] = { -ETIMEDOUT, -ENOMEM, -EIO, -EINVAL };
    Host *h = opaque;
    uint8_t how = h->fails ? input_u8(h->in) : 0;

    h->calls++;
    if (how & 1) {
        /* Some may have been carried out, and the count says nothing */
        uint32_t some = MIN(input_u8(h->in), *n);

        g_array_append_vals(h->done, cmds, some);
        *n = MIN(input_u8(h->in), *n);
        return errors[how >> 1 & 3];
    }
    return issue(h, cmds, n);
}

static uint64_t random_word0(Input *in)
{
    static const uint8_t types[] = { 5, 6, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40 };
    uint8_t choice = input_u8(in);
    uint64_t word = types[choice & 7];

    if (oracle_cmd_has_sid(word)) {
        return word | (uint64_t)(choice >> 3 & 7) << 32;
    }
    return word == 0x11 || word == 0x12 ?
           word | (uint64_t)(choice >> 3) << 48 : word;
}

static bool covers(const SMMUv3AccelHostCmd *done,
                   const SMMUv3AccelHostCmd *owed)
{
    uint64_t a[] = { le64_to_cpu(done->cmd[0]), le64_to_cpu(done->cmd[1]) };
    uint64_t b[] = { le64_to_cpu(owed->cmd[0]), le64_to_cpu(owed->cmd[1]) };

    return oracle_cmd_covers(a, b);
}

/* When the host carried out @cmd for the first or the last time */
static int when(const Host *h, const SMMUv3AccelHostCmd *cmd, bool last)
{
    int found = NEVER;

    for (guint i = 0; i < h->done->len; i++) {
        if (covers(&g_array_index(h->done, SMMUv3AccelHostCmd, i), cmd)) {
            found = i;
            if (!last) {
                break;
            }
        }
    }
    return found;
}

/* A TLB refills from an old CD, and an ATC from an old TLB */
static unsigned rank(const SMMUv3AccelHostCmd *cmd)
{
    if (smmuv3_accel_host_cmd_is_tlbi(cmd)) {
        return 1;
    }
    return smmuv3_accel_host_cmd_type(cmd) == SMMU_CMD_ATC_INV ? 2 : 0;
}

static void check_order(const Host *h, const SMMUv3AccelHostCmd *cmds,
                        unsigned n)
{
    for (unsigned j = 0; j < n; j++) {
        int last = when(h, &cmds[j], true);

        g_assert_cmpint(last, !=, NEVER);
        for (unsigned i = 0; i < j; i++) {
            if (rank(&cmds[i]) < rank(&cmds[j])) {
                g_assert_cmpint(when(h, &cmds[i], false), <, last);
            }
        }
    }
}

static void check_lost(const Host *h, const SMMUv3AccelBatch *batch,
                       const SMMUv3AccelSubmitResult *res)
{
    for (unsigned i = 0; i < batch->n; i++) {
        if (when(h, &batch->cmd[i], false) == NEVER) {
            g_assert(smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[i]) ?
                     res->tlb_lost : test_bit(i, res->lost));
        }
    }
}

static void give_up(const SMMUv3AccelBatch *batch)
{
    SMMUv3AccelSubmitResult res;

    smmuv3_accel_batch_give_up(batch, &res);
    g_assert(res.stuck && res.err && !res.ioctls);
    for (unsigned i = 0; i < batch->n; i++) {
        g_assert(smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[i]) ?
                 res.tlb_lost : test_bit(i, res.lost));
    }
}

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    SMMUv3AccelHostCmd cmds[COMMANDS_MAX];
    unsigned n = input_u8(in) % (COMMANDS_MAX + 1);
    uint8_t flags = input_u8(in);
    Host h = {
        .in = in,
        .fails = flags & 1,
        .refused_sids = flags & 2 ? input_u8(in) : 0,
        .done = g_array_new(false, false, sizeof(SMMUv3AccelHostCmd)),
    };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;
    bool ok;

    smmuv3_accel_batch_reset(&batch);
    for (unsigned i = 0; i < n; i++) {
        cmds[i].cmd[0] = cpu_to_le64(random_word0(in));
        cmds[i].cmd[1] = 0;
        smmuv3_accel_batch_push(&batch, &cmds[i]);
    }
    g_assert_cmpuint(batch.n, <=, n);
    ok = smmuv3_accel_batch_submit(&batch, flags & 4, submit, &h, &res);
    g_assert_cmpuint(res.ioctls, ==, h.calls);
    g_assert_cmpuint(res.ioctls, <=,
                     (2 * batch.n + 3) * (flags & 4 ? 2 : 1));
    g_assert_cmpuint(res.ioctls_failed, <=, res.ioctls);
    g_assert(!res.ioctls_failed == !res.err);
    if (ok) {
        check_order(&h, cmds, n);
    } else {
        g_assert(res.err);
        check_lost(&h, &batch, &res);
    }
    give_up(&batch);
    g_array_unref(h.done);
}
