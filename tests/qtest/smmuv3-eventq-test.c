/*
 * QTest: the event queue of SMMUv3 (IHI 0070, 7.4), and what a record contains
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define OVFLG           (1U << 31)
#define LOG2_QUEUE      1               /* two records */
#define BAD_ADDR        0x0ffff000ULL   /* neither memory nor a device */

/* Each DMA of the device causes F_TRANSLATION */
static void start(Rig *r, const void *accel, uint32_t prod)
{
    rig_start_edu(r, GPOINTER_TO_INT(accel));
    qtest_writel(r->qts, r->smmu + RIG_CR0, 0x9);
    qtest_writeq(r->qts, r->smmu + RIG_EVENTQ_BASE, RIG_EVENTQ | LOG2_QUEUE);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_PROD, prod);
    qtest_writel(r->qts, r->smmu + RIG_EVENTQ_CONS, prod);
    qtest_writel(r->qts, r->smmu + RIG_CR0, 0xd);
    rig_put_ste_s1(r, RIG_EDU_SID);
    qtest_writeq(r->qts, RIG_PAGES, 0);
}

/* A DMA that fails: the producer index after it, and no global error */
static void assert_fault(Rig *r, uint32_t prod)
{
    rig_edu_dma(r, RIG_EDU_BUFFER, RIG_IOVA_S1, true);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_EVENTQ_PROD), ==, prod);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_GERROR), ==, 0);
}

/* An overflow that the guest has acknowledged stays, until the next one */
static void test_flag(const void *accel)
{
    Rig r;

    start(&r, accel, OVFLG);
    assert_fault(&r, OVFLG | 1);
    assert_fault(&r, OVFLG | 2);
    qtest_quit(r.qts);
}

/* A full queue changes OVFLG, and not GERROR, once for each acknowledgement */
static void test_overflow(const void *accel)
{
    Rig r;

    start(&r, accel, 0);
    assert_fault(&r, 1);
    assert_fault(&r, 2);                /* full: the wrap bit differs */
    assert_fault(&r, OVFLG | 2);
    assert_fault(&r, OVFLG | 2);
    qtest_writel(r.qts, r.smmu + RIG_EVENTQ_CONS, OVFLG | 2);
    assert_fault(&r, OVFLG | 3);
    assert_fault(&r, OVFLG | 0);
    assert_fault(&r, 0);
    assert_fault(&r, 0);
    qtest_quit(r.qts);
}

/* A disabled queue takes no records, which is no error either */
static void test_disabled(const void *accel)
{
    Rig r;

    start(&r, accel, 0);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0x9);
    assert_fault(&r, 0);
    qtest_writel(r.qts, r.smmu + RIG_CR0, 0xd);
    assert_fault(&r, 1);
    qtest_quit(r.qts);
}

/* F_CD_FETCH has the address of the CD in its last doubleword */
static void test_cd_fetch(const void *accel)
{
    Rig r;

    rig_start_edu(&r, GPOINTER_TO_INT(accel));
    qtest_writeq(r.qts, RIG_STRTAB + RIG_EDU_SID * 64, 1 | 5 << 1 | BAD_ADDR);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_CD_FETCH);
    g_assert_cmphex(r.event_addr, ==, BAD_ADDR);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("eventq/flag", test_flag);
    rig_add_func("eventq/overflow", test_overflow);
    rig_add_func("eventq/disabled", test_disabled);
    rig_add_func("eventq/cd-fetch", test_cd_fetch);
    return g_test_run();
}
