/*
 * QTest: SMMUv3 with reserved and unsupported values in its tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

static void start(Rig *r, const void *accel)
{
    rig_start_edu(r, GPOINTER_TO_INT(accel));
    rig_put_ste_s1(r, RIG_EDU_SID);
}

/* Values of CD.IPS above OAS, including reserved ones, mean OAS */
static void test_ips(const void *accel)
{
    for (unsigned ips = 5; ips < 8; ips++) {
        Rig r;

        start(&r, accel);
        qtest_writel(r.qts, RIG_CDS + 4,
                     (qtest_readl(r.qts, RIG_CDS + 4) & ~7) | ips);
        rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
        qtest_quit(r.qts);
    }
}

/* Stage 2 with AArch32 tables, which the SMMU does not support */
static void test_aarch32_stage2(const void *accel)
{
    Rig r;

    start(&r, accel);
    qtest_writeq(r.qts, RIG_STRTAB + RIG_EDU_SID * 64, 1 | 6 << 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_C_BAD_STE);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("reserved/ips", test_ips);
    rig_add_func("reserved/aarch32-stage2", test_aarch32_stage2);
    return g_test_run();
}
