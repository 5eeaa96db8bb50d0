/*
 * QTest: one queue of a Tegra241 CMDQV, in a server or in a guest
 *
 * @page0 is the address of its registers in page 0, @memory that of the queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_SMMUV3_CMDQV_H
#define TESTS_QTEST_SMMUV3_CMDQV_H

#include "smmuv3-rig.h"

/* Registers in page 0 */
#define CONS        0x0
#define PROD        0x4
#define EN          0x8
#define EN_OK       0xc
#define GERROR      0x10
#define GERRORN     0x14

#define LOG2SIZE    8

#define SYNC        0x46

/* SPI 116 of the GICv2's distributor */
#define GICD        0x08000000ULL
#define SPI         (32 + 116)

/* Write the next command of a queue, without waiting for it */
static inline void cmdqv_submit(Rig *r, uint64_t page0, uint64_t memory,
                                uint64_t word0)
{
    uint32_t prod = qtest_readl(r->qts, page0 + PROD);
    uint64_t at = memory + 16 * (prod & ((1 << LOG2SIZE) - 1));

    qtest_writeq(r->qts, at, word0);
    qtest_writeq(r->qts, at + 8, 0);
    qtest_writel(r->qts, page0 + PROD, (prod + 1) & ((2 << LOG2SIZE) - 1));
}

static inline void cmdqv_assert_done(Rig *r, uint64_t page0)
{
    g_assert_cmphex(qtest_readl(r->qts, page0 + CONS), ==,
                    qtest_readl(r->qts, page0 + PROD));
    g_assert_cmphex(qtest_readl(r->qts, page0 + GERROR), ==,
                    qtest_readl(r->qts, page0 + GERRORN));
}

static inline void cmdqv_acknowledge(Rig *r, uint64_t page0)
{
    qtest_writel(r->qts, page0 + GERRORN, qtest_readl(r->qts, page0 + GERROR));
}

/* As Linux does: a SYNC in place of the command that was in error */
static inline void cmdqv_repair(Rig *r, uint64_t page0, uint64_t memory)
{
    uint32_t cons = qtest_readl(r->qts, page0 + CONS);

    qtest_writeq(r->qts, memory + 16 * (cons & ((1 << LOG2SIZE) - 1)), SYNC);
    cmdqv_acknowledge(r, page0);
}

/* The interrupt, edge-triggered as the tables say, and whether it is pending */
static inline void cmdqv_init_irq(Rig *r)
{
    qtest_writel(r->qts, GICD + 0xc00 + 4 * (SPI / 16), 2U << 2 * (SPI % 16));
}

static inline bool cmdqv_take_irq(Rig *r)
{
    uint64_t reg = GICD + 0x200 + 4 * (SPI / 32);
    uint32_t bit = 1U << SPI % 32;
    bool pending = qtest_readl(r->qts, reg) & bit;

    qtest_writel(r->qts, reg + 0x80, bit);
    return pending;
}

#endif
