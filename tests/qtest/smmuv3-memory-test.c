/*
 * QTest: queues and tables of SMMUv3 have to be in memory
 *
 * A UART with characters in its FIFO shows whether the SMMU has read it, and a
 * hot-plug port shows whether the SMMU has written to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define BAR             0x10000000
#define SID             0x8             /* at 1.0 of pcie.0 */

#define UART            0x09000000
#define UART_FR         (UART + 0x18)
#define UART_LCR        (UART + 0x2c)
#define UART_CR         (UART + 0x30)

static const char received[] = "abcdefgh";

static void start_with_uart(Rig *r, const void *accel)
{
    int fds[2];
    g_autofree char *args = NULL;

    g_assert_cmpint(socketpair(PF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    args = g_strdup_printf("-chardev socket,id=c,fd=%d -serial chardev:c "
                           RIG_EDU ",bus=pcie.0,addr=1.0", fds[1]);
    rig_start(r, GPOINTER_TO_INT(accel), args);
    close(fds[1]);

    qtest_writel(r->qts, UART_LCR, 0x10);       /* FIFO */
    qtest_writel(r->qts, UART_CR, 0x301);
    g_assert_cmpint(write(fds[0], received, 8), ==, 8);
    while (qtest_readl(r->qts, UART_FR) & 0x10) {
        g_usleep(1000);
    }
    close(fds[0]);

    rig_setup_edu(r, rig_config(0, 1), BAR);
    rig_enable(r);
}

static void assert_uart_untouched(Rig *r)
{
    g_assert_cmphex(qtest_readl(r->qts, UART) & 0xff, ==, received[0]);
    qtest_quit(r->qts);
}

static void test_command_queue(const void *accel)
{
    Rig r;

    start_with_uart(&r, accel);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0x5);
    qtest_writeq(r.qts, r.smmu + RIG_CMDQ_BASE, UART | RIG_LOG2_QUEUE);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xd);
    qtest_writel(r.qts, r.smmu + RIG_CMDQ_PROD, 1);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_CMDQ_CONS), ==,
                    RIG_CERROR_ABT << 24);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==,
                    RIG_GERROR_CMDQ);
    assert_uart_untouched(&r);
}

static void test_stream_table(const void *accel)
{
    Rig r;

    start_with_uart(&r, accel);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xc);
    qtest_writeq(r.qts, r.smmu + RIG_STRTAB_BASE, UART);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xd);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_F_STE_FETCH);
    g_assert_cmphex(r.event_addr, ==, UART + SID * 64);

    /* A level 1 descriptor */
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xc);
    qtest_writel(r.qts, r.smmu + RIG_STRTAB_BASE_CFG,
                 1 << 16 | 6 << 6 | RIG_LOG2_STRTAB);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xd);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_F_STE_FETCH);
    g_assert_cmphex(r.event_addr, ==, UART);
    assert_uart_untouched(&r);
}

static void test_context_descriptor(const void *accel)
{
    Rig r;

    start_with_uart(&r, accel);
    qtest_writeq(r.qts, RIG_STRTAB + SID * 64, 1 | 5 << 1 | UART);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_CD_FETCH);
    g_assert_cmphex(r.event_addr, ==, UART);
    assert_uart_untouched(&r);
}

static void test_page_table(const void *accel)
{
    Rig r;

    start_with_uart(&r, accel);
    rig_put_ste_s1(&r, SID);
    rig_put_cd(&r, RIG_CDS, UART);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_WALK_EABT);
    g_assert_cmphex(r.event_addr, ==, UART);
    assert_uart_untouched(&r);
}

/* 39 bits of address by 4K pages, from level 1; of arm-smmuv3 only */
static void test_page_table_stage2(void)
{
    Rig r;

    start_with_uart(&r, GINT_TO_POINTER(false));
    qtest_writeq(r.qts, RIG_STRTAB + SID * 64, 1 | 6 << 1);
    qtest_writeq(r.qts, RIG_STRTAB + SID * 64 + 16,
                 25ULL << 32 | 1ULL << 38 | 4ULL << 48 | 1ULL << 51 |
                 1ULL << 53 | 1ULL << 58);
    qtest_writeq(r.qts, RIG_STRTAB + SID * 64 + 24, UART);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_WALK_EABT);
    assert_uart_untouched(&r);
}

/*
 * Event records at the address of a port's Slot Control, caused by DMA of the
 * device in the slot: the right bits would eject it from within its DMA
 */
static void test_event_queue(const void *accel)
{
    uint64_t port = rig_config(0, 1);
    uint64_t record;
    uint32_t before[8];
    Rig r;

    rig_start(&r, GPOINTER_TO_INT(accel),
              "-device pcie-root-port,id=rp,bus=pcie.0,addr=1.0,chassis=1 "
              RIG_EDU ",bus=rp");
    rig_setup_bridge(&r, port, 0, 1, 1, BAR);
    rig_setup_edu(&r, rig_config(1, 0), BAR);
    record = rig_slot_control(&r, port) & ~31ULL;
    rig_enable(&r);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0x9);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE, record);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xd);
    qtest_writew(r.qts, rig_slot_control(&r, port), RIG_SLOT_ON);
    qtest_memread(r.qts, record, before, sizeof(before));

    for (uint64_t iova = 0; iova < 0x1000; iova += 0x100) {
        uint32_t after[8];

        rig_put_ste_s1(&r, 0x100);
        qtest_writeq(r.qts, RIG_PAGES, 0);
        rig_invalidate(&r, 0x100);
        rig_edu_dma(&r, RIG_EDU_BUFFER, iova << 32 | iova, true);
        g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==,
                        RIG_GERROR_EVENTQ_ABT);
        qtest_memread(r.qts, record, after, sizeof(after));
        g_assert_cmpmem(after, sizeof(after), before, sizeof(before));
    }
    g_assert_cmphex(qtest_readl(r.qts, rig_config(1, 0)), ==, 0x11e81234);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("memory/command-queue", test_command_queue);
    rig_add_func("memory/stream-table", test_stream_table);
    rig_add_func("memory/context-descriptor", test_context_descriptor);
    rig_add_func("memory/page-table", test_page_table);
    qtest_add_func("smmuv3/memory/page-table-stage2", test_page_table_stage2);
    rig_add_func("memory/event-queue", test_event_queue);
    return g_test_run();
}
