/*
 * SMMUv3: unit tests of the lookup of Context Descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-cd.h"

/* The guest's memory, and a record of reads */
#define RAM_BASE    0x80000000ULL
#define RAM_SIZE    (4 * MiB)

static uint8_t *ram;
static GString *reads;

static bool read_ram(void *opaque, dma_addr_t addr, void *buf, size_t len,
                     SMMUEventInfo *event)
{
    g_assert(opaque == &ram);
    g_string_append_printf(reads, "%s%" PRIx64 "+%zu", reads->len ? " " : "",
                           addr, len);
    if (addr < RAM_BASE || addr + len > RAM_BASE + RAM_SIZE) {
        event->type = SMMU_EVT_F_CD_FETCH;
        event->u.f_cd_fetch.addr = addr;
        return false;
    }
    memcpy(buf, ram + (addr - RAM_BASE), len);
    return true;
}

/* Like a stage 2 that maps nothing */
static bool read_unmapped(void *opaque, dma_addr_t addr, void *buf, size_t len,
                          SMMUEventInfo *event)
{
    event->type = SMMU_EVT_F_TRANSLATION;
    event->u.f_translation.addr2 = addr;
    event->u.f_translation.s2 = true;
    return false;
}

/* A unique CD; V=0, which the lookup does not check */
static void put_cd(uint64_t addr, uint32_t mark)
{
    stl_le_p(ram + (addr - RAM_BASE), mark);
    stl_le_p(ram + (addr - RAM_BASE) + 60, ~mark);
}

static void put_l1cd(uint64_t addr, uint64_t l1cd)
{
    stq_le_p(ram + (addr - RAM_BASE), l1cd);
}

enum { LINEAR, L2_4K, L2_64K };
enum { DSS_TERMINATE, DSS_BYPASS, DSS_SSID0 };

static STE make_ste(uint64_t ctxptr, int cdmax, int fmt, int dss)
{
    return (STE) { .word = {
        1 | 5 << 1 | fmt << 4 | (uint32_t)ctxptr,
        ctxptr >> 32 | (uint32_t)cdmax << 27,
        dss,
    } };
}

#define NO_SSID     ((SMMUSubstream) { 0 })
#define SSID(n)     ((SMMUSubstream) { true, n })

static SMMUCDResult get(const STE *ste, SMMUSubstream ss, CD *cd,
                        SMMUEventInfo *event)
{
    g_string_truncate(reads, 0);
    memset(cd, 0xa5, sizeof(*cd));
    *event = (SMMUEventInfo) { 0 };
    return smmuv3_cd_get(ste, ss, read_ram, &ram, cd, event);
}

/* The CD with @mark is found with exactly these reads */
static void assert_cd(const STE *ste, SMMUSubstream ss, uint32_t mark,
                      const char *want)
{
    SMMUEventInfo event;
    CD cd;

    g_assert_cmpint(get(ste, ss, &cd, &event), ==, SMMU_CD_FOUND);
    g_assert_cmpint(event.type, ==, SMMU_EVT_NONE);
    g_assert_cmphex(cd.word[0], ==, mark);
    g_assert_cmphex(cd.word[15], ==, ~mark);
    g_assert_cmpstr(reads->str, ==, want);
}

/* Returns the event for further checks */
static SMMUEventInfo assert_fault(const STE *ste, SMMUSubstream ss,
                                  SMMUEventType type, const char *want)
{
    SMMUEventInfo event;
    CD cd;

    g_assert_cmpint(get(ste, ss, &cd, &event), ==, SMMU_CD_FAULT);
    g_assert_cmpint(event.type, ==, type);
    g_assert_cmpstr(reads->str, ==, want);
    return event;
}

static void assert_bad_substream(const STE *ste, uint32_t ssid,
                                 const char *want)
{
    SMMUEventInfo event = assert_fault(ste, SSID(ssid),
                                       SMMU_EVT_C_BAD_SUBSTREAMID, want);

    g_assert_cmphex(event.u.c_bad_substream.ssid, ==, ssid);
}

static void test_single(void)
{
    put_cd(0x80000040, 0x51);
    /* S1Fmt and S1DSS are ignored */
    for (int fmt = 0; fmt < 4; fmt++) {
        for (int dss = 0; dss < 4; dss++) {
            STE ste = make_ste(0x80000040, 0, fmt, dss);

            assert_cd(&ste, NO_SSID, 0x51, "80000040+64");
            /* Substreams are off, including substream 0 */
            assert_bad_substream(&ste, 0, "");
            assert_bad_substream(&ste, 1, "");
            assert_bad_substream(&ste, 0xfffff, "");
        }
    }
}

static void test_linear(void)
{
    STE ste = make_ste(0x80001000, 5, LINEAR, DSS_SSID0);

    for (int i = 0; i < 33; i++) {
        put_cd(0x80001000 + i * 64, 0x100 + i);
    }
    assert_cd(&ste, NO_SSID, 0x100, "80001000+64");
    assert_cd(&ste, SSID(1), 0x101, "80001040+64");
    assert_cd(&ste, SSID(31), 0x11f, "800017c0+64");
    assert_bad_substream(&ste, 32, "");
    assert_bad_substream(&ste, 0xfffff, "");
}

static void test_two_levels_4k(void)
{
    STE ste = make_ste(0x80002000, 10, L2_4K, DSS_SSID0);

    put_l1cd(0x80002000, 0x80010000 | 1);
    put_l1cd(0x80002008, 0x80020000 | 1);
    put_l1cd(0x80002010, 0x80030000);           /* V=0 */
    put_l1cd(0x80002078, 0x80040000 | 0xffe | 1); /* all ignored bits */
    put_cd(0x80010000, 0x200);
    put_cd(0x80010040, 0x201);
    put_cd(0x80010fc0, 0x23f);
    put_cd(0x80020000, 0x240);
    put_cd(0x80040fc0, 0x3ff);

    assert_cd(&ste, NO_SSID, 0x200, "80002000+8 80010000+64");
    assert_cd(&ste, SSID(1), 0x201, "80002000+8 80010040+64");
    assert_cd(&ste, SSID(63), 0x23f, "80002000+8 80010fc0+64");
    assert_cd(&ste, SSID(64), 0x240, "80002008+8 80020000+64");
    assert_cd(&ste, SSID(1023), 0x3ff, "80002078+8 80040fc0+64");
    assert_bad_substream(&ste, 128, "80002010+8");
    assert_bad_substream(&ste, 191, "80002010+8");
    assert_bad_substream(&ste, 1024, "");
}

static void test_two_levels_64k(void)
{
    STE ste = make_ste(0x80004000, 20, L2_64K, DSS_SSID0);
    /* Fewer substreams than a leaf has CDs: one level 1 descriptor */
    STE small = make_ste(0x80004000, 3, L2_64K, DSS_SSID0);

    put_l1cd(0x80004000, 0x80050000 | 1);
    put_l1cd(0x80004008, 0x80060000 | 1);
    put_l1cd(0x80005ff8, 0x80070000 | 1);
    put_cd(0x80050000, 0x400);
    put_cd(0x800501c0, 0x407);
    put_cd(0x8005ffc0, 0x7ff);
    put_cd(0x80060000, 0x800);
    put_cd(0x8007ffc0, 0xfffff);

    assert_cd(&ste, NO_SSID, 0x400, "80004000+8 80050000+64");
    assert_cd(&ste, SSID(1023), 0x7ff, "80004000+8 8005ffc0+64");
    assert_cd(&ste, SSID(1024), 0x800, "80004008+8 80060000+64");
    assert_cd(&ste, SSID(0xfffff), 0xfffff, "80005ff8+8 8007ffc0+64");
    assert_cd(&small, SSID(7), 0x407, "80004000+8 800501c0+64");
    assert_bad_substream(&small, 8, "");
}

/* Transactions without a SubstreamID, and with SubstreamID 0 */
static void test_s1dss(void)
{
    SMMUEventInfo event;
    CD cd;
    STE ste = make_ste(0x80008000, 4, LINEAR, DSS_TERMINATE);

    put_cd(0x80008000, 0x500);
    put_cd(0x80008040, 0x501);

    assert_fault(&ste, NO_SSID, SMMU_EVT_F_STREAM_DISABLED, "");
    assert_cd(&ste, SSID(0), 0x500, "80008000+64");
    assert_cd(&ste, SSID(1), 0x501, "80008040+64");

    ste = make_ste(0x80008000, 4, LINEAR, DSS_BYPASS);
    g_assert_cmpint(get(&ste, NO_SSID, &cd, &event), ==, SMMU_CD_BYPASS);
    g_assert_cmpint(event.type, ==, SMMU_EVT_NONE);
    g_assert_cmpstr(reads->str, ==, "");
    assert_cd(&ste, SSID(0), 0x500, "80008000+64");
    assert_cd(&ste, SSID(1), 0x501, "80008040+64");

    ste = make_ste(0x80008000, 4, LINEAR, DSS_SSID0);
    assert_cd(&ste, NO_SSID, 0x500, "80008000+64");
    assert_bad_substream(&ste, 0, "");
    assert_cd(&ste, SSID(1), 0x501, "80008040+64");
}

/* Level 1, level 2 and a linear table outside of memory */
static void test_fetch(void)
{
    STE l1 = make_ste(0x70000000, 10, L2_4K, DSS_SSID0);
    STE l2 = make_ste(0x80009000, 10, L2_4K, DSS_SSID0);
    STE linear = make_ste(0xffffffffffc0, 10, LINEAR, DSS_SSID0);
    SMMUEventInfo event;
    CD cd;

    event = assert_fault(&l1, SSID(65), SMMU_EVT_F_CD_FETCH, "70000008+8");
    g_assert_cmphex(event.u.f_cd_fetch.addr, ==, 0x70000008);
    g_assert_true(event.u.f_cd_fetch.ssv);
    g_assert_cmphex(event.u.f_cd_fetch.ssid, ==, 65);

    put_l1cd(0x80009008, 0x000ffffffffff000 | 1);
    event = assert_fault(&l2, SSID(66), SMMU_EVT_F_CD_FETCH,
                         "80009008+8 ffffffffff080+64");
    g_assert_cmphex(event.u.f_cd_fetch.addr, ==, 0xffffffffff080);
    g_assert_cmphex(event.u.f_cd_fetch.ssid, ==, 66);

    event = assert_fault(&linear, NO_SSID, SMMU_EVT_F_CD_FETCH,
                         "ffffffffffc0+64");
    g_assert_false(event.u.f_cd_fetch.ssv);
    g_assert_cmphex(event.u.f_cd_fetch.ssid, ==, 0);

    event = (SMMUEventInfo) { 0 };
    g_assert_cmpint(smmuv3_cd_get(&l2, SSID(3), read_unmapped, NULL, &cd,
                                  &event), ==, SMMU_CD_FAULT);
    g_assert_cmpint(event.type, ==, SMMU_EVT_F_TRANSLATION);
    g_assert_cmphex(event.u.f_translation.addr2, ==, 0x80009000);
    g_assert_true(event.u.f_translation.s2);
    g_assert_true(event.u.f_translation.ssv);
    g_assert_cmphex(event.u.f_translation.ssid, ==, 3);
}

/* Only S1CDMax=0 is legal on an SMMU without substreams */
static void test_illegal(void)
{
    for (int cdmax = 0; cdmax < 32; cdmax++) {
        for (int fmt = 0; fmt < 4; fmt++) {
            for (int dss = 0; dss < 4; dss++) {
                STE ste = make_ste(0x80000000, cdmax, fmt, dss);
                const uint32_t none[2] = { 0, 0 };
                const uint32_t linear[2] = { 0, 8 << 6 };
                const uint32_t both[2] = { 1 << 19, 8 << 6 };
                bool in_range = cdmax <= 8 && dss < 3;

                g_assert_cmpint(!smmuv3_substreams_illegal(&ste, none), ==,
                                !cdmax);
                g_assert_cmpint(!smmuv3_substreams_illegal(&ste, linear), ==,
                                !cdmax || (in_range && !fmt));
                g_assert_cmpint(!smmuv3_substreams_illegal(&ste, both), ==,
                                !cdmax || (in_range && fmt < 3));
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ram = g_malloc0(RAM_SIZE);
    reads = g_string_new(NULL);
    g_test_add_func("/smmuv3/cd/single", test_single);
    g_test_add_func("/smmuv3/cd/linear", test_linear);
    g_test_add_func("/smmuv3/cd/two-levels-4k", test_two_levels_4k);
    g_test_add_func("/smmuv3/cd/two-levels-64k", test_two_levels_64k);
    g_test_add_func("/smmuv3/cd/s1dss", test_s1dss);
    g_test_add_func("/smmuv3/cd/fetch", test_fetch);
    g_test_add_func("/smmuv3/cd/illegal", test_illegal);
    return g_test_run();
}
