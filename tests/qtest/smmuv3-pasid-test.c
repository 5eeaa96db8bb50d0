/*
 * QTest: PASIDs and ATS in the software walk
 *
 * A PCI function that sends requests with PASIDs, and has an address
 * translation cache (pasid-testdev), is behind an SMMU with substreams and ATS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"

/* ATS, CD2L, and 10 bits of SubstreamID */
#define SMMU "-device arm-smmuv3-accel,bus=pcie.0,idr0=0xd48141a," \
             "idr1=0x2730290,idr3=0x1400,idr5=0x74,iidr=0,aidr=1 "
#define SMMU_BASE       0x0c000000      /* the first on the platform bus */

/* The function, at 1.0 of pcie.0 */
#define FUNCTION        "-device pasid-testdev,bus=pcie.0,addr=1.0 "
#define SID             0x8ULL
#define CONFIG          (0x3f000000 + (SID << 12))
#define PASID_CTRL      (CONFIG + 0x106)
#define ATS_CTRL        (CONFIG + 0x116)
#define BAR             0x10000000

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

/* SMMU registers (IHI 0070, 6.3) */
enum {
    CR0 = 0x20,
    STRTAB_BASE = 0x80,
    STRTAB_BASE_CFG = 0x88,
    CMDQ_BASE = 0x90,
    CMDQ_PROD = 0x98,
    CMDQ_CONS = 0x9c,
    EVENTQ_BASE = 0xa0,
    EVENTQ_PROD = 0x100a8,
    EVENTQ_CONS = 0x100ac,
};

/* Events (IHI 0070, 7.3) */
enum {
    NO_EVENT = 0,
    F_BAD_ATS_TREQ = 0x05,
    C_BAD_SUBSTREAMID = 0x08,
    C_BAD_CD = 0x0a,
    F_TRANSLATION = 0x10,
};

/* Memory of the guest */
#define STRTAB          0x40100000ULL
#define CMDQ            0x40110000ULL
#define EVENTQ          0x40120000ULL
#define CDS             0x40140000ULL
#define PAGES           0x40160000ULL
#define TARGET          0x41000000ULL
#define FROM            0x41001000ULL
#define MARK            0x5ca1ab1eULL
#define LOG2_QUEUE      7

/* In the address space of substream n, memory is at n GiB */
#define IOVA(n, addr)   (((uint64_t)(n) << 30) + (addr) - 0x40000000)

enum { DSS_TERMINATE, DSS_BYPASS, DSS_SSID0 };

typedef struct Machine {
    QTestState *qts;
    uint32_t cmdq_prod;
} Machine;

static void command(Machine *m, uint64_t word0, uint64_t word1)
{
    uint32_t mask = (1 << (LOG2_QUEUE + 1)) - 1;
    uint64_t entry = CMDQ + (m->cmdq_prod & (mask >> 1)) * 16;

    qtest_writeq(m->qts, entry, word0);
    qtest_writeq(m->qts, entry + 8, word1);
    m->cmdq_prod = (m->cmdq_prod + 1) & mask;
    qtest_writel(m->qts, SMMU_BASE + CMDQ_PROD, m->cmdq_prod);
    g_assert_cmphex(qtest_readl(m->qts, SMMU_BASE + CMDQ_CONS), ==,
                    m->cmdq_prod);
}

static void cfgi_cd(Machine *m, uint32_t ssid)
{
    command(m, 0x05 | ssid << 12 | SID << 32, 1);
}

static void atc_inv(Machine *m, uint32_t bits, uint64_t addr, unsigned size)
{
    command(m, 0x40 | bits | SID << 32, addr | size);
}

#define ATC_GLOBAL      (1 << 9)
#define ATC_SSV(ssid)   (1 << 11 | (ssid) << 12)

static void put_cd(Machine *m, int ssid, bool valid)
{
    uint64_t addr = CDS + ssid * 64;
    /* 39 bits of address by 4K pages; A, R, AArch64 and an ASID of its own */
    uint64_t word0 = 25 | 1ULL << 30 | (uint64_t)valid << 31;
    uint64_t word1 = 4 | 1 << 9 | 1 << 13 | 1 << 14 | (uint64_t)ssid << 16;

    qtest_writeq(m->qts, addr, word1 << 32 | word0);
    qtest_writeq(m->qts, addr + 8, PAGES + ssid * 0x1000);
}

/* Map a block of 1 GiB, or unmap it, and invalidate the TLB */
static void map(Machine *m, int ssid, bool mapped)
{
    qtest_writeq(m->qts, PAGES + ssid * 0x1000 + ssid * 8,
                 mapped ? 0x40000000 | 1 << 10 | 3 << 8 | 1 << 6 | 1 : 0);
    command(m, 0x30, 0);                        /* TLBI_NSNH_ALL */
}

static void put_ste(Machine *m, int config, int dss, int eats)
{
    uint64_t ste = STRTAB + SID * 64;

    qtest_writeq(m->qts, ste, 1 | config << 1 | CDS | 10ULL << 59);
    qtest_writeq(m->qts, ste + 8, dss | eats << 28);
    command(m, 0x03 | SID << 32, 1);            /* CFGI_STE */
    command(m, 0x46, 0);                        /* SYNC */
}

/* The only event since the last call, NO_EVENT if there was none */
static int take_event(Machine *m, uint32_t *pasid)
{
    uint32_t prod = qtest_readl(m->qts, SMMU_BASE + EVENTQ_PROD);
    uint32_t cons = qtest_readl(m->qts, SMMU_BASE + EVENTQ_CONS);
    uint32_t mask = (1 << (LOG2_QUEUE + 1)) - 1;
    uint64_t entry = EVENTQ + (cons & (mask >> 1)) * 32;
    uint32_t word0;

    if (prod == cons) {
        return NO_EVENT;
    }
    g_assert_cmphex(prod, ==, (cons + 1) & mask);
    qtest_writel(m->qts, SMMU_BASE + EVENTQ_CONS, prod);
    g_assert_cmphex(qtest_readl(m->qts, entry + 4), ==, SID);
    word0 = qtest_readl(m->qts, entry);
    *pasid = word0 >> 11 & 1 ? PASID(word0 >> 12) : NO_PASID;
    return word0 & 0xff;
}

static uint32_t copy(Machine *m, uint32_t from_pasid, uint64_t from,
                     uint32_t to_pasid, uint64_t to)
{
    qtest_writeq(m->qts, BAR + SOURCE, from);
    qtest_writeq(m->qts, BAR + DESTINATION, to);
    qtest_writel(m->qts, BAR + SOURCE_PASID, from_pasid);
    qtest_writel(m->qts, BAR + DESTINATION_PASID, to_pasid);
    qtest_writel(m->qts, BAR + LENGTH, 4);
    qtest_writel(m->qts, BAR + COMMAND, 1);
    return qtest_readl(m->qts, BAR + STATUS);
}

/* A copy from one substream to another, or to itself, succeeds */
static void assert_copy(Machine *m, int from, int to)
{
    uint32_t pasid;

    qtest_writel(m->qts, FROM, MARK + from);
    qtest_writel(m->qts, TARGET, 0);
    g_assert_cmphex(copy(m, PASID(from), IOVA(from, FROM), PASID(to),
                         IOVA(to, TARGET)), ==, DONE);
    g_assert_cmphex(qtest_readl(m->qts, TARGET), ==, MARK + from);
    g_assert_cmphex(take_event(m, &pasid), ==, NO_EVENT);
}

/* A read with @pasid faults, with @event and that PASID */
static void assert_fault(Machine *m, uint32_t pasid, uint64_t iova, int event)
{
    uint32_t reported = NO_PASID;

    g_assert_cmphex(copy(m, pasid, iova, pasid, iova), ==, READ_FAULT);
    g_assert_cmphex(take_event(m, &reported), ==, event);
    /* C_BAD_SUBSTREAMID has no SSV: it is always 1 */
    if (event != NO_EVENT && event != C_BAD_SUBSTREAMID) {
        g_assert_cmphex(reported, ==, pasid);
    }
}

/* The SMMU is on; substreams 0 to 3 have CDs */
static void start(Machine *m)
{
    QTestState *qts = qtest_init("-M virt,highmem-ecam=off -nodefaults " SMMU
                                 FUNCTION);

    *m = (Machine) { .qts = qts };
    qtest_writel(qts, CONFIG + 0x10, BAR);
    qtest_writel(qts, CONFIG + 0x14, 0);
    qtest_writew(qts, CONFIG + 0x04, 0x6);

    qtest_writeq(qts, SMMU_BASE + STRTAB_BASE, STRTAB);
    qtest_writel(qts, SMMU_BASE + STRTAB_BASE_CFG, 8);
    qtest_writeq(qts, SMMU_BASE + CMDQ_BASE, CMDQ | LOG2_QUEUE);
    qtest_writeq(qts, SMMU_BASE + EVENTQ_BASE, EVENTQ | LOG2_QUEUE);
    qtest_writel(qts, SMMU_BASE + CR0, 0xd);
    for (int ssid = 0; ssid < 4; ssid++) {
        put_cd(m, ssid, true);
        map(m, ssid, true);
    }
}

static void start_with_pasids(Machine *m)
{
    start(m);
    qtest_writew(m->qts, PASID_CTRL, 1);
    put_ste(m, 5, DSS_TERMINATE, 0);
}

static void test_spaces(void)
{
    Machine m;

    start_with_pasids(&m);
    assert_copy(&m, 1, 2);
    assert_copy(&m, 2, 1);
    assert_fault(&m, PASID(2), IOVA(1, TARGET), F_TRANSLATION);
    assert_fault(&m, PASID(1), IOVA(2, TARGET), F_TRANSLATION);
    assert_fault(&m, PASID(9), IOVA(1, TARGET), C_BAD_CD);
    assert_fault(&m, PASID(1024 + 1), IOVA(1, TARGET), C_BAD_SUBSTREAMID);
    assert_copy(&m, 1, 2);

    put_ste(&m, 5, DSS_SSID0, 0);
    g_assert_cmphex(copy(&m, NO_PASID, IOVA(0, FROM), PASID(1),
                         IOVA(1, TARGET)), ==, DONE);
    assert_fault(&m, NO_PASID, IOVA(1, TARGET), F_TRANSLATION);
    assert_fault(&m, PASID(0), IOVA(0, TARGET), C_BAD_SUBSTREAMID);
    qtest_quit(m.qts);
}

/* The configuration of each substream is cached, and CFGI_CD is for one */
static void test_invalidate(void)
{
    Machine m;

    start_with_pasids(&m);
    assert_copy(&m, 1, 2);
    put_cd(&m, 1, false);
    put_cd(&m, 2, false);
    assert_copy(&m, 1, 2);

    cfgi_cd(&m, 1);
    assert_fault(&m, PASID(1), IOVA(1, TARGET), C_BAD_CD);
    assert_copy(&m, 2, 2);
    cfgi_cd(&m, 2);
    assert_fault(&m, PASID(2), IOVA(2, TARGET), C_BAD_CD);

    put_cd(&m, 1, true);
    cfgi_cd(&m, 1);
    assert_copy(&m, 1, 1);
    put_cd(&m, 1, false);
    command(&m, 0x06 | SID << 32, 0);           /* CFGI_CD_ALL */
    assert_fault(&m, PASID(1), IOVA(1, TARGET), C_BAD_CD);
    qtest_quit(m.qts);
}

/* Only stage 1 has substreams, and only a function with PASIDs sends them */
static void test_without(void)
{
    Machine m;

    start(&m);
    g_assert_cmphex(copy(&m, PASID(1), FROM, PASID(1), TARGET), ==, NOT_SENT);
    qtest_writew(m.qts, PASID_CTRL, 1);
    put_ste(&m, 4, DSS_TERMINATE, 0);
    g_assert_cmphex(copy(&m, NO_PASID, FROM, NO_PASID, TARGET), ==, DONE);
    assert_fault(&m, PASID(1), TARGET, C_BAD_SUBSTREAMID);
    put_ste(&m, 0, DSS_TERMINATE, 0);
    assert_fault(&m, PASID(1), TARGET, NO_EVENT);

    qtest_writel(m.qts, SMMU_BASE + CR0, 0xc);
    g_assert_cmphex(copy(&m, PASID(1), FROM, PASID(1), TARGET), ==, DONE);
    qtest_quit(m.qts);
}

/* Translations are used until an ATC_INV with their PASID and addresses */
static void test_ats(void)
{
    Machine m;

    start_with_pasids(&m);
    put_ste(&m, 5, DSS_SSID0, 1);
    qtest_writew(m.qts, ATS_CTRL, 0x8000);
    g_assert_cmphex(qtest_readl(m.qts, BAR + ENABLED), ==, 7);
    for (int ssid = 1; ssid < 4; ssid++) {
        assert_copy(&m, ssid, ssid);
    }
    g_assert_cmphex(copy(&m, NO_PASID, IOVA(0, FROM), NO_PASID,
                         IOVA(0, TARGET)), ==, DONE);
    /* For each, one to read and one to write */
    g_assert_cmphex(qtest_readl(m.qts, BAR + CACHED), ==, 8);
    for (int ssid = 0; ssid < 4; ssid++) {
        map(&m, ssid, false);
    }
    assert_copy(&m, 1, 2);
    assert_copy(&m, 3, 3);

    /* 2^17 pages before the block of 1 GiB, then 2^19 pages with the block */
    atc_inv(&m, ATC_SSV(1), 0x20000000, 17);
    assert_copy(&m, 1, 2);
    atc_inv(&m, ATC_SSV(1), 0, 19);
    assert_fault(&m, PASID(1), IOVA(1, TARGET), NO_EVENT);
    assert_copy(&m, 2, 3);
    atc_inv(&m, ATC_SSV(0) | ATC_GLOBAL, 0, 52);
    assert_fault(&m, PASID(2), IOVA(2, TARGET), NO_EVENT);
    assert_fault(&m, PASID(3), IOVA(3, TARGET), NO_EVENT);

    g_assert_cmphex(copy(&m, NO_PASID, IOVA(0, FROM), NO_PASID,
                         IOVA(0, TARGET)), ==, DONE);
    atc_inv(&m, 0, 0, 52);
    assert_fault(&m, NO_PASID, IOVA(0, TARGET), NO_EVENT);
    g_assert_cmphex(qtest_readl(m.qts, BAR + CACHED), ==, 0);
    g_assert_cmphex(qtest_readl(m.qts, BAR + INVALIDATIONS), ==, 4);
    qtest_quit(m.qts);
}

/* ATS needs EATS=1; a function that has it disabled has no translations */
static void test_no_ats(void)
{
    Machine m;

    start_with_pasids(&m);
    qtest_writew(m.qts, ATS_CTRL, 0x8000);
    assert_fault(&m, PASID(1), IOVA(1, TARGET), F_BAD_ATS_TREQ);
    put_ste(&m, 0, DSS_TERMINATE, 1);
    assert_fault(&m, PASID(1), IOVA(1, TARGET), NO_EVENT);

    put_ste(&m, 5, DSS_TERMINATE, 1);
    assert_copy(&m, 1, 1);
    qtest_writew(m.qts, ATS_CTRL, 0);
    g_assert_cmphex(qtest_readl(m.qts, BAR + CACHED), ==, 0);
    atc_inv(&m, ATC_SSV(0) | ATC_GLOBAL, 0, 52);
    g_assert_cmphex(qtest_readl(m.qts, BAR + INVALIDATIONS), ==, 0);
    assert_copy(&m, 1, 1);
    /* Nobody has this StreamID */
    command(&m, 0x40 | 0x7700ULL << 32, 52);
    qtest_quit(m.qts);
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
