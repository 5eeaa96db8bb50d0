/*
 * arm-smmuv3-accel: unit tests of the target of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-accel-target.h"

#define GBPA_ABORT  (1U << 20)

/* struct iommu_hwpt_arm_smmuv3: the kernel refuses any other bit with EIO */
#define KERNEL_STE0 0xf80fffffffffffffULL
#define KERNEL_STE1 0x00000000380000ffULL

/* Registers of the vSMMU, in addition to S1P */
#define STALL1      (1U << 24)
#define IDR0_S1     (0x0c40101a | STALL1)
#define IDR5_48     0x75

typedef struct Case {
    const char *name;
    uint64_t ste[2];
    SMMUv3AccelTarget want;     /* the words only if nested */
    uint32_t idr0;          /* in addition */
    uint32_t ssidsize;
    bool stalls;            /* STALL_MODEL 0 */
} Case;

#define ABORTS(e)       { SMMU_ACCEL_ABORT, .event = SMMU_EVT_ ## e }
#define BYPASSES        { SMMU_ACCEL_BYPASS }
#define NESTS(a, b)     { SMMU_ACCEL_NESTED, { a, b } }

/* STE fields */
#define V               1ULL
#define CFG(n)          (V | (uint64_t)(n) << 1)
#define FMT(n)          ((uint64_t)(n) << 4)
#define PTR             0x123456780040ULL
#define CDMAX(n)        ((uint64_t)(n) << 59)
#define DSS(n)          ((uint64_t)(n))
#define CACHE           0xfcULL
#define STALLD          (1ULL << 27)
#define EATS(n)         ((uint64_t)(n) << 28)

#define CD2L            (1U << 19)
#define ATS             (1U << 10)
#define S2P             1U

static const Case cases[] = {
    { "V=0", { 0, 0 }, ABORTS(NONE) },
    { "V=0, all else set", { ~V, ~0ULL }, ABORTS(NONE) },
    { "abort", { CFG(0), 0 }, ABORTS(NONE) },
    { "abort, illegal elsewhere", { CFG(0) | CDMAX(31), ~0ULL },
      ABORTS(NONE) },
    { "config 1 is reserved", { CFG(1), 0 }, ABORTS(NONE) },
    { "config 2 is reserved", { CFG(2), 0 }, ABORTS(NONE) },
    { "config 3 is reserved", { CFG(3), 0 }, ABORTS(NONE) },
    { "bypass", { CFG(4), 0 }, BYPASSES },
    { "bypass with SHCFG, as Linux has it", { CFG(4), 1ULL << 44 }, BYPASSES },
    { "bypass, S1 fields of no use", { CFG(4) | PTR | CDMAX(31), EATS(3) },
      BYPASSES, .idr0 = ATS },
    { "stage 2", { CFG(6), 0 }, ABORTS(C_BAD_STE) },
    { "both stages", { CFG(7) | PTR, 0 }, ABORTS(C_BAD_STE) },
    { "stage 2, S2P=1", { CFG(6), 0 }, ABORTS(NONE), .idr0 = S2P },
    { "both stages, S2P=1", { CFG(7) | PTR, 0 }, ABORTS(NONE), .idr0 = S2P },

    { "stage 1", { CFG(5) | PTR, CACHE }, NESTS(CFG(5) | PTR, CACHE) },
    { "stage 1 with all that is ignored",
      { CFG(5) | PTR | (0x7fULL << 52), ~(STALLD | EATS(2)) },
      NESTS(CFG(5) | PTR, CACHE) },
    { "one CD: S1Fmt and S1DSS are ignored",
      { CFG(5) | FMT(3) | PTR, DSS(3) | CACHE }, NESTS(CFG(5) | PTR, CACHE) },
    { "S1CDMax, no substreams", { CFG(5) | PTR | CDMAX(1), 0 },
      ABORTS(C_BAD_STE) },
    { "S1CDMax above", { CFG(5) | PTR | CDMAX(11), 0 }, ABORTS(C_BAD_STE),
      .ssidsize = 10 },
    { "S1CDMax equal", { CFG(5) | PTR | CDMAX(10), DSS(2) },
      NESTS(CFG(5) | PTR | CDMAX(10), DSS(2)), .ssidsize = 10 },
    { "S1CDMax below", { CFG(5) | PTR | CDMAX(9), DSS(1) },
      NESTS(CFG(5) | PTR | CDMAX(9), DSS(1)), .ssidsize = 10 },
    { "S1CDMax 31", { CFG(5) | PTR | CDMAX(31), 0 }, ABORTS(C_BAD_STE),
      .ssidsize = 20 },
    { "S1DSS reserved", { CFG(5) | PTR | CDMAX(9), DSS(3) },
      ABORTS(C_BAD_STE), .ssidsize = 10 },
    { "two levels, no CD2L", { CFG(5) | FMT(1) | PTR | CDMAX(9), 0 },
      ABORTS(C_BAD_STE), .ssidsize = 10 },
    { "two levels of 4K", { CFG(5) | FMT(1) | PTR | CDMAX(9), 0 },
      NESTS(CFG(5) | FMT(1) | PTR | CDMAX(9), 0), CD2L, 10 },
    { "two levels of 64K", { CFG(5) | FMT(2) | PTR | CDMAX(9), 0 },
      NESTS(CFG(5) | FMT(2) | PTR | CDMAX(9), 0), CD2L, 10 },
    { "S1Fmt reserved", { CFG(5) | FMT(3) | PTR | CDMAX(9), 0 },
      ABORTS(C_BAD_STE), CD2L, 10 },
    { "last S1ContextPtr", { CFG(5) | 0xffffffffffc0ULL, 0 },
      NESTS(CFG(5) | 0xffffffffffc0ULL, 0) },
    { "S1ContextPtr of 49 bits", { CFG(5) | 1ULL << 48, 0 },
      ABORTS(C_BAD_STE) },
    { "S1ContextPtr of 52 bits", { CFG(5) | 1ULL << 51, 0 },
      ABORTS(C_BAD_STE) },
    { "S1STALLD", { CFG(5) | PTR, STALLD }, ABORTS(C_BAD_STE) },
    { "S1STALLD, stalls", { CFG(5) | PTR, STALLD },
      NESTS(CFG(5) | PTR, STALLD), .stalls = true },
    { "EATS=1, no ATS", { CFG(5) | PTR, EATS(1) }, NESTS(CFG(5) | PTR, 0) },
    { "EATS=3, no ATS", { CFG(5) | PTR, EATS(3) }, NESTS(CFG(5) | PTR, 0) },
    { "EATS=1", { CFG(5) | PTR, EATS(1) }, NESTS(CFG(5) | PTR, EATS(1)),
      .idr0 = ATS },
    { "EATS=2", { CFG(5) | PTR, EATS(2) }, ABORTS(C_BAD_STE), .idr0 = ATS },
    { "EATS=3", { CFG(5) | PTR, EATS(3) }, ABORTS(C_BAD_STE), .idr0 = ATS },
};

static STE make_ste(uint64_t word0, uint64_t word1)
{
    STE ste;

    /* the S2 words are never forwarded: fill them */
    memset(&ste, 0xff, sizeof(ste));
    ste.word[0] = word0;
    ste.word[1] = word0 >> 32;
    ste.word[2] = word1;
    ste.word[3] = word1 >> 32;
    return ste;
}

/* Invariants of every target */
static void check_target(const SMMUv3AccelTarget *t)
{
    g_assert_cmphex(t->ste[0] & ~KERNEL_STE0, ==, 0);
    g_assert_cmphex(t->ste[1] & ~KERNEL_STE1, ==, 0);
    g_assert_true(t->why && *t->why);
    switch (t->kind) {
    case SMMU_ACCEL_ABORT:
        g_assert_cmphex(t->ste[0], ==, 0x1);
        g_assert_cmphex(t->ste[1], ==, 0);
        break;
    case SMMU_ACCEL_BYPASS:
        g_assert_cmphex(t->ste[0], ==, 0x9);
        g_assert_cmphex(t->ste[1], ==, 0);
        g_assert_cmpint(t->event, ==, SMMU_EVT_NONE);
        break;
    case SMMU_ACCEL_NESTED:
        g_assert_cmphex(t->ste[0] & 0xf, ==, 0xb);
        g_assert_cmphex(extract64(t->ste[1], 28, 2), <=, 1);
        g_assert_cmpint(t->event, ==, SMMU_EVT_NONE);
        break;
    default:
        g_assert_not_reached();
    }
}

static void test_ste(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const Case *c = &cases[i];
        uint32_t idr[6] = {
            (c->stalls ? IDR0_S1 & ~STALL1 : IDR0_S1) | c->idr0,
            0x02730010 | c->ssidsize << 6, 0, 0, 0, IDR5_48
        };
        STE ste = make_ste(c->ste[0], c->ste[1]);
        SMMUv3AccelTarget t = smmuv3_accel_target(true, 0, &ste,
                                                  SMMU_EVT_NONE, idr);

        g_test_message("%s", c->name);
        g_assert_cmpint(t.kind, ==, c->want.kind);
        g_assert_cmpint(t.event, ==, c->want.event);
        if (t.kind == SMMU_ACCEL_NESTED) {
            g_assert_cmphex(t.ste[0], ==, c->want.ste[0]);
            g_assert_cmphex(t.ste[1], ==, c->want.ste[1]);
        }
        check_target(&t);
    }
}

/* S1ContextPtr with every OAS */
static void test_oas(void)
{
    static const int bits[] = { 32, 36, 40, 42, 44, 48 };

    for (int oas = 0; oas < ARRAY_SIZE(bits); oas++) {
        for (int bit = 6; bit < 52; bit++) {
            uint32_t idr[6] = { IDR0_S1, 0, 0, 0, 0, 0x10 | oas };
            STE ste = make_ste(CFG(5) | 1ULL << bit, 0);
            SMMUv3AccelTarget t = smmuv3_accel_target(true, 0, &ste,
                                                      SMMU_EVT_NONE, idr);

            g_assert_cmpint(t.kind, ==, bit < bits[oas] ? SMMU_ACCEL_NESTED
                                                        : SMMU_ACCEL_ABORT);
        }
    }
}

/* SMMUEN and GBPA, with and without an STE */
static void test_control(void)
{
    static const uint32_t gbpas[] = { 0, 0x1000, GBPA_ABORT, ~0U, ~GBPA_ABORT };
    static const SMMUEventType events[] = {
        SMMU_EVT_C_BAD_STREAMID, SMMU_EVT_F_STE_FETCH, SMMU_EVT_C_BAD_STE,
    };
    uint32_t idr[6] = { IDR0_S1, 0, 0, 0, 0, IDR5_48 };
    STE ste = make_ste(CFG(5) | PTR, CACHE);

    for (size_t i = 0; i < ARRAY_SIZE(gbpas); i++) {
        SMMUv3AccelTarget t;

        /* the STE is ignored while SMMUEN=0 */
        for (int with = 0; with < 2; with++) {
            t = smmuv3_accel_target(false, gbpas[i], with ? &ste : NULL,
                                    SMMU_EVT_C_BAD_STREAMID, idr);
            check_target(&t);
            g_assert_cmpint(t.kind, ==, gbpas[i] & GBPA_ABORT ?
                            SMMU_ACCEL_ABORT : SMMU_ACCEL_BYPASS);
            g_assert_cmpint(t.event, ==, SMMU_EVT_NONE);
        }
        /* GBPA is ignored while SMMUEN=1 */
        t = smmuv3_accel_target(true, gbpas[i], &ste, SMMU_EVT_NONE, idr);
        check_target(&t);
        g_assert_cmpint(t.kind, ==, SMMU_ACCEL_NESTED);

        for (size_t j = 0; j < ARRAY_SIZE(events); j++) {
            t = smmuv3_accel_target(true, gbpas[i], NULL, events[j], idr);
            check_target(&t);
            g_assert_cmpint(t.kind, ==, SMMU_ACCEL_ABORT);
            g_assert_cmpint(t.event, ==, events[j]);
        }
    }
}

/* Single bits and random ones: bits that the kernel refuses are cleared */
static void test_bits(void)
{
    uint32_t idr[6] = { IDR0_S1 | CD2L | ATS, 0x02730010 | 20 << 6, 0, 0, 0,
                        IDR5_48 };
    STE ste;
    SMMUv3AccelTarget t;

    for (int config = 0; config < 8; config++) {
        for (int bit = 0; bit < 128; bit++) {
            ste = make_ste(CFG(config), 0);
            ste.word[bit / 32] ^= 1U << (bit % 32);
            t = smmuv3_accel_target(true, 0, &ste, SMMU_EVT_NONE, idr);
            check_target(&t);
        }
    }
    for (int i = 0; i < 100000; i++) {
        ste = make_ste((uint64_t)g_test_rand_int() << 32 | g_test_rand_int(),
                       (uint64_t)g_test_rand_int() << 32 | g_test_rand_int());
        t = smmuv3_accel_target(true, 0, &ste, SMMU_EVT_NONE, idr);
        check_target(&t);
    }
}

static void test_no_stall(void)
{
    uint32_t idr[6] = { IDR0_S1, 0, 0, 0, 0, IDR5_48 };
    STE ste = make_ste(CFG(5) | PTR, CACHE);
    STE bypass = make_ste(CFG(4), 0);

    for (uint32_t model = 0; model < 3; model++) {
        SMMUv3AccelTarget t = smmuv3_accel_target(true, 0, &ste,
                                                  SMMU_EVT_NONE, idr);

        g_assert(smmuv3_accel_target_may_stall(&t, model << 24 | 2) == !model);
        smmuv3_accel_target_no_stall(&t, model << 24 | 2);
        g_assert_cmphex(t.ste[1], ==, model ? CACHE : CACHE | STALLD);
        g_assert(!smmuv3_accel_target_may_stall(&t, model << 24 | 2));
        t = smmuv3_accel_target(true, 0, &bypass, SMMU_EVT_NONE, idr);
        smmuv3_accel_target_no_stall(&t, model << 24 | 2);
        g_assert(!smmuv3_accel_target_may_stall(&t, model << 24 | 2));
        check_target(&t);
    }
}

static void test_equal(void)
{
    SMMUv3AccelTarget a = { SMMU_ACCEL_NESTED, { 0xb, 0xfc },
                            SMMU_EVT_NONE, "a" };
    SMMUv3AccelTarget b = a;
    g_autofree char *str = smmuv3_accel_target_str(&a);

    g_assert_cmpstr(str, ==, "nested ste 0xb,0xfc (a)");
    b.why = "b";
    b.event = SMMU_EVT_C_BAD_STE;
    g_assert_true(smmuv3_accel_target_equal(&a, &b));
    b.ste[0] |= 0x40;
    g_assert_false(smmuv3_accel_target_equal(&a, &b));
    b = a;
    b.ste[1] |= 1;
    g_assert_false(smmuv3_accel_target_equal(&a, &b));
    b = a;
    b.kind = SMMU_ACCEL_ABORT;
    g_assert_false(smmuv3_accel_target_equal(&a, &b));
}

/* Functions of a group: equal but for the table of CDs, or blocked */
static void test_join(void)
{
    const SMMUv3AccelTarget one = {
        .kind = SMMU_ACCEL_NESTED, .ste = { 0x100b, 0x20 },
    };
    SMMUv3AccelTarget other = one, joined;

    other.ste[0] = 0x200b;
    joined = smmuv3_accel_target_join(&one, &other);
    g_assert(smmuv3_accel_target_equal(&joined, &one));

    for (int bit = 0; bit < 64; bit++) {
        for (int word = 0; word < 2; word++) {
            if (!word && bit >= 6 && bit < 52) {
                continue;               /* S1ContextPtr */
            }
            other = one;
            other.ste[word] ^= BIT_ULL(bit);
            joined = smmuv3_accel_target_join(&one, &other);
            g_assert_cmpint(joined.kind, ==, SMMU_ACCEL_ABORT);
            g_assert_cmpint(joined.event, ==, SMMU_EVT_NONE);
        }
    }
    other = smmuv3_accel_target_bypass("bypass");
    joined = smmuv3_accel_target_join(&one, &other);
    g_assert_cmpint(joined.kind, ==, SMMU_ACCEL_ABORT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-accel/target/cases", test_ste);
    g_test_add_func("/smmuv3-accel/target/oas", test_oas);
    g_test_add_func("/smmuv3-accel/target/control", test_control);
    g_test_add_func("/smmuv3-accel/target/bits", test_bits);
    g_test_add_func("/smmuv3-accel/target/no-stall", test_no_stall);
    g_test_add_func("/smmuv3-accel/target/equal", test_equal);
    g_test_add_func("/smmuv3-accel/target/join", test_join);
    return g_test_run();
}
