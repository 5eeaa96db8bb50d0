/*
 * arm-smmuv3-accel: unit tests of commands and batches
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/arm/smmuv3-accel-cmdq.h"

#define S2P     (1U << 0)
#define S1P     (1U << 1)
#define HYP     (1U << 9)
#define ATS     (1U << 10)
#define ASID16  (1U << 12)
#define PRI     (1U << 16)
#define STALL1  (1U << 24)
#define RIL     (1U << 10)      /* of IDR3 */

#define ILLEGAL SMMU_ACCEL_CMD_ILLEGAL
#define LOCAL   SMMU_ACCEL_CMD_LOCAL
#define FORWARD SMMU_ACCEL_CMD_FORWARD
#define WITHSID SMMU_ACCEL_CMD_FORWARD_SID

/* Every opcode there is, and what makes it what it is */
static const struct {
    uint8_t opcode;
    SMMUv3AccelCmdClass class;
    uint32_t needs;             /* bits of IDR0, or STALL1 to be off */
    bool ssec;
} opcodes[] = {
    { 0x01, LOCAL, 0, true },           /* PREFETCH_CONFIG */
    { 0x02, LOCAL, 0, true },           /* PREFETCH_ADDR */
    { 0x03, LOCAL, 0, true },           /* CFGI_STE */
    { 0x04, LOCAL, 0, true },           /* CFGI_STE_RANGE, CFGI_ALL */
    { 0x05, WITHSID, S1P, true },       /* CFGI_CD */
    { 0x06, WITHSID, S1P, true },       /* CFGI_CD_ALL */
    { 0x10, FORWARD, S1P, false },      /* TLBI_NH_ALL */
    { 0x11, FORWARD, S1P, false },      /* TLBI_NH_ASID */
    { 0x12, FORWARD, S1P, false },      /* TLBI_NH_VA */
    { 0x13, FORWARD, S1P, false },      /* TLBI_NH_VAA */
    { 0x20, LOCAL, HYP, false },        /* TLBI_EL2_ALL */
    { 0x21, LOCAL, HYP, false },        /* TLBI_EL2_ASID */
    { 0x22, LOCAL, HYP, false },        /* TLBI_EL2_VA */
    { 0x23, LOCAL, HYP, false },        /* TLBI_EL2_VAA */
    { 0x28, LOCAL, S2P, false },        /* TLBI_S12_VMALL */
    { 0x2a, LOCAL, S2P, false },        /* TLBI_S2_IPA */
    { 0x30, FORWARD, 0, false },        /* TLBI_NSNH_ALL */
    { 0x40, WITHSID, ATS, true },       /* ATC_INV */
    { 0x41, LOCAL, PRI, true },         /* PRI_RESP */
    { 0x44, LOCAL, STALL1, true },      /* RESUME */
    { 0x45, LOCAL, STALL1, true },      /* STALL_TERM */
    { 0x46, LOCAL, 0, false },          /* SYNC */
};

/* All 256 opcodes, with each feature there or not, on either SSec */
static void test_classify(void)
{
    static const uint32_t features[] = { S1P, S2P, HYP, ATS, PRI, STALL1 };

    for (int i = 0; i < 256 * (1 << ARRAY_SIZE(features)) * 2; i++) {
        uint32_t idr[6] = { 0 };
        int opcode = i & 0xff, mask = i >> 9, ssec = (i >> 8) & 1;
        SMMUv3AccelCmdClass want = ILLEGAL;
        Cmd cmd = { .word = { opcode | ssec << 10 } };

        for (size_t f = 0; f < ARRAY_SIZE(features); f++) {
            idr[0] |= mask & (1 << f) ? features[f] : 0;
        }
        for (size_t o = 0; o < ARRAY_SIZE(opcodes); o++) {
            uint32_t needs = opcodes[o].needs;
            bool met = needs == STALL1 ? !(idr[0] & STALL1)
                                       : (idr[0] & needs) == needs;

            if (opcodes[o].opcode == opcode && met &&
                !(ssec && opcodes[o].ssec)) {
                want = opcodes[o].class;
            }
        }
        g_assert_cmpint(smmuv3_accel_cmd_classify(&cmd, idr), ==, want);
    }
}

#define IDR0_8BIT   (S1P | ATS | STALL1)
#define IDR0_16BIT  (IDR0_8BIT | ASID16)
#define SSIDS(n)    ((n) << 6)

/* One bit after the other, and all: only @keep of a command comes through */
static const struct {
    uint8_t opcode;
    uint32_t idr0, idr1, idr3;
    uint64_t keep[2];
} sanitise[] = {
    { 0x30, IDR0_16BIT, SSIDS(20), RIL, { 0, 0 } },
    { 0x10, IDR0_16BIT, SSIDS(20), RIL, { 0, 0 } },
    { 0x11, IDR0_16BIT, SSIDS(20), RIL, { 0xffff000000000000, 0 } },
    { 0x11, IDR0_8BIT, 0, 0, { 0x00ff000000000000, 0 } },
    { 0x12, IDR0_16BIT, 0, 0, { 0xffff000000000000, 0xfffffffffffff001 } },
    { 0x12, IDR0_8BIT, 0, 0, { 0x00ff000000000000, 0xfffffffffffff001 } },
    { 0x13, IDR0_16BIT, 0, 0, { 0, 0xfffffffffffff001 } },
    { 0x05, IDR0_16BIT, 0, 0, { 0xffffffff00000000, 1 } },
    { 0x05, IDR0_16BIT, SSIDS(8), 0, { 0xffffffff000ff000, 1 } },
    { 0x05, IDR0_16BIT, SSIDS(20), 0, { 0xfffffffffffff000, 1 } },
    { 0x06, IDR0_16BIT, SSIDS(20), 0, { 0xffffffff00000000, 0 } },
    { 0x40, IDR0_16BIT, 0, 0, { 0xffffffff00000000, 0xfffffffffffff03f } },
    { 0x40, IDR0_16BIT, SSIDS(20), 0,
      { 0xfffffffffffffa00, 0xfffffffffffff03f } },
};

static void test_sanitise(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sanitise); i++) {
        uint32_t idr[6] = { sanitise[i].idr0, sanitise[i].idr1, 0,
                            sanitise[i].idr3, 0, 0x75 };

        for (int bit = 8; bit < 128; bit++) {
            Cmd cmd = { .word = { sanitise[i].opcode } };
            uint64_t want[2] = { sanitise[i].opcode, 0 };
            SMMUv3AccelHostCmd host;

            cmd.word[bit / 32] |= 1U << (bit % 32);
            want[bit / 64] |= (1ULL << (bit % 64)) & sanitise[i].keep[bit / 64];
            smmuv3_accel_cmd_to_host(&cmd, idr, &host);
            g_assert_cmphex(le64_to_cpu(host.cmd[0]), ==, want[0]);
            g_assert_cmphex(le64_to_cpu(host.cmd[1]), ==, want[1]);
            g_assert_cmphex(smmuv3_accel_host_cmd_type(&host), ==,
                            sanitise[i].opcode);
        }
    }
}

static void test_atc_size(void)
{
    uint32_t idr[6] = { IDR0_16BIT };

    for (int size = 0; size < 64; size++) {
        Cmd cmd = { .word = { 0x40, 0x800, 0x1000 | size, 5 } };
        SMMUv3AccelHostCmd host;

        smmuv3_accel_cmd_to_host(&cmd, idr, &host);
        g_assert_cmphex(smmuv3_accel_host_cmd_sid(&host), ==, 0x800);
        g_assert_cmphex(le64_to_cpu(host.cmd[1]), ==,
                        size <= 52 ? 0x500001000 | size : 52);
    }
}

/* All of TG, TTL, and NUM and SCALE of 0 or not, with each set of granules */
static void test_range(void)
{
    for (int i = 0; i < 4 * 4 * 4 * 8 * 2 * 2; i++) {
        uint32_t tg = i & 3, ttl = (i >> 2) & 3, num = (i >> 4) & 1 ? 31 : 0;
        uint32_t scale = (i >> 5) & 1 ? 20 : 0, gran = (i >> 6) & 7;
        bool ril = (i >> 9) & 1, vaa = (i >> 10) & 1, ok;
        uint32_t idr[6] = { IDR0_16BIT, 0, 0, ril ? RIL : 0, 0, gran << 4 };
        Cmd cmd = { .word = {
            (vaa ? 0x13 : 0x12) | num << 12 | scale << 20,
            0xabcd0000 | 0x1234,
            0x7000 | tg << 10 | ttl << 8 | 1, 0xffff0000
        } };
        SMMUv3AccelHostCmd host;
        uint64_t asid = vaa ? 0 : 0xabcd000000000000;
        uint64_t addr = 0xffff000000007001;
        uint64_t w0 = (vaa ? 0x13 : 0x12) | asid, w1 = addr;

        ok = (gran & (tg ? 1 << (tg - 1) : 0)) && !(tg == 2 && ttl == 1) &&
             (num || scale || ttl);
        if (ril && tg && ok) {
            w0 |= num << 12 | scale << 20;
            w1 |= tg << 10 | ttl << 8;
        } else if (ril && tg) {
            w0 = (vaa ? 0x10 : 0x11) | asid;
            w1 = 0;
        }
        smmuv3_accel_cmd_to_host(&cmd, idr, &host);
        g_assert_cmphex(le64_to_cpu(host.cmd[0]), ==, w0);
        g_assert_cmphex(le64_to_cpu(host.cmd[1]), ==, w1);
    }
}

/*
 * The kernel: arm_vsmmu_cache_invalidate(). Commands are converted one by one,
 * a block of CMDQ_BATCH_ENTRIES - 1 is issued when it is full or at the end.
 */
#define BLOCK 63

typedef struct Kernel {
    uint64_t log[4096];         /* dword 0 of what was issued */
    unsigned n_log, n_ioctls;
    unsigned n_blocks;
    unsigned timeout_block;     /* the block, from 1, that is not issued */
    bool dead;                  /* nor is any after it */
    unsigned enomem_ioctl;      /* the ioctl, from 1, that fails at once */
    unsigned liar_ioctl;        /* the ioctl, from 1, that does half */
    bool (*knows)(uint64_t word0);
} Kernel;

static bool knows_all(uint64_t word0)
{
    return true;
}

/* Not a SID of 0xbad, nor an opcode of 0x46 */
static bool knows_most(uint64_t word0)
{
    return word0 >> 32 != 0xbad && (word0 & 0xff) != 0x46;
}

static bool knows_nothing(uint64_t word0)
{
    return false;
}

static bool kernel_issue(Kernel *k, const SMMUv3AccelHostCmd *cmds, unsigned n)
{
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

/* A command that can be told from all others by dword 0 */
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
 * Everything the kernel knows was issued, or, if it is for the TLB, something
 * larger in its stead.
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
        g_assert_true(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k,
                                                &res));
        g_assert_cmpuint(k.n_ioctls, ==, n ? 1 : 0);
        g_assert_cmpuint(res.ioctls, ==, n ? 1 : 0);
        g_assert_cmpuint(res.n_failed, ==, 0);
        g_assert_cmpint(res.err, ==, 0);
        g_assert_false(res.fallback);
        g_assert_false(res.stale);
        g_assert_cmpuint(k.n_log, ==, n);
        for (unsigned i = 0; i < n; i++) {
            g_assert_cmphex(k.log[i], ==, le64_to_cpu(batch.cmd[i].cmd[0]));
        }
    }
}

/* One bad command at every place, about the edges of the kernel's blocks too */
static void test_batch_one_bad(void)
{
    for (unsigned bad = 0; bad < 200; bad++) {
        Kernel k = { .knows = knows_most };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, 200);
        batch.cmd[bad] = bad_cmd();
        g_assert_false(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k,
                                                 &res));
        g_assert_cmpuint(res.n_failed, ==, 1);
        g_assert_cmpuint(res.failed[0], ==, bad);
        g_assert_cmpint(res.err, ==, -EIO);
        g_assert_cmpuint(res.ioctls, ==, bad && bad < 199 ? 3 : 2);
        g_assert_false(res.fallback);
        assert_complete(&k, &batch);
    }
}

/* Bad commands anywhere, and nothing but bad commands */
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
        g_assert_cmpint(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k,
                                                  &res), ==, !n_bad);
        g_assert_cmpuint(res.n_failed, ==, n_bad);
        for (unsigned i = 0; i < MIN(n_bad, SMMU_ACCEL_FAILED_MAX); i++) {
            g_assert_cmpuint(res.failed[i], ==, bad[i]);
        }
        g_assert_cmpuint(res.ioctls, ==, k.n_ioctls);
        g_assert_cmpuint(res.ioctls, <=, n + 3);
        g_assert_false(res.fallback);
        assert_complete(&k, &batch);
    }
}

/* A block that times out, then all is well again */
static void test_batch_timeout(void)
{
    for (unsigned n = 1; n <= SMMU_ACCEL_BATCH_MAX; n += 17) {
        for (unsigned block = 1; block <= (n + BLOCK - 1) / BLOCK; block++) {
            Kernel k = { .knows = knows_all, .timeout_block = block };
            SMMUv3AccelSubmitResult res;
            SMMUv3AccelBatch batch;

            fill(&batch, n);
            g_assert_true(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k,
                                                    &res));
            g_assert_true(res.fallback);
            g_assert_false(res.stale);
            g_assert_cmpint(res.err, ==, -ETIMEDOUT);
            g_assert_cmpuint(res.ioctls, <=, n + 3);
            assert_complete(&k, &batch);
            /* no TLB command but the one, no ATC_INV before it */
            for (unsigned i = (block - 1) * BLOCK; i < k.n_log; i++) {
                unsigned all = find_last(&k, 0x10);

                g_assert_cmphex(k.log[i] & 0xff, ==,
                                i < all ? 0x05 : i > all ? 0x40 : 0x10);
            }
        }
    }
}

/* A queue that is dead for good: given up before a guest waits for minutes */
static void test_batch_dead(void)
{
    Kernel k = { .knows = knows_all, .timeout_block = 1, .dead = true };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, 200);
    g_assert_false(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k, &res));
    g_assert_true(res.fallback);
    g_assert_true(res.stale);
    g_assert_cmpuint(res.n_failed, ==, 80);     /* CFGI_CD and ATC_INV */
    g_assert_cmpuint(res.failed[0], ==, 1);
    g_assert_cmpuint(res.ioctls, ==, 5);
    g_assert_cmpint(res.err, ==, -ETIMEDOUT);
}

/* A kernel that takes nothing: bounded, and it is said */
static void test_batch_refusing(void)
{
    Kernel k = { .knows = knows_nothing };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, SMMU_ACCEL_BATCH_MAX);
    g_assert_false(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k, &res));
    g_assert_cmpuint(res.n_failed, ==, SMMU_ACCEL_BATCH_MAX);
    g_assert_cmpuint(res.ioctls, ==, SMMU_ACCEL_BATCH_MAX);
    g_assert_cmpuint(k.n_log, ==, 0);
}

/* Out of memory at the first ioctl, or at that for what was dropped */
static void test_batch_enomem(void)
{
    for (unsigned at = 1; at <= 3; at++) {
        Kernel k = { .knows = knows_most, .enomem_ioctl = at };
        SMMUv3AccelSubmitResult res;
        SMMUv3AccelBatch batch;

        fill(&batch, 100);
        batch.cmd[80] = bad_cmd();
        g_assert_false(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k,
                                                 &res));
        g_assert_true(res.fallback);
        g_assert_false(res.stale);
        g_assert_cmpuint(res.n_failed, ==, 1);
        g_assert_cmpuint(res.failed[0], ==, 80);
        assert_complete(&k, &batch);
    }
}

/* Success for half of it is a thing no kernel does */
static void test_batch_short(void)
{
    Kernel k = { .knows = knows_all, .liar_ioctl = 1 };
    SMMUv3AccelSubmitResult res;
    SMMUv3AccelBatch batch;

    fill(&batch, 10);
    g_assert_false(smmuv3_accel_batch_submit(&batch, kernel_ioctl, &k, &res));
    g_assert_cmpint(res.err, ==, -EIO);
    g_assert_cmpuint(res.n_failed, ==, 1);
    g_assert_cmpuint(res.failed[0], ==, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/cmdq/classify", test_classify);
    g_test_add_func("/smmuv3-accel/cmdq/sanitise", test_sanitise);
    g_test_add_func("/smmuv3-accel/cmdq/atc-size", test_atc_size);
    g_test_add_func("/smmuv3-accel/cmdq/range", test_range);
    g_test_add_func("/smmuv3-accel/cmdq/batch/good", test_batch_good);
    g_test_add_func("/smmuv3-accel/cmdq/batch/one-bad", test_batch_one_bad);
    g_test_add_func("/smmuv3-accel/cmdq/batch/many-bad", test_batch_many_bad);
    g_test_add_func("/smmuv3-accel/cmdq/batch/timeout", test_batch_timeout);
    g_test_add_func("/smmuv3-accel/cmdq/batch/dead", test_batch_dead);
    g_test_add_func("/smmuv3-accel/cmdq/batch/refusing", test_batch_refusing);
    g_test_add_func("/smmuv3-accel/cmdq/batch/enomem", test_batch_enomem);
    g_test_add_func("/smmuv3-accel/cmdq/batch/short", test_batch_short);
    return g_test_run();
}
