/*
 * arm-smmuv3-accel: unit tests of commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/arm/smmuv3-accel-cmd.h"

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

#define KIND(k) SMMU_ACCEL_CMD_KIND_ ## k

/* Every opcode, its class, and the features that it needs */
static const struct {
    uint8_t opcode;
    SMMUv3AccelCmdClass class;
    uint32_t needs;             /* bits of IDR0, or STALL1 to be off */
    bool ssec;
    SMMUv3AccelCmdKind kind;
} opcodes[] = {
    { 0x01, LOCAL, 0, true, KIND(OTHER) },              /* PREFETCH_CONFIG */
    { 0x02, LOCAL, 0, true, KIND(OTHER) },              /* PREFETCH_ADDR */
    { 0x03, LOCAL, 0, true, KIND(CFGI_STE) },           /* CFGI_STE */
    { 0x04, LOCAL, 0, true, KIND(CFGI_STE) },           /* ..._RANGE, _ALL */
    { 0x05, WITHSID, S1P, true, KIND(CFGI_CD) },        /* CFGI_CD */
    { 0x06, WITHSID, S1P, true, KIND(CFGI_CD) },        /* CFGI_CD_ALL */
    { 0x10, FORWARD, S1P, false, KIND(TLBI) },          /* TLBI_NH_ALL */
    { 0x11, FORWARD, S1P, false, KIND(TLBI) },          /* TLBI_NH_ASID */
    { 0x12, FORWARD, S1P, false, KIND(TLBI) },          /* TLBI_NH_VA */
    { 0x13, FORWARD, S1P, false, KIND(TLBI) },          /* TLBI_NH_VAA */
    { 0x20, LOCAL, 0, false, KIND(TLBI) },              /* TLBI_EL2_ALL */
    { 0x21, LOCAL, HYP, false, KIND(TLBI) },            /* TLBI_EL2_ASID */
    { 0x22, LOCAL, HYP, false, KIND(TLBI) },            /* TLBI_EL2_VA */
    { 0x23, LOCAL, HYP, false, KIND(TLBI) },            /* TLBI_EL2_VAA */
    { 0x28, LOCAL, S2P, false, KIND(TLBI) },            /* TLBI_S12_VMALL */
    { 0x2a, LOCAL, S2P, false, KIND(TLBI) },            /* TLBI_S2_IPA */
    { 0x30, FORWARD, 0, false, KIND(TLBI) },            /* TLBI_NSNH_ALL */
    { 0x40, WITHSID, ATS, true, KIND(ATC_INV) },        /* ATC_INV */
    { 0x41, LOCAL, PRI, true, KIND(OTHER) },            /* PRI_RESP */
    { 0x44, LOCAL, STALL1, true, KIND(OTHER) },         /* RESUME */
    { 0x45, LOCAL, STALL1, true, KIND(OTHER) },         /* STALL_TERM */
    { 0x46, LOCAL, 0, false, KIND(SYNC) },              /* SYNC */
};

/* All 256 opcodes, with and without each feature, with both values of SSec */
static void test_classify(void)
{
    static const uint32_t features[] = { S1P, S2P, HYP, ATS, PRI, STALL1 };

    for (int i = 0; i < 256 * (1 << ARRAY_SIZE(features)) * 2; i++) {
        uint32_t idr[6] = { 0 };
        int opcode = i & 0xff, mask = i >> 9, ssec = (i >> 8) & 1;
        SMMUv3AccelCmdKind kind = KIND(ILLEGAL);
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
                kind = opcodes[o].kind;
            }
        }
        g_assert_cmpint(smmuv3_accel_cmd_classify(&cmd, idr), ==, want);
        g_assert_cmpint(smmuv3_accel_cmd_kind(&cmd, want), ==, kind);
    }
}

/* CS=3 of a CMD_SYNC is reserved */
static void test_sync(void)
{
    const uint32_t idr[6] = { 0 };

    for (uint32_t cs = 0; cs < 4; cs++) {
        Cmd cmd = { .word = { 0x46 | cs << 12 } };

        g_assert_cmpint(smmuv3_accel_cmd_classify(&cmd, idr), ==,
                        cs < 3 ? LOCAL : ILLEGAL);
    }
}

#define IDR0_8BIT   (S1P | ATS | STALL1)
#define IDR0_16BIT  (IDR0_8BIT | ASID16)
#define SSIDS(n)    ((n) << 6)

/* Set one bit after the other, and all: only @keep is forwarded */
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

/* All TG and TTL, NUM and SCALE 0 or not, with each set of granules */
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
            w0 = 0x10;          /* global entries, too */
            w1 = 0;
        }
        smmuv3_accel_cmd_to_host(&cmd, idr, &host);
        g_assert_cmphex(le64_to_cpu(host.cmd[0]), ==, w0);
        g_assert_cmphex(le64_to_cpu(host.cmd[1]), ==, w1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/cmd/classify", test_classify);
    g_test_add_func("/smmuv3-accel/cmd/sync", test_sync);
    g_test_add_func("/smmuv3-accel/cmd/sanitise", test_sanitise);
    g_test_add_func("/smmuv3-accel/cmd/atc-size", test_atc_size);
    g_test_add_func("/smmuv3-accel/cmd/range", test_range);
    return g_test_run();
}
