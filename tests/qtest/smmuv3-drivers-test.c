/*
 * QTest: SMMUv3 as drivers other than Linux's program it
 *
 * Each test makes the register accesses of one driver, in its order and with
 * its sizes, and sends its commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

/* Registers that the rig does not need (IHI 0070, 6.3) */
enum {
    IDR0 = 0x00,
    CR0ACK = 0x24,
    CR1 = 0x28,
    CR2 = 0x2c,
    GBPA = 0x44,
    IRQ_CTRLACK = 0x54,
    GERROR_IRQ_CFG2 = 0x74,
    EVENTQ_IRQ_CFG2 = 0xbc,
};

#define IDR0_MSI        (1 << 13)
#define CR0_SMMUEN      (1 << 0)
#define CR0_EVENTQEN    (1 << 2)
#define CR0_CMDQEN      (1 << 3)
#define GBPA_ABORT      (1 << 20)
#define GBPA_UPDATE     (1U << 31)
#define IRQS            5               /* EVENTQ and GERROR */
#define HINT            (1ULL << 62)
#define UNMAPPED        0x7fffffff0ULL

enum {
    CFGI_STE = 0x03,
    CFGI_STE_RANGE = 0x04,
    CFGI_CD = 0x05,
    PREFETCH_CONFIG = 0x01,
    TLBI_EL2_ALL = 0x20,
    TLBI_NSNH_ALL = 0x30,
    SYNC = 0x46,
};

static void write_ack(Rig *r, uint64_t reg, uint64_t ack, uint32_t value)
{
    qtest_writel(r->qts, r->smmu + reg, value);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + ack), ==, value);
}

static void start(Rig *r, const void *accel)
{
    rig_start(r, GPOINTER_TO_INT(accel), RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(r, rig_config(0, 1), RIG_BAR);
}

static void assert_aborted(Rig *r)
{
    qtest_writel(r->qts, RIG_TARGET, 0);
    rig_edu_dma(r, RIG_EDU_BUFFER, RIG_IOVA_BYPASS, true);
    g_assert_cmphex(qtest_readl(r->qts, RIG_TARGET), ==, 0);
    g_assert_cmpint(rig_take_event(r), ==, RIG_NO_EVENT);
}

/*
 * FreeBSD: sys/arm64/iommu/smmu.c
 */

#define FREEBSD_SPLIT   8
#define FREEBSD_L1      0x40300000ULL
#define STE1_EATS_FULL  (1 << 28)       /* whatever IDR0.ATS is */
#define STE1_CACHED     (3 << 6 | 1 << 4 | 1 << 2)

/* It is complete when the SMMU has overwritten the command itself */
static void freebsd_sync(Rig *r)
{
    uint32_t index = r->cmdq_prod & ((1 << RIG_LOG2_QUEUE) - 1);
    uint64_t entry = RIG_CMDQ + index * 16;

    rig_command(r, SYNC | 1 << 12 | 3 << 22 | 0xf << 24, entry);
    if (qtest_readl(r->qts, r->smmu + IDR0) & IDR0_MSI) {
        g_assert_cmphex(qtest_readl(r->qts, entry), ==, 0);
    }
}

static void freebsd_invalidate_ste(Rig *r)
{
    rig_command(r, CFGI_STE | (uint64_t)RIG_EDU_SID << 32, 0);
    freebsd_sync(r);
}

static void freebsd_interrupts(Rig *r)
{
    qtest_writeq(r->qts, r->smmu + RIG_GERROR_IRQ_CFG0, 0);
    qtest_writel(r->qts, r->smmu + RIG_GERROR_IRQ_CFG1, 0);
    qtest_writel(r->qts, r->smmu + GERROR_IRQ_CFG2, 0);
    qtest_writeq(r->qts, r->smmu + RIG_EVENTQ_IRQ_CFG0, 0);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_IRQ_CFG1, 0);
    qtest_writel(r->qts, r->smmu + EVENTQ_IRQ_CFG2, 0);
    write_ack(r, RIG_IRQ_CTRL, IRQ_CTRLACK, 0);
    write_ack(r, RIG_IRQ_CTRL, IRQ_CTRLACK, IRQS);
}

static void freebsd_reset(Rig *r)
{
    uint32_t cr0 = qtest_readl(r->qts, r->smmu + RIG_CR0) & ~CR0_SMMUEN;

    write_ack(r, RIG_CR0, CR0ACK, cr0);
    freebsd_interrupts(r);
    qtest_writel(r->qts, r->smmu + CR1, 0xd75);
    qtest_writel(r->qts, r->smmu + CR2, 7);     /* with E2H, without IDR0.HYP */
    qtest_writeq(r->qts, r->smmu + RIG_STRTAB_BASE, FREEBSD_L1 | HINT);
    qtest_writel(r->qts, r->smmu + RIG_STRTAB_BASE_CFG,
                 1 << 16 | FREEBSD_SPLIT << 6 | 16);
    qtest_writeq(r->qts, r->smmu + RIG_CMDQ_BASE,
                 RIG_CMDQ | HINT | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_CMDQ_PROD, 0);
    qtest_writel(r->qts, r->smmu + RIG_CMDQ_CONS, 0);
    write_ack(r, RIG_CR0, CR0ACK, CR0_CMDQEN);

    rig_command(r, CFGI_STE_RANGE, 31);
    freebsd_sync(r);
    rig_command(r, TLBI_NSNH_ALL, 0);
    freebsd_sync(r);

    qtest_writeq(r->qts, r->smmu + RIG_EVENTQ_BASE,
                 RIG_EVENTQ | HINT | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_PROD, 0);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_CONS, 0);
    write_ack(r, RIG_CR0, CR0ACK, CR0_CMDQEN | CR0_EVENTQEN);
    write_ack(r, RIG_CR0, CR0ACK, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
}

static void freebsd_attach(Rig *r)
{
    uint64_t ste = RIG_STRTAB + RIG_EDU_SID * 64, word0;

    rig_put_ste_s1(r, RIG_EDU_SID);             /* with the CD and its table */
    word0 = qtest_readq(r->qts, ste);
    qtest_writeq(r->qts, ste, 0);
    qtest_writeq(r->qts, FREEBSD_L1, RIG_STRTAB | (FREEBSD_SPLIT + 1));

    qtest_writeq(r->qts, ste + 8, STE1_EATS_FULL | STE1_CACHED);
    freebsd_invalidate_ste(r);
    qtest_writeq(r->qts, ste, word0);
    freebsd_invalidate_ste(r);
    rig_command(r, CFGI_CD | (uint64_t)RIG_EDU_SID << 32, 1);
    freebsd_invalidate_ste(r);
    rig_command(r, PREFETCH_CONFIG | (uint64_t)RIG_EDU_SID << 32, 0);
    freebsd_sync(r);
    freebsd_sync(r);
}

static void freebsd_take_event(Rig *r, int event)
{
    /* One read of 64 bits for PROD and CONS */
    uint64_t indices = qtest_readq(r->qts, r->smmu + RIG_EVENTQ_PROD);
    uint32_t cons = indices >> 32;

    g_assert_cmphex((uint32_t)indices, ==, cons + 1);
    g_assert_cmphex(qtest_readl(r->qts, RIG_EVENTQ + cons * 32) & 0xff, ==,
                    event);
    g_assert_cmphex(qtest_readl(r->qts, RIG_EVENTQ + cons * 32 + 4), ==,
                    RIG_EDU_SID);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_CONS, cons + 1);
    indices = qtest_readq(r->qts, r->smmu + RIG_EVENTQ_PROD);
    g_assert_cmphex(indices >> 32, ==, (uint32_t)indices);
}

static void test_freebsd(const void *accel)
{
    Rig r;

    start(&r, accel);
    freebsd_reset(&r);
    freebsd_attach(&r);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    for (int i = 0; i < 3; i++) {
        rig_edu_dma(&r, RIG_EDU_BUFFER, UNMAPPED, true);
        freebsd_take_event(&r, RIG_F_TRANSLATION);
    }
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==, 0);
    qtest_quit(r.qts);
}

/*
 * UEFI: ArmPkg/Drivers/SmmuDxe. It translates by stage 2.
 */

/* It rings for each command, and waits until that command is consumed */
static void uefi_command(Rig *r, uint64_t word0, uint64_t word1)
{
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_CMDQ_PROD), ==,
                    r->cmdq_prod);
    rig_command(r, word0, word1);
}

static void uefi_set_gbpa(Rig *r, bool abort)
{
    uint32_t gbpa = qtest_readl(r->qts, r->smmu + GBPA);

    g_assert_cmphex(gbpa & GBPA_UPDATE, ==, 0);
    gbpa = abort ? gbpa | GBPA_ABORT : gbpa & ~GBPA_ABORT;
    qtest_writel(r->qts, r->smmu + GBPA, gbpa | GBPA_UPDATE);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + GBPA), ==, gbpa);
}

static void uefi_disable(Rig *r)
{
    uint32_t cr0 = qtest_readl(r->qts, r->smmu + RIG_CR0);

    write_ack(r, RIG_CR0, CR0ACK, cr0 & ~0xf);
    qtest_writel(r->qts, r->smmu + RIG_IRQ_CTRL, 0);
    /* It means to clear errors, but this register cannot be written */
    qtest_writel(r->qts, r->smmu + RIG_GERROR, 0);
}

static void uefi_configure(Rig *r)
{
    uefi_disable(r);
    qtest_writel(r->qts, r->smmu + RIG_STRTAB_BASE_CFG, RIG_LOG2_STRTAB);
    qtest_writeq(r->qts, r->smmu + RIG_STRTAB_BASE, RIG_STRTAB | HINT);
    qtest_writeq(r->qts, r->smmu + RIG_CMDQ_BASE,
                 RIG_CMDQ | HINT | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_CMDQ_PROD, 0);
    qtest_writel(r->qts, r->smmu + RIG_CMDQ_CONS, 0);
    qtest_writeq(r->qts, r->smmu + RIG_EVENTQ_BASE,
                 RIG_EVENTQ | HINT | RIG_LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_PROD, 0);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_CONS, 0);
    write_ack(r, RIG_IRQ_CTRL, IRQ_CTRLACK, IRQS);
    qtest_writel(r->qts, r->smmu + CR1, 0x35);
    qtest_writel(r->qts, r->smmu + CR2, 2);
    write_ack(r, RIG_CR0, CR0ACK, CR0_EVENTQEN | CR0_CMDQEN);

    uefi_command(r, CFGI_STE_RANGE, 31);
    /* Whether there is an EL2 or not */
    uefi_command(r, TLBI_EL2_ALL, 0);
    uefi_command(r, TLBI_NSNH_ALL, 0);
    uefi_command(r, SYNC, 0);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_GERROR), ==, 0);
    write_ack(r, RIG_CR0, CR0ACK, CR0_EVENTQEN | CR0_CMDQEN | CR0_SMMUEN);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_GERROR), ==, 0);
}

static void test_uefi(const void *accel)
{
    Rig r;

    start(&r, accel);
    uefi_set_gbpa(&r, true);
    assert_aborted(&r);
    for (uint32_t sid = 0; sid < 16; sid++) {
        qtest_writeq(r.qts, RIG_STRTAB + sid * 64, 1 | 6 << 1);
    }
    uefi_configure(&r);
    /* There is no stage 2, and the driver does not check that */
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_C_BAD_STE);

    /* The operating system takes over */
    uefi_disable(&r);
    assert_aborted(&r);
    uefi_set_gbpa(&r, false);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("drivers/freebsd", test_freebsd);
    rig_add_func("drivers/uefi", test_uefi);
    return g_test_run();
}
