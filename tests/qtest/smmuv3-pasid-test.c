/*
 * QTest: PASIDs and ATS in the software walk
 *
 * A PCI function that sends requests with PASIDs, and has an address
 * translation cache (pasid-testdev), is behind an SMMU with substreams and ATS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

/* ATS, CD2L, and 10 bits of SubstreamID */
#define SMMU "-device arm-smmuv3-accel,bus=pcie.0,idr0=0xd48141a," \
             "idr1=0x2730290,idr3=0x1400,idr5=0x74,iidr=0,aidr=1 "

/* The function, at 1.0 of pcie.0 */
#define FUNCTION        "-device pasid-testdev,bus=pcie.0,addr=1.0 "
#define SID             0x8ULL
#define CONFIG          (RIG_ECAM + (SID << 12))
#define PASID_CTRL      (CONFIG + 0x106)
#define ATS_CTRL        (CONFIG + 0x116)

/* Its registers */
enum {
    STATUS = 0x04,
    SOURCE = 0x08,
    DESTINATION = 0x10,
    SOURCE_PASID = 0x18,
    DESTINATION_PASID = 0x1c,
    LENGTH = 0x20,
    COMMAND = 0x24,
    ENABLED = 0x28,
    CACHED = 0x2c,
    INVALIDATIONS = 0x30,
};

enum { DONE = 1, READ_FAULT = 2, WRITE_FAULT = 4, NOT_SENT = 8 };

#define NO_PASID        0
#define PASID(n)        (1U << 31 | (n))

/* More events (IHI 0070, 7.3) */
enum {
    F_BAD_ATS_TREQ = 0x05,
    C_BAD_SUBSTREAMID = 0x08,
    C_BAD_CD = 0x0a,
};

#define FROM            (RIG_TARGET + 0x1000)

/* In the address space of substream n, memory is at n GiB */
#define IOVA(n, addr)   (((uint64_t)(n) << 30) + (addr) - 0x40000000)

enum { DSS_TERMINATE, DSS_BYPASS, DSS_SSID0 };

static void cfgi_cd(Rig *r, uint32_t ssid)
{
    rig_command(r, 0x05 | ssid << 12 | SID << 32, 1);
}

static void atc_inv(Rig *r, uint32_t bits, uint64_t addr, unsigned size)
{
    rig_command(r, 0x40 | bits | SID << 32, addr | size);
}

#define ATC_GLOBAL      (1 << 9)
#define ATC_SSV(ssid)   (1 << 11 | (ssid) << 12)

static void put_cd(Rig *r, int ssid, bool valid)
{
    uint64_t addr = RIG_CDS + ssid * 64;
    /* 39 bits of address by 4K pages; A, R, AArch64 and an ASID of its own */
    uint64_t word0 = 25 | 1ULL << 30 | (uint64_t)valid << 31;
    uint64_t word1 = 4 | 1 << 9 | 1 << 13 | 1 << 14 | (uint64_t)ssid << 16;

    qtest_writeq(r->qts, addr, word1 << 32 | word0);
    qtest_writeq(r->qts, addr + 8, RIG_PAGES + ssid * 0x1000);
}

/* Map a block of 1 GiB, or unmap it, and invalidate the TLB */
static void map(Rig *r, int ssid, bool mapped)
{
    qtest_writeq(r->qts, RIG_PAGES + ssid * 0x1000 + ssid * 8,
                 mapped ? 0x40000000 | 1 << 10 | 3 << 8 | 1 << 6 | 1 : 0);
    rig_command(r, 0x30, 0);                        /* TLBI_NSNH_ALL */
}

static void put_ste(Rig *r, int config, int dss, int eats)
{
    uint64_t ste = RIG_STRTAB + SID * 64;

    qtest_writeq(r->qts, ste, 1 | config << 1 | RIG_CDS | 10ULL << 59);
    qtest_writeq(r->qts, ste + 8, dss | eats << 28);
    rig_cfgi_ste(r, SID);
    rig_command(r, 0x46, 0);                        /* SYNC */
}

/* Also the PASID that it has, if there is one */
static int take_event(Rig *r, uint32_t *pasid)
{
    int event = rig_take_event(r);

    if (event != RIG_NO_EVENT) {
        g_assert_cmphex(r->event_sid, ==, SID);
        *pasid = r->event_word0 >> 11 & 1 ? PASID(r->event_word0 >> 12) :
                 NO_PASID;
    }
    return event;
}

static uint32_t copy(Rig *r, uint32_t from_pasid, uint64_t from,
                     uint32_t to_pasid, uint64_t to)
{
    qtest_writeq(r->qts, RIG_BAR + SOURCE, from);
    qtest_writeq(r->qts, RIG_BAR + DESTINATION, to);
    qtest_writel(r->qts, RIG_BAR + SOURCE_PASID, from_pasid);
    qtest_writel(r->qts, RIG_BAR + DESTINATION_PASID, to_pasid);
    qtest_writel(r->qts, RIG_BAR + LENGTH, 4);
    qtest_writel(r->qts, RIG_BAR + COMMAND, 1);
    return qtest_readl(r->qts, RIG_BAR + STATUS);
}

/* A copy from one substream to another, or to itself, succeeds */
static void assert_copy(Rig *r, int from, int to)
{
    uint32_t pasid;

    qtest_writel(r->qts, FROM, RIG_MARK + from);
    qtest_writel(r->qts, RIG_TARGET, 0);
    g_assert_cmphex(copy(r, PASID(from), IOVA(from, FROM), PASID(to),
                         IOVA(to, RIG_TARGET)), ==, DONE);
    g_assert_cmphex(qtest_readl(r->qts, RIG_TARGET), ==, RIG_MARK + from);
    g_assert_cmphex(take_event(r, &pasid), ==, RIG_NO_EVENT);
}

/* A read with @pasid faults, with @event and that PASID */
static void assert_fault(Rig *r, uint32_t pasid, uint64_t iova, int event)
{
    uint32_t reported = NO_PASID;

    g_assert_cmphex(copy(r, pasid, iova, pasid, iova), ==, READ_FAULT);
    g_assert_cmphex(take_event(r, &reported), ==, event);
    /* C_BAD_SUBSTREAMID has no SSV: it is always 1 */
    if (event != RIG_NO_EVENT && event != C_BAD_SUBSTREAMID) {
        g_assert_cmphex(reported, ==, pasid);
    }
}

/* The SMMU is on; substreams 0 to 3 have CDs */
static void start(Rig *r)
{
    *r = (Rig) {
        .qts = qtest_init("-M virt,highmem-ecam=off -nodefaults " SMMU
                          FUNCTION),
        .smmu = RIG_ACCEL_BASE,
    };
    qtest_writel(r->qts, CONFIG + 0x10, RIG_BAR);
    qtest_writel(r->qts, CONFIG + 0x14, 0);
    qtest_writew(r->qts, CONFIG + 0x04, 0x6);
    rig_enable(r);
    for (int ssid = 0; ssid < 4; ssid++) {
        put_cd(r, ssid, true);
        map(r, ssid, true);
    }
}

static void start_with_pasids(Rig *r)
{
    start(r);
    qtest_writew(r->qts, PASID_CTRL, 1);
    put_ste(r, 5, DSS_TERMINATE, 0);
}

static void test_spaces(void)
{
    Rig r;

    start_with_pasids(&r);
    assert_copy(&r, 1, 2);
    assert_copy(&r, 2, 1);
    assert_fault(&r, PASID(2), IOVA(1, RIG_TARGET), RIG_F_TRANSLATION);
    assert_fault(&r, PASID(1), IOVA(2, RIG_TARGET), RIG_F_TRANSLATION);
    assert_fault(&r, PASID(9), IOVA(1, RIG_TARGET), C_BAD_CD);
    assert_fault(&r, PASID(1024 + 1), IOVA(1, RIG_TARGET), C_BAD_SUBSTREAMID);
    assert_copy(&r, 1, 2);

    put_ste(&r, 5, DSS_SSID0, 0);
    g_assert_cmphex(copy(&r, NO_PASID, IOVA(0, FROM), PASID(1),
                         IOVA(1, RIG_TARGET)), ==, DONE);
    assert_fault(&r, NO_PASID, IOVA(1, RIG_TARGET), RIG_F_TRANSLATION);
    assert_fault(&r, PASID(0), IOVA(0, RIG_TARGET), C_BAD_SUBSTREAMID);
    qtest_quit(r.qts);
}

/* The configuration of each substream is cached, and CFGI_CD is for one */
static void test_invalidate(void)
{
    Rig r;

    start_with_pasids(&r);
    assert_copy(&r, 1, 2);
    put_cd(&r, 1, false);
    put_cd(&r, 2, false);
    assert_copy(&r, 1, 2);

    cfgi_cd(&r, 1);
    assert_fault(&r, PASID(1), IOVA(1, RIG_TARGET), C_BAD_CD);
    assert_copy(&r, 2, 2);
    cfgi_cd(&r, 2);
    assert_fault(&r, PASID(2), IOVA(2, RIG_TARGET), C_BAD_CD);

    put_cd(&r, 1, true);
    cfgi_cd(&r, 1);
    assert_copy(&r, 1, 1);
    put_cd(&r, 1, false);
    rig_command(&r, 0x06 | SID << 32, 0);           /* CFGI_CD_ALL */
    assert_fault(&r, PASID(1), IOVA(1, RIG_TARGET), C_BAD_CD);
    qtest_quit(r.qts);
}

/* Only stage 1 has substreams, and only a function with PASIDs sends them */
static void test_without(void)
{
    Rig r;

    start(&r);
    g_assert_cmphex(copy(&r, PASID(1), FROM, PASID(1), RIG_TARGET), ==,
                    NOT_SENT);
    qtest_writew(r.qts, PASID_CTRL, 1);
    put_ste(&r, 4, DSS_TERMINATE, 0);
    g_assert_cmphex(copy(&r, NO_PASID, FROM, NO_PASID, RIG_TARGET), ==, DONE);
    assert_fault(&r, PASID(1), RIG_TARGET, C_BAD_SUBSTREAMID);
    put_ste(&r, 0, DSS_TERMINATE, 0);
    assert_fault(&r, PASID(1), RIG_TARGET, RIG_NO_EVENT);

    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xc);
    g_assert_cmphex(copy(&r, PASID(1), FROM, PASID(1), RIG_TARGET), ==, DONE);
    qtest_quit(r.qts);
}

/* Translations are used until an ATC_INV with their PASID and addresses */
static void test_ats(void)
{
    Rig r;

    start_with_pasids(&r);
    put_ste(&r, 5, DSS_SSID0, 1);
    qtest_writew(r.qts, ATS_CTRL, 0x8000);
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + ENABLED), ==, 7);
    for (int ssid = 1; ssid < 4; ssid++) {
        assert_copy(&r, ssid, ssid);
    }
    g_assert_cmphex(copy(&r, NO_PASID, IOVA(0, FROM), NO_PASID,
                         IOVA(0, RIG_TARGET)), ==, DONE);
    /* For each, one to read and one to write */
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + CACHED), ==, 8);
    for (int ssid = 0; ssid < 4; ssid++) {
        map(&r, ssid, false);
    }
    assert_copy(&r, 1, 2);
    assert_copy(&r, 3, 3);

    /* 2^17 pages before the block of 1 GiB, then 2^19 pages with the block */
    atc_inv(&r, ATC_SSV(1), 0x20000000, 17);
    assert_copy(&r, 1, 2);
    atc_inv(&r, ATC_SSV(1), 0, 19);
    assert_fault(&r, PASID(1), IOVA(1, RIG_TARGET), RIG_NO_EVENT);
    assert_copy(&r, 2, 3);
    atc_inv(&r, ATC_SSV(0) | ATC_GLOBAL, 0, 52);
    assert_fault(&r, PASID(2), IOVA(2, RIG_TARGET), RIG_NO_EVENT);
    assert_fault(&r, PASID(3), IOVA(3, RIG_TARGET), RIG_NO_EVENT);

    g_assert_cmphex(copy(&r, NO_PASID, IOVA(0, FROM), NO_PASID,
                         IOVA(0, RIG_TARGET)), ==, DONE);
    atc_inv(&r, 0, 0, 52);
    assert_fault(&r, NO_PASID, IOVA(0, RIG_TARGET), RIG_NO_EVENT);
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + CACHED), ==, 0);
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + INVALIDATIONS), ==, 4);
    qtest_quit(r.qts);
}

/* ATS needs EATS=1; a function that has it disabled has no translations */
static void test_no_ats(void)
{
    Rig r;

    start_with_pasids(&r);
    qtest_writew(r.qts, ATS_CTRL, 0x8000);
    assert_fault(&r, PASID(1), IOVA(1, RIG_TARGET), F_BAD_ATS_TREQ);
    put_ste(&r, 0, DSS_TERMINATE, 1);
    assert_fault(&r, PASID(1), IOVA(1, RIG_TARGET), RIG_NO_EVENT);

    put_ste(&r, 5, DSS_TERMINATE, 1);
    assert_copy(&r, 1, 1);
    qtest_writew(r.qts, ATS_CTRL, 0);
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + CACHED), ==, 0);
    atc_inv(&r, ATC_SSV(0) | ATC_GLOBAL, 0, 52);
    g_assert_cmphex(qtest_readl(r.qts, RIG_BAR + INVALIDATIONS), ==, 0);
    assert_copy(&r, 1, 1);
    /* Nobody has this StreamID */
    rig_command(&r, 0x40 | 0x7700ULL << 32, 52);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("smmuv3/pasid/spaces", test_spaces);
    qtest_add_func("smmuv3/pasid/invalidate", test_invalidate);
    qtest_add_func("smmuv3/pasid/without", test_without);
    qtest_add_func("smmuv3/pasid/ats", test_ats);
    qtest_add_func("smmuv3/pasid/no-ats", test_no_ats);
    return g_test_run();
}
