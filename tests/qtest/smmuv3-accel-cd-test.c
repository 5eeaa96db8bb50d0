/*
 * QTest: tables of Context Descriptors in the software walk
 *
 * A PCI device that can copy a buffer to memory (edu) is behind an SMMU with
 * substreams. Like all emulated devices it sends no SubstreamID, so the tests
 * cover STE.S1DSS and the walk of the tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"

/* CD2L, and 10 bits of SubstreamID */
#define SPEC "idr0=0xd48101a,idr1=0x2730290,idr3=0x1400,idr5=0x74," \
             "iidr=0,aidr=1"
#define ACCEL_BASE      0x0c000000      /* the first on the platform bus */
#define SMMUV3_BASE     0x09050000      /* -M iommu=smmuv3 */

/* The device, at 1.0 of pcie.0 */
#define EDU "-device edu,bus=pcie.0,addr=1.0,dma_mask=0xffffffffffff "
#define EDU_SID         0x8ULL
#define EDU_CONFIG      (0x3f000000 + (EDU_SID << 12))
#define EDU_BAR         0x10000000
#define EDU_BUFFER      0x40000         /* as its registers have it */
#define MARK            0x5ca1ab1eULL

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

/* Memory of the guest */
#define STRTAB          0x40100000ULL
#define CMDQ            0x40110000ULL
#define EVENTQ          0x40120000ULL
#define L1CD            0x40130000ULL
#define CDS             0x40140000ULL
#define PAGES           0x40160000ULL
#define NOWHERE         0x0fff00000000ULL
#define TARGET          0x41000000ULL
#define LOG2_QUEUE      7

/* The address of TARGET with and without stage 1 */
#define IOVA_S1         0x01000000ULL
#define IOVA_BYPASS     TARGET

/* Events */
enum {
    NO_EVENT = 0,
    C_BAD_STE = 0x04,
    F_STREAM_DISABLED = 0x06,
    C_BAD_SUBSTREAMID = 0x08,
    F_CD_FETCH = 0x09,
    C_BAD_CD = 0x0a,
};

enum { LINEAR, L2_4K, L2_64K };
enum { DSS_TERMINATE, DSS_BYPASS, DSS_SSID0 };

typedef struct Machine {
    QTestState *qts;
    uint64_t smmu;
    uint32_t cmdq_prod;
    uint64_t fetch_addr;        /* of the last event, if it has one */
} Machine;

static void command(Machine *m, uint64_t word0, uint64_t word1)
{
    uint32_t mask = (1 << (LOG2_QUEUE + 1)) - 1;
    uint64_t entry = CMDQ + (m->cmdq_prod & (mask >> 1)) * 16;

    qtest_writeq(m->qts, entry, word0);
    qtest_writeq(m->qts, entry + 8, word1);
    m->cmdq_prod = (m->cmdq_prod + 1) & mask;
    qtest_writel(m->qts, m->smmu + CMDQ_PROD, m->cmdq_prod);
    g_assert_cmphex(qtest_readl(m->qts, m->smmu + CMDQ_CONS), ==,
                    m->cmdq_prod);
}

#define CFGI_CD_ALL     (0x06ULL | EDU_SID << 32)
#define CFGI_CD(ssid)   (0x05ULL | (uint64_t)(ssid) << 12 | EDU_SID << 32)

static void invalidate_all(Machine *m)
{
    command(m, 0x03ULL | EDU_SID << 32, 1);     /* CFGI_STE */
    command(m, 0x30, 0);                        /* TLBI_NSNH_ALL */
    command(m, 0x46, 0);                        /* SYNC */
}

/* The only event since the last call, NO_EVENT if there was none */
static int take_event(Machine *m)
{
    uint32_t prod = qtest_readl(m->qts, m->smmu + EVENTQ_PROD);
    uint32_t cons = qtest_readl(m->qts, m->smmu + EVENTQ_CONS);
    uint32_t mask = (1 << (LOG2_QUEUE + 1)) - 1;
    uint64_t entry = EVENTQ + (cons & (mask >> 1)) * 32;

    if (prod == cons) {
        return NO_EVENT;
    }
    g_assert_cmphex(prod, ==, (cons + 1) & mask);
    qtest_writel(m->qts, m->smmu + EVENTQ_CONS, prod);
    g_assert_cmphex(qtest_readl(m->qts, entry + 4), ==, EDU_SID);
    m->fetch_addr = qtest_readq(m->qts, entry + 24);
    return qtest_readl(m->qts, entry) & 0xff;
}

static void edu_dma(Machine *m, uint64_t src, uint64_t dst, bool to_memory)
{
    qtest_writeq(m->qts, EDU_BAR + 0x80, src);
    qtest_writeq(m->qts, EDU_BAR + 0x88, dst);
    qtest_writeq(m->qts, EDU_BAR + 0x90, 4);
    qtest_writeq(m->qts, EDU_BAR + 0x98, 1 | to_memory << 1);
    qtest_clock_step(m->qts, 200 * 1000 * 1000);
    g_assert_cmphex(qtest_readq(m->qts, EDU_BAR + 0x98) & 1, ==, 0);
}

/* The device writes MARK to @iova: it arrives at TARGET, or causes @event */
static void assert_write(Machine *m, uint64_t iova, int event)
{
    qtest_writel(m->qts, TARGET, 0);
    edu_dma(m, EDU_BUFFER, iova, true);
    g_assert_cmphex(qtest_readl(m->qts, TARGET), ==, event ? 0 : MARK);
    g_assert_cmphex(take_event(m), ==, event);
}

/* A CD for 39 bits of address by 4K pages; see main page table below */
static void put_cd(Machine *m, uint64_t addr, bool valid)
{
    uint64_t word0 = 25 | 1ULL << 30 | (uint64_t)valid << 31;
    uint64_t word1 = 4 | 1 << 9 | 1 << 13 | 1 << 14 | 1ULL << 16;

    qtest_writeq(m->qts, addr, word1 << 32 | word0);
    qtest_writeq(m->qts, addr + 8, PAGES);
}

static void put_ste(Machine *m, uint64_t ctxptr, int cdmax, int fmt, int dss)
{
    uint64_t ste = STRTAB + EDU_SID * 64;

    qtest_writeq(m->qts, ste, 1 | 5 << 1 | fmt << 4 | ctxptr |
                 (uint64_t)cdmax << 59);
    qtest_writeq(m->qts, ste + 8, dss);
    invalidate_all(m);
}

static void start(Machine *m, const char *args, uint64_t smmu)
{
    *m = (Machine) {
        .qts = qtest_initf("-M virt,highmem-ecam=off -nodefaults %s " EDU,
                           args),
        .smmu = smmu,
    };
    qtest_writel(m->qts, EDU_CONFIG + 0x10, EDU_BAR);
    qtest_writew(m->qts, EDU_CONFIG + 0x04, 0x6);

    /* Fill the device's buffer while the SMMU is off */
    qtest_writel(m->qts, TARGET, MARK);
    edu_dma(m, TARGET, EDU_BUFFER, false);

    /* A gigabyte from IOVA 0 is mapped to memory, as a block of level 1 */
    qtest_writeq(m->qts, PAGES, 0x40000000 | 1 << 10 | 3 << 8 | 1 << 6 | 1);
    put_cd(m, CDS, true);

    qtest_writeq(m->qts, smmu + STRTAB_BASE, STRTAB);
    qtest_writel(m->qts, smmu + STRTAB_BASE_CFG, 8);
    qtest_writeq(m->qts, smmu + CMDQ_BASE, CMDQ | LOG2_QUEUE);
    qtest_writeq(m->qts, smmu + EVENTQ_BASE, EVENTQ | LOG2_QUEUE);
    qtest_writel(m->qts, smmu + CR0, 0xd);
}

static void test_s1dss(void)
{
    Machine m;

    start(&m, "-device arm-smmuv3-accel,bus=pcie.0," SPEC, ACCEL_BASE);

    put_ste(&m, CDS, 10, LINEAR, DSS_SSID0);
    assert_write(&m, IOVA_S1, NO_EVENT);
    put_ste(&m, CDS, 10, LINEAR, DSS_TERMINATE);
    assert_write(&m, IOVA_S1, F_STREAM_DISABLED);
    put_ste(&m, CDS, 10, LINEAR, DSS_BYPASS);
    assert_write(&m, IOVA_BYPASS, NO_EVENT);
    /* With one CD the field is ignored */
    put_ste(&m, CDS, 0, LINEAR, DSS_TERMINATE);
    assert_write(&m, IOVA_S1, NO_EVENT);

    put_ste(&m, CDS, 11, LINEAR, DSS_SSID0);
    assert_write(&m, IOVA_S1, C_BAD_STE);
    put_ste(&m, CDS, 10, LINEAR, 3);
    assert_write(&m, IOVA_S1, C_BAD_STE);
    qtest_quit(m.qts);
}

static void test_two_levels(void)
{
    Machine m;

    start(&m, "-device arm-smmuv3-accel,bus=pcie.0," SPEC, ACCEL_BASE);

    for (int fmt = L2_4K; fmt <= L2_64K; fmt++) {
        qtest_writeq(m.qts, L1CD, CDS | 1);
        put_ste(&m, L1CD, 10, fmt, DSS_SSID0);
        assert_write(&m, IOVA_S1, NO_EVENT);

        qtest_writeq(m.qts, L1CD, CDS);
        invalidate_all(&m);
        assert_write(&m, IOVA_S1, C_BAD_SUBSTREAMID);

        qtest_writeq(m.qts, L1CD, NOWHERE | 1);
        invalidate_all(&m);
        assert_write(&m, IOVA_S1, F_CD_FETCH);
        g_assert_cmphex(m.fetch_addr, ==, NOWHERE);
    }
    put_ste(&m, L1CD, 10, 3, DSS_SSID0);
    assert_write(&m, IOVA_S1, C_BAD_STE);
    qtest_quit(m.qts);
}

/* Transactions without a substream depend on the CD of substream 0 */
static void test_invalidate(void)
{
    Machine m;

    start(&m, "-device arm-smmuv3-accel,bus=pcie.0," SPEC, ACCEL_BASE);
    qtest_writeq(m.qts, L1CD, CDS | 1);
    put_ste(&m, L1CD, 10, L2_64K, DSS_SSID0);

    for (int all = 0; all < 2; all++) {
        uint64_t cfgi = all ? CFGI_CD_ALL : CFGI_CD(0);

        put_cd(&m, CDS, true);
        command(&m, cfgi, 1);
        assert_write(&m, IOVA_S1, NO_EVENT);
        put_cd(&m, CDS, false);
        command(&m, cfgi, 1);
        assert_write(&m, IOVA_S1, C_BAD_CD);
    }
    qtest_quit(m.qts);
}

/* arm-smmuv3 has no substreams */
static void test_smmuv3(void)
{
    Machine m;

    start(&m, "-M iommu=smmuv3", SMMUV3_BASE);
    put_ste(&m, CDS, 0, LINEAR, DSS_TERMINATE);
    assert_write(&m, IOVA_S1, NO_EVENT);
    for (int dss = 0; dss < 4; dss++) {
        put_ste(&m, CDS, 1, LINEAR, dss);
        assert_write(&m, IOVA_S1, C_BAD_STE);
    }
    qtest_quit(m.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("smmuv3-accel/cd/s1dss", test_s1dss);
    qtest_add_func("smmuv3-accel/cd/two-levels", test_two_levels);
    qtest_add_func("smmuv3-accel/cd/invalidate", test_invalidate);
    qtest_add_func("smmuv3-accel/cd/smmuv3", test_smmuv3);
    return g_test_run();
}
