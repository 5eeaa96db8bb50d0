/*
 * arm-smmuv3-accel: unit tests of batches of commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/arm/smmuv3-accel-batch.h"

/*
 * Imitates arm_vsmmu_cache_invalidate() in the kernel, which converts commands
 * one by one, and issues a block of CMDQ_BATCH_ENTRIES - 1 when it is full, or
 * at the end.
 */
#define BLOCK 63

typedef struct Kernel {
    uint64_t log[4096];         /* dword 0 of issued commands */
    unsigned n_log, n_ioctls;
    unsigned n_blocks;
    unsigned timeout_block;     /* the block, from 1, that is not issued */
    bool dead;                  /* nor is any after it */
    unsigned enomem_ioctl;      /* the ioctl, from 1, that fails at once */
    unsigned liar_ioctl;        /* the ioctl, from 1, that does half */
    uint32_t dead_sid;          /* does not answer ATC_INV; 0: none */
    bool dead_from;             /* nor do those above it */
    bool (*knows)(uint64_t word0);
} Kernel;

static bool knows_all(uint64_t word0)
{
    return true;
}

/* Refuses SID 0xbad and opcode 0x46 */
static bool knows_most(uint64_t word0)
{
    return word0 >> 32 != 0xbad && (word0 & 0xff) != 0x46;
}

static bool knows_nothing(uint64_t word0)
{
    return false;
}

static bool is_dead(const Kernel *k, uint64_t word0)
{
    return (word0 & 0xff) == 0x40 && k->dead_sid &&
           (word0 >> 32 == k->dead_sid ||
            (k->dead_from && word0 >> 32 > k->dead_sid));
}

static bool kernel_issue(Kernel *k, const SMMUv3AccelHostCmd *cmds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (is_dead(k, le64_to_cpu(cmds[i].cmd[0]))) {
            return false;
        }
    }
    k->n_blocks++;
    if (k->timeout_block && (k->dead ? k->n_blocks >= k->timeout_block
                                     : k->n_blocks == k->timeout_block)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(k->n_log, <, ARRAY_SIZE(k->log));
        k->log[k->n_log++] = le64_to_cpu(cmds[i].cmd[0]);
    }
    return true;
}

static int kernel_ioctl(void *opaque, const SMMUv3AccelHostCmd *cmds,
                        uint32_t *entry_num)
{
    Kernel *k = opaque;
    unsigned cur = 0, last = 0, n = *entry_num;
    int ret = 0;

    k->n_ioctls++;
    g_assert_cmpuint(n, >, 0);
    if (k->n_ioctls == k->enomem_ioctl) {
        *entry_num = 0;
        return -ENOMEM;
    }
    if (k->n_ioctls == k->liar_ioctl) {
        n /= 2;
    }
    while (cur != n) {
        if (!k->knows(le64_to_cpu(cmds[cur].cmd[0]))) {
            ret = -EIO;
            break;
        }
        cur++;
        if (cur != n && cur - last != BLOCK) {
            continue;
        }
        if (!kernel_issue(k, cmds + last, cur - last)) {
            cur--;
            ret = -ETIMEDOUT;
            break;
        }
        last = cur;
    }
    *entry_num = cur;
    return ret;
}

static bool submit(const SMMUv3AccelBatch *batch, Kernel *k,
                   SMMUv3AccelSubmitResult *res)
{
    return smmuv3_accel_batch_submit(batch, false, kernel_ioctl, k, res);
}

static bool submit_twice(const SMMUv3AccelBatch *batch, Kernel *k,
                         SMMUv3AccelSubmitResult *res)
{
    return smmuv3_accel_batch_submit(batch, true, kernel_ioctl, k, res);
}

/* A command that is unique in dword 0 */
static SMMUv3AccelHostCmd nth_cmd(unsigned i)
{
    static const uint8_t types[] = { 0x12, 0x05, 0x12, 0x11, 0x40 };
    uint64_t type = types[i % ARRAY_SIZE(types)];

    return (SMMUv3AccelHostCmd) {
        .cmd = { cpu_to_le64(type == 0x05 || type == 0x40 ?
                             type | (uint64_t)(0x1000 + i) << 32 :
                             type | (uint64_t)i << 48) },
    };
}

static SMMUv3AccelHostCmd bad_cmd(void)
{
    return (SMMUv3AccelHostCmd) {
        .cmd = { cpu_to_le64(0x05 | 0xbadULL << 32) },
    };
}

static int find_last(const Kernel *k, uint64_t word0)
{
    for (int i = k->n_log - 1; i >= 0; i--) {
        if (k->log[i] == word0) {
            return i;
        }
    }
    return -1;
}

/*
 * Every command that the kernel supports was issued, or, if it is for the TLB,
 * replaced by a larger invalidation.
 */
static void assert_complete(const Kernel *k, const SMMUv3AccelBatch *batch)
{
    int all = find_last(k, 0x10);

    for (unsigned i = 0; i < batch->n; i++) {
        uint64_t word0 = le64_to_cpu(batch->cmd[i].cmd[0]);
        int at = find_last(k, word0);

        if (!k->knows(word0)) {
            g_assert_cmpint(at, ==, -1);
        } else if ((word0 & 0xff) == 0x05 || (word0 & 0xff) == 0x40) {
            g_assert_cmpint(at, >=, 0);
        } else {
            g_assert_true(at >= 0 || all >= 0);
        }
    }
}

static unsigned n_lost(const SMMUv3AccelSubmitResult *res)
{
    return bitmap_count_one(res->lost, SMMU_ACCEL_BATCH_MAX);
}

static void fill(SMMUv3AccelBatch *batch, unsigned n)
{
    smmuv3_accel_batch_reset(batch);
    for (unsigned i = 0; i < n; i++) {
        SMMUv3AccelHostCmd cmd = nth_cmd(i);

        g_assert_false(smmuv3_accel_batch_full(batch));
        smmuv3_accel_batch_push(batch, &cmd);
    }
    g_assert_cmpuint(batch->n, ==, n);
    g_assert_cmpint(smmuv3_accel_batch_full(batch), ==,
                    n == SMMU_ACCEL_BATCH_MAX);
}

static void test_batch_good(void)
{
    for (unsigned n = 0; n <= SMMU_ACCEL_BATCH_MAX; n++) {
        Kernel k = { .knows = knows_all };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, n);
        g_assert_true(submit(&batch, &k, &res));
        g_assert_cmpuint(k.n_ioctls, ==, n ? 1 : 0);
        g_assert_cmpuint(res.ioctls, ==, n ? 1 : 0);
        g_assert_cmpuint(res.refused, ==, 0);
        g_assert_cmpuint(n_lost(&res), ==, 0);
        g_assert_cmpint(res.err, ==, 0);
        g_assert_false(res.whole_tlb);
        g_assert_false(res.tlb_lost);
        g_assert_cmpuint(k.n_log, ==, n);
        for (unsigned i = 0; i < n; i++) {
            g_assert_cmphex(k.log[i], ==, le64_to_cpu(batch.cmd[i].cmd[0]));
        }
    }
}

/* The SMMU needs everything twice, but ATC_INV */
static void test_batch_twice(void)
{
    const SMMUv3AccelHostCmd inv = smmuv3_accel_host_cmd_atc_inv_all(1, false);
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;
    Kernel k;

    for (unsigned n = 1; n <= SMMU_ACCEL_BATCH_MAX; n += 51) {
        k = (Kernel) { .knows = knows_all };
        fill(&batch, n);
        g_assert_true(submit_twice(&batch, &k, &res));
        g_assert_cmpuint(k.n_ioctls, ==, 2);
        g_assert_cmpuint(res.ioctls, ==, 2);
        g_assert_cmpuint(k.n_log, ==, 2 * n);
        for (unsigned i = 0; i < 2 * n; i++) {
            g_assert_cmphex(k.log[i], ==,
                            le64_to_cpu(batch.cmd[i % n].cmd[0]));
        }
    }

    k = (Kernel) { .knows = knows_all };
    smmuv3_accel_batch_reset(&batch);
    smmuv3_accel_batch_push(&batch, &inv);
    g_assert_true(submit_twice(&batch, &k, &res));
    g_assert_cmpuint(k.n_ioctls, ==, 1);
}

/* It is not carried out if it failed the second time */
static void test_batch_twice_failing(void)
{
    for (unsigned at = 1; at <= 2; at++) {
        Kernel k = { .knows = knows_all, .enomem_ioctl = at };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;
        unsigned n_all = 0;

        fill(&batch, 50);
        g_assert_true(submit_twice(&batch, &k, &res));
        g_assert_cmpint(res.err, ==, -ENOMEM);
        g_assert_true(res.whole_tlb);
        assert_complete(&k, &batch);
        for (unsigned i = 0; i < k.n_log; i++) {
            n_all += k.log[i] == SMMU_CMD_TLBI_NH_ALL;
        }
        g_assert_cmpuint(n_all, ==, 2);
        g_assert_cmpuint(res.ioctls, ==, k.n_ioctls);
    }
    for (unsigned block = 1; block <= 4; block++) {
        Kernel k = { .knows = knows_all, .timeout_block = block, .dead = true };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, 2 * BLOCK);
        g_assert_false(submit_twice(&batch, &k, &res));
        g_assert_true(res.tlb_lost);
        g_assert_true(res.stuck);
    }
}

/* One bad command at every position, including the edges of blocks */
static void test_batch_one_bad(void)
{
    for (unsigned bad = 0; bad < 200; bad++) {
        Kernel k = { .knows = knows_most };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, 200);
        batch.cmd[bad] = bad_cmd();
        g_assert_false(submit(&batch, &k, &res));
        g_assert_cmpuint(res.refused, ==, 1);
        g_assert_cmpuint(n_lost(&res), ==, 1);
        g_assert_true(test_bit(bad, res.lost));
        g_assert_cmpint(res.err, ==, -EIO);
        g_assert_cmpuint(res.ioctls, ==, bad && bad < 199 ? 3 : 2);
        g_assert_false(res.whole_tlb);
        g_assert_false(res.stuck);
        assert_complete(&k, &batch);
    }
}

/* Bad commands at several positions, and only bad commands */
static void test_batch_many_bad(void)
{
    for (int round = 0; round < 2000; round++) {
        Kernel k = { .knows = knows_most };
        unsigned n = g_test_rand_int_range(1, SMMU_ACCEL_BATCH_MAX + 1);
        unsigned n_bad = 0, one_in = g_test_rand_int_range(1, 80);
        uint16_t bad[SMMU_ACCEL_BATCH_MAX];
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, n);
        for (unsigned i = 0; i < n; i++) {
            if (g_test_rand_int_range(0, one_in) == 0) {
                batch.cmd[i] = bad_cmd();
                bad[n_bad++] = i;
            }
        }
        g_assert_cmpint(submit(&batch, &k, &res), ==, !n_bad);
        g_assert_cmpuint(res.refused, ==, n_bad);
        g_assert_cmpuint(n_lost(&res), ==, n_bad);
        for (unsigned i = 0; i < n_bad; i++) {
            g_assert_true(test_bit(bad[i], res.lost));
        }
        g_assert_cmpuint(res.ioctls, ==, k.n_ioctls);
        g_assert_cmpuint(res.ioctls, <=, n + 3);
        g_assert_false(res.whole_tlb);
        assert_complete(&k, &batch);
    }
}

/* One block times out, and all others work */
static void test_batch_timeout(void)
{
    for (unsigned n = 1; n <= SMMU_ACCEL_BATCH_MAX; n += 17) {
        for (unsigned block = 1; block <= (n + BLOCK - 1) / BLOCK; block++) {
            Kernel k = { .knows = knows_all, .timeout_block = block };
            SMMUv3AccelSubmitResult res;
            SMMUv3AccelBatch batch;

            fill(&batch, n);
            g_assert_true(submit(&batch, &k, &res));
            g_assert_false(res.stuck);
            g_assert_false(res.tlb_lost);
            g_assert_cmpint(res.err, ==, -ETIMEDOUT);
            g_assert_cmpuint(res.ioctls, <=, n + 3);
            assert_complete(&k, &batch);
            /* only one TLB command, and no ATC_INV before it */
            for (unsigned i = (block - 1) * BLOCK; i < k.n_log; i++) {
                unsigned all = find_last(&k, 0x10);

                g_assert_true(res.whole_tlb);
                g_assert_cmphex(k.log[i] & 0xff, ==,
                                i < all ? 0x05 : i > all ? 0x40 : 0x10);
            }
        }
    }
}

/* A dead queue: give up before the guest has to wait for minutes */
static void test_batch_dead(void)
{
    Kernel k = { .knows = knows_all, .timeout_block = 1, .dead = true };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, 200);
    g_assert_false(submit(&batch, &k, &res));
    g_assert_false(res.whole_tlb);
    g_assert_true(res.tlb_lost);
    g_assert_true(res.stuck);
    g_assert_cmpuint(n_lost(&res), ==, 80);     /* CFGI_CD and ATC_INV */
    g_assert_true(test_bit(1, res.lost));
    g_assert_cmpuint(res.ioctls, ==, 2);
    g_assert_cmpuint(res.ioctls_failed, ==, 2);
    g_assert_cmpint(res.err, ==, -ETIMEDOUT);

    /* The next batch is not tried */
    smmuv3_accel_batch_give_up(&batch, &res);
    g_assert_true(res.tlb_lost);
    g_assert_true(res.stuck);
    g_assert_cmpuint(n_lost(&res), ==, 80);
    g_assert_cmpuint(res.ioctls, ==, 0);
}

/* A device that does not answer ATC_INV does not affect the others */
static void test_batch_dead_atc(void)
{
    Kernel k = { .knows = knows_all, .dead_sid = 0x1004 };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, 100);
    g_assert_false(submit(&batch, &k, &res));
    g_assert_true(res.whole_tlb);
    g_assert_false(res.tlb_lost);
    g_assert_false(res.stuck);
    g_assert_cmpuint(n_lost(&res), ==, 1);
    g_assert_true(test_bit(4, res.lost));

    /* With many such devices the wait is limited */
    k = (Kernel) { .knows = knows_all, .dead_sid = 0x1004, .dead_from = true };
    g_assert_false(submit(&batch, &k, &res));
    g_assert_false(res.tlb_lost);
    g_assert_true(res.stuck);
    g_assert_cmpuint(n_lost(&res), ==, 20);
    g_assert_cmpuint(res.ioctls_failed, ==, 5);
}

/*
 * A refused TLBI: the whole TLB is invalidated after all CDs. An ATC may have
 * been filled in between, so the ATC_INVs after it are sent again.
 */
static void test_batch_bad_tlbi(void)
{
    for (unsigned bad = 0; bad < 100; bad += 5) {
        Kernel k = { .knows = knows_most };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;
        unsigned n_atc;

        fill(&batch, 100);
        batch.cmd[bad].cmd[0] = cpu_to_le64(0x11 | 0xbadULL << 32);
        g_assert_true(submit(&batch, &k, &res));
        g_assert_cmpuint(res.refused, ==, 1);
        g_assert_true(res.whole_tlb);
        for (n_atc = 0; (k.log[k.n_log - 1 - n_atc] & 0xff) == 0x40; n_atc++) {
            ;
        }
        g_assert_cmphex(k.log[k.n_log - 1 - n_atc], ==, 0x10);
        for (unsigned i = bad; i < batch.n; i++) {
            n_atc -= (le64_to_cpu(batch.cmd[i].cmd[0]) & 0xff) == 0x40;
        }
        g_assert_cmpuint(n_atc, ==, 0);
        assert_complete(&k, &batch);
    }
}

/* A kernel that refuses everything: bounded calls, and a report */
static void test_batch_refusing(void)
{
    Kernel k = { .knows = knows_nothing };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, SMMU_ACCEL_BATCH_MAX);
    g_assert_false(submit(&batch, &k, &res));
    g_assert_cmpuint(res.refused, ==, SMMU_ACCEL_BATCH_MAX);
    g_assert_true(res.tlb_lost);
    g_assert_cmpuint(res.ioctls, ==, SMMU_ACCEL_BATCH_MAX + 1);
    g_assert_cmpuint(k.n_log, ==, 0);
}

/* Out of memory at the first ioctl, or when dropped commands are sent again */
static void test_batch_enomem(void)
{
    for (unsigned at = 1; at <= 3; at++) {
        Kernel k = { .knows = knows_most, .enomem_ioctl = at };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, 100);
        batch.cmd[80] = bad_cmd();
        g_assert_false(submit(&batch, &k, &res));
        g_assert_true(res.whole_tlb);
        g_assert_false(res.tlb_lost);
        g_assert_cmpuint(n_lost(&res), ==, 1);
        g_assert_true(test_bit(80, res.lost));
        assert_complete(&k, &batch);
    }
}

/* No kernel reports success for half of a batch */
static void test_batch_short(void)
{
    Kernel k = { .knows = knows_all, .liar_ioctl = 1 };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, 10);
    g_assert_true(submit(&batch, &k, &res));
    g_assert_cmpint(res.err, ==, -EIO);
    g_assert_true(res.whole_tlb);
    g_assert_cmpuint(res.refused, ==, 1);
}

/* By opcode: a is TLBI_NH_ALL, n TLBI_NSNH_ALL; digits are ASIDs or SIDs */
static SMMUv3AccelHostCmd parse_cmd(char type, int n)
{
    static const struct {
        char name;
        uint8_t opcode, shift, word;
    } types[] = {
        { 'a', 0x10 }, { 'n', 0x30 }, { 's', 0x11, 48 }, { 'v', 0x12, 48 },
        { 'V', 0x13, 48 }, { 'c', 0x05, 32 }, { 'i', 0x40, 32 },
        { 'w', 0x12, 12, 1 },
    };

    for (int i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].name == type) {
            uint64_t w[2] = { types[i].opcode, 0 };

            w[types[i].word] |= (uint64_t)n << types[i].shift;
            return (SMMUv3AccelHostCmd) {
                .cmd = { cpu_to_le64(w[0]), cpu_to_le64(w[1]) },
            };
        }
    }
    g_assert_not_reached();
}

static void push_all(SMMUv3AccelBatch *batch, const char *cmds)
{
    smmuv3_accel_batch_reset(batch);
    for (const char *p = cmds; *p; p += 2) {
        SMMUv3AccelHostCmd cmd = parse_cmd(p[0], p[1] - '0');

        smmuv3_accel_batch_push(batch, &cmd);
    }
}

/* The commands that remain when redundant ones are omitted */
static void test_redundant(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "v1v1", "v1" },
        { "v1v2v1", "v1v2" },
        { "v1V1", "v1V1" },
        { "w1w2w1", "w1w2" },           /* addresses in one ASID */
        { "v1v2a0", "a0" },
        { "a0v1V1s1a0n0", "a0" },
        { "v1n0s1", "n0" },
        { "s1v1s1", "s1v1" },           /* v1 may be a global entry */
        { "v1c1v1", "v1c1v1" },         /* the TLB may have been refilled */
        { "v1c1v2a0", "v1c1a0" },
        { "a0i1a0", "a0i1a0" },
        { "c1c1i1i1", "c1c1i1i1" },     /* not a TLBI */
        { "v0v1v2v3v4v5v6v7v8v1", "v0v1v2v3v4v5v6v7v8" },
        { "v0v1v2v3v4v5v6v7v8v9v0", "v0v1v2v3v4v5v6v7v8v9v0" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3AccelBatch batch;
        const char *out = cases[i].out;

        push_all(&batch, cases[i].in);
        g_assert_cmpuint(batch.n, ==, strlen(out) / 2);
        for (int j = 0; j < batch.n; j++) {
            SMMUv3AccelHostCmd cmd = parse_cmd(out[2 * j],
                                               out[2 * j + 1] - '0');

            g_assert_cmphex(batch.cmd[j].cmd[0], ==, cmd.cmd[0]);
            g_assert_cmphex(batch.cmd[j].cmd[1], ==, cmd.cmd[1]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/batch/redundant", test_redundant);
    g_test_add_func("/smmuv3-accel/batch/good", test_batch_good);
    g_test_add_func("/smmuv3-accel/batch/twice", test_batch_twice);
    g_test_add_func("/smmuv3-accel/batch/twice-failing",
                    test_batch_twice_failing);
    g_test_add_func("/smmuv3-accel/batch/one-bad", test_batch_one_bad);
    g_test_add_func("/smmuv3-accel/batch/many-bad", test_batch_many_bad);
    g_test_add_func("/smmuv3-accel/batch/timeout", test_batch_timeout);
    g_test_add_func("/smmuv3-accel/batch/dead", test_batch_dead);
    g_test_add_func("/smmuv3-accel/batch/dead-atc", test_batch_dead_atc);
    g_test_add_func("/smmuv3-accel/batch/bad-tlbi", test_batch_bad_tlbi);
    g_test_add_func("/smmuv3-accel/batch/refusing", test_batch_refusing);
    g_test_add_func("/smmuv3-accel/batch/enomem", test_batch_enomem);
    g_test_add_func("/smmuv3-accel/batch/short", test_batch_short);
    return g_test_run();
}
