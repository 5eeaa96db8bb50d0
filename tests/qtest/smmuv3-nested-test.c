/*
 * QTest: SMMUv3 with both stages invalidates by the size of stage 1
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-rig.h"

#define NESTED          "-global arm-smmuv3.stage=nested "
#define ASID            1               /* as in rig_put_cd() */

/* Tables of stage 2: a level 1, and a level 2 for the memory */
#define S2_LEVEL1       0x40400000ULL
#define S2_LEVEL2       0x40401000ULL
#define S2_BLOCK        (1 << 10 | 3 << 8 | 3 << 6 | 0xf << 2 | 1)
#define S2_TABLE        3
#define MB2             (2ULL << 20)

/* 39 bits from level 1 on by 4K pages, 40 of output, AArch64 */
#define STE_S2_CFG      (25ULL << 32 | 1ULL << 38 | 2ULL << 48 | 1ULL << 51)

/* Stage 1 is a block of 1G, and stage 2 has blocks of 2M */
static void start(Rig *r)
{
    uint64_t ste = RIG_STRTAB + RIG_EDU_SID * 64;

    rig_start(r, false, NESTED RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(r, rig_config(0, 1), RIG_BAR);
    rig_enable(r);
    qtest_writeq(r->qts, S2_LEVEL1 + 8, S2_LEVEL2 | S2_TABLE);
    for (int i = 0; i < 16; i++) {
        qtest_writeq(r->qts, S2_LEVEL2 + 8 * i,
                     (0x40000000 + i * MB2) | S2_BLOCK);
    }
    rig_put_ste_s1(r, RIG_EDU_SID);
    qtest_writeq(r->qts, ste, 1 | 7 << 1 | RIG_CDS);
    qtest_writeq(r->qts, ste + 16, STE_S2_CFG);
    qtest_writeq(r->qts, ste + 24, S2_LEVEL1);
    rig_invalidate(r, RIG_EDU_SID);
}

/*
 * The TLB has two entries of 2M. The guest takes the block back, and names an
 * address in it that is in neither.
 */
static void test_block(const void *command)
{
    uint64_t word1 = GPOINTER_TO_UINT(command);
    Rig r;

    start(&r);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_edu_dma(&r, RIG_EDU_BUFFER, RIG_IOVA_S1 + MB2, true);
    g_assert_cmphex(rig_take_event(&r), ==, RIG_NO_EVENT);
    qtest_writeq(r.qts, RIG_PAGES, 0);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);    /* by the TLB */
    rig_command(&r, 0x12 | (uint64_t)ASID << 48, word1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_TRANSLATION);
    rig_assert_write(&r, RIG_IOVA_S1 + MB2, RIG_F_TRANSLATION);
    qtest_quit(r.qts);
}

/* What is next to the block stays */
static void test_beside(void)
{
    Rig r;

    start(&r);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_writeq(r.qts, RIG_PAGES, 0);
    rig_command(&r, 0x12 | (uint64_t)ASID << 48, 0x40000000 | 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Leaf; with and without granule and level */
    qtest_add_data_func("smmuv3/nested/block", GUINT_TO_POINTER(1),
                        test_block);
    qtest_add_data_func("smmuv3/nested/block-with-level",
                        GUINT_TO_POINTER(1 << 10 | 1 << 8 | 1), test_block);
    qtest_add_func("smmuv3/nested/beside", test_beside);
    return g_test_run();
}
