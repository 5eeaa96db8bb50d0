/*
 * QTest: SMMUv3 with stream tables of two levels
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define CR2             0x2c
#define CR2_RECINVSID   2
#define EVENTQEN        4
#define SMMUEN          1
#define C_BAD_STREAMID  2

#define TWO_LEVELS      (1 << 16)
#define SPLIT           6
#define LEVEL2          0x40300000ULL

/* The device's STE is RIG_EDU_SID, which is number 8 of its level 2 */
static void start(Rig *r, const void *accel)
{
    rig_start_edu(r, GPOINTER_TO_INT(accel));
    qtest_writel(r->qts, r->smmu + RIG_CR0, EVENTQEN);
    qtest_writel(r->qts, r->smmu + CR2, CR2_RECINVSID);
    qtest_writel(r->qts, r->smmu + RIG_STRTAB_BASE_CFG,
                 TWO_LEVELS | SPLIT << 6 | RIG_LOG2_STRTAB);
    qtest_writel(r->qts, r->smmu + RIG_CR0, 0xd);
    qtest_writeq(r->qts, LEVEL2 + RIG_EDU_SID * 64, 1 | 4 << 1);
}

static void assert_write(Rig *r, uint64_t l1std, int event)
{
    qtest_writeq(r->qts, RIG_STRTAB, l1std);
    rig_invalidate(r, RIG_EDU_SID);
    rig_assert_write(r, RIG_IOVA_BYPASS, event);
}

/* Level 2 has 2^(Span - 1) STEs, at most 2^SPLIT */
static void test_span(const void *accel)
{
    Rig r;

    start(&r, accel);
    for (unsigned span = 0; span < 32; span++) {
        bool has_ste = span >= 5 && span <= SPLIT + 1;

        assert_write(&r, LEVEL2 | span,
                     has_ste ? RIG_NO_EVENT : C_BAD_STREAMID);
    }
    qtest_quit(r.qts);
}

/* Bits of L2Ptr that the SMMU treats as 0 */
static void test_l2ptr(const void *accel)
{
    Rig r;

    start(&r, accel);
    for (unsigned span = 5; span <= SPLIT + 1; span++) {
        uint64_t ignored = (64ULL << (span - 1)) - 1;

        ignored = (ignored & ~0x1f) | 0xffULL << 56;
        assert_write(&r, LEVEL2 | ignored | span, RIG_NO_EVENT);
    }
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("strtab/span", test_span);
    rig_add_func("strtab/l2ptr", test_l2ptr);
    return g_test_run();
}
