/*
 * QTest: SMMUv3 invalidates ranges of TLB entries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define ASID            1               /* as in rig_put_cd() */

/* TLBI_NH_VA for a number of 4K pages that is not a power of two */
static void tlbi_range(Rig *r, uint64_t addr, unsigned pages)
{
    rig_command(r, 0x12 | (pages - 1) << 12 | (uint64_t)ASID << 48,
                addr | 1 << 10 | 1);
}

/* The TLB has one entry, for the first gigabyte */
static void test_block(const void *accel)
{
    Rig r;

    rig_start_edu(&r, GPOINTER_TO_INT(accel));
    rig_put_ste_s1(&r, RIG_EDU_SID);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_writeq(r.qts, RIG_PAGES, 0);
    tlbi_range(&r, 0x40000000, 3);      /* next to the block */
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    tlbi_range(&r, 0x3fffe000, 3);      /* its last two pages */
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_TRANSLATION);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add_func("range/block", test_block);
    return g_test_run();
}
