/*
 * Fuzz target: what a device is attached to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-accel-target.h"
#include "fuzz.h"
#include "oracle.h"

#define STALLD  (1ULL << 27)
#define EATS    (3ULL << 28)

typedef struct Stream {
    uint64_t words[8];
    STE ste;
} Stream;

static void read_stream(Input *in, Stream *s)
{
    for (int i = 0; i < 8; i++) {
        s->words[i] = input_u64(in);
        s->ste.word[2 * i] = s->words[i];
        s->ste.word[2 * i + 1] = s->words[i] >> 32;
    }
}

static void check_words(const SMMUv3AccelTarget *t, const OracleTarget *want)
{
    static const uint64_t abort[] = { 1, 0 }, bypass[] = { 1 | 4 << 1, 0 };
    const uint64_t *ste = want->kind == ORACLE_ABORT ? abort :
                          want->kind == ORACLE_BYPASS ? bypass : want->ste;

    g_assert_cmphex(t->ste[0], ==, ste[0]);
    g_assert_cmphex(t->ste[1], ==, ste[1]);
}

static SMMUv3AccelTarget decide(bool smmuen, uint32_t gbpa, const Stream *s,
                                SMMUEventType event, const uint32_t *idr)
{
    static const SMMUv3AccelTargetKind kinds[] = {
        [ORACLE_ABORT] = SMMU_ACCEL_ABORT,
        [ORACLE_BYPASS] = SMMU_ACCEL_BYPASS,
        [ORACLE_STAGE1] = SMMU_ACCEL_NESTED,
    };
    SMMUv3AccelTarget t = smmuv3_accel_target(smmuen, gbpa,
                                              s ? &s->ste : NULL, event, idr);
    OracleTarget want = oracle_target(smmuen, gbpa >> 20 & 1,
                                      s ? s->words : NULL, idr);

    g_assert_cmpint(t.kind, ==, kinds[want.kind]);
    check_words(&t, &want);
    g_assert_nonnull(t.why);
    if (smmuen && s) {
        g_assert_cmpint(t.event, ==, want.bad_ste ? SMMU_EVT_C_BAD_STE :
                                     SMMU_EVT_NONE);
    }
    return t;
}

static void check_join(const SMMUv3AccelTarget *a, const SMMUv3AccelTarget *b)
{
    SMMUv3AccelTarget ab = smmuv3_accel_target_join(a, b);
    SMMUv3AccelTarget ba = smmuv3_accel_target_join(b, a);
    SMMUv3AccelTarget aa = smmuv3_accel_target_join(a, a);

    g_assert(smmuv3_accel_target_equal(&aa, a));
    g_assert_cmpint(ab.kind, ==, ba.kind);
    /* The DMA of a group is what all its members want, or none */
    if (ab.kind != SMMU_ACCEL_ABORT) {
        g_assert(ab.kind == a->kind && ab.kind == b->kind);
        g_assert(smmuv3_accel_target_equal(&ab, a));
        g_assert_cmphex(a->ste[1], ==, b->ste[1]);
    }
}

static void check_changes(SMMUv3AccelTarget t, uint32_t host_idr0)
{
    g_autofree char *text = smmuv3_accel_target_str(&t);
    SMMUv3AccelTarget before = t;
    bool stalls = !(host_idr0 >> 24 & 3);

    g_assert_nonnull(text);
    smmuv3_accel_target_no_stall(&t, host_idr0);
    g_assert_cmphex(t.ste[0], ==, before.ste[0]);
    g_assert_cmphex(t.ste[1], ==, before.ste[1] |
                    (t.kind == SMMU_ACCEL_NESTED && stalls ? STALLD : 0));
    smmuv3_accel_target_no_ats(&t);
    g_assert(!(t.ste[1] & EATS) && !smmuv3_accel_target_has_ats(&t));
}

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    uint8_t flags = input_u8(in);
    uint32_t gbpa = input_u32(in), host_idr0 = input_u32(in), idr[6];
    SMMUv3AccelTarget a, b;
    Stream s1, s2;

    for (int i = 0; i < 6; i++) {
        idr[i] = input_u32(in);
    }
    read_stream(in, &s1);
    s2 = s1;
    if (flags & 4) {
        s2.words[0] ^= input_u64(in);
        s2.ste.word[0] = s2.words[0];
        s2.ste.word[1] = s2.words[0] >> 32;
    }
    a = decide(flags & 1, gbpa, flags & 2 ? NULL : &s1,
               SMMU_EVT_C_BAD_STREAMID, idr);
    b = decide(flags & 1, gbpa, &s2, SMMU_EVT_NONE, idr);
    check_join(&a, &b);
    check_changes(a, host_idr0);
}
