/*
 * SMMUv3: unit tests of the table of registers
 *
 * The expected values are written here once more, from IHI 0070 6.2 and 6.3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-internal.h"
#include "hw/arm/smmuv3-regs.h"

/* What QEMU's own SMMU has: two levels, no MSI, no ATS */
static const uint32_t idr_plain[6] = { 0x0d44101b, 0x02730010 };
/* Everything in IDR0 that a field depends on */
static const uint32_t idr_rich[6] = { 0xffffffff, 0x02730010 };
/* No bit of IDR0, and queues of 2^7 entries */
static const uint32_t idr_poor[6] = { 0, 0x00e70008 };

enum { SMMUEN = 1, PRIQEN = 2, EVENTQEN = 4, CMDQEN = 8 };
enum { GERROR_IRQEN = 1, EVENTQ_IRQEN = 4 };

typedef struct Expected {
    const char *name;
    uint32_t offset;
    unsigned size;
    uint64_t plain, rich;       /* bits that can be written */
    /* One of the bits of CR0 or of IRQ_CTRL makes @guarded read-only */
    uint32_t cr0, irq_ctrl;
    uint64_t guarded;
} Expected;

#define ALL UINT64_MAX
#define QUEUES (CMDQEN | EVENTQEN | PRIQEN)

static const Expected expected[] = {
    { "IDR0", 0x00, 4 },
    { "IDR1", 0x04, 4 },
    { "IDR2", 0x08, 4 },
    { "IDR3", 0x0c, 4 },
    { "IDR4", 0x10, 4 },
    { "IDR5", 0x14, 4 },
    { "IIDR", 0x18, 4 },
    { "AIDR", 0x1c, 4 },
    { "CR0", 0x20, 4, 0xd, 0x1df },
    { "CR0ACK", 0x24, 4 },
    { "CR1", 0x28, 4, 0xfff, 0xfff, SMMUEN, 0, 0xfc0 },
    { "CR1", 0x28, 4, 0xfff, 0xfff, QUEUES, 0, 0x3f },
    { "CR2", 0x2c, 4, 0x2, 0xf, SMMUEN, 0, ALL },
    { "STATUSR", 0x40, 4 },
    { "GBPA", 0x44, 4, 0x1f3f1f, 0x1f3f1f },
    { "IRQ_CTRL", 0x50, 4, 0x5, 0x7 },
    { "IRQ_CTRLACK", 0x54, 4 },
    { "GERROR", 0x60, 4 },
    { "GERRORN", 0x64, 4, 0x105, 0x1fd },
    { "GERROR_IRQ_CFG0", 0x68, 8, 0, 0xffffffffffffc, 0, GERROR_IRQEN, ALL },
    { "GERROR_IRQ_CFG1", 0x70, 4, 0, 0xffffffff, 0, GERROR_IRQEN, ALL },
    { "GERROR_IRQ_CFG2", 0x74, 4, 0, 0x3f, 0, GERROR_IRQEN, ALL },
    { "STRTAB_BASE", 0x80, 8, 0x400fffffffffffc0, 0x400fffffffffffc0,
      SMMUEN, 0, ALL },
    { "STRTAB_BASE_CFG", 0x88, 4, 0x307ff, 0x307ff, SMMUEN, 0, ALL },
    { "CMDQ_BASE", 0x90, 8, 0x400fffffffffffff, 0x400fffffffffffff,
      CMDQEN, 0, ALL },
    { "CMDQ_PROD", 0x98, 4, 0xfffff, 0xfffff },
    { "CMDQ_CONS", 0x9c, 4, 0x7f0fffff, 0x7f0fffff, CMDQEN, 0, ALL },
    { "EVENTQ_BASE", 0xa0, 8, 0x400fffffffffffff, 0x400fffffffffffff,
      EVENTQEN, 0, ALL },
    { "EVENTQ_PROD", 0xa8, 4, 0x800fffff, 0x800fffff, EVENTQEN, 0, ALL },
    { "EVENTQ_CONS", 0xac, 4, 0x800fffff, 0x800fffff },
    { "EVENTQ_IRQ_CFG0", 0xb0, 8, 0, 0xffffffffffffc, 0, EVENTQ_IRQEN, ALL },
    { "EVENTQ_IRQ_CFG1", 0xb8, 4, 0, 0xffffffff, 0, EVENTQ_IRQEN, ALL },
    { "EVENTQ_IRQ_CFG2", 0xbc, 4, 0, 0x3f, 0, EVENTQ_IRQEN, ALL },
};

static uint64_t write_reg(const SMMUv3Reg *reg, const SMMUv3RegControl *c,
                          unsigned offset, unsigned size, uint64_t data,
                          uint64_t value)
{
    uint64_t before = value;

    if (!smmuv3_reg_write(reg, c, reg->offset + offset, size, data, &value)) {
        g_assert_cmphex(value, ==, before);
    }
    return value;
}

/* The table is in order, and every register can be found by all its bytes */
static void test_find(void)
{
    size_t n;
    const SMMUv3Reg *regs = smmuv3_regs(&n);
    hwaddr end = 0;

    for (size_t i = 0; i < n; i++) {
        const SMMUv3Reg *reg = &regs[i];

        g_assert_cmpuint(reg->offset, >=, end);
        g_assert_true(reg->size == 4 || reg->size == 8);
        g_assert_cmpuint(reg->offset % reg->size, ==, 0);
        for (; end < reg->offset; end++) {
            g_assert_null(smmuv3_reg_find(end));
        }
        end = reg->offset + reg->size;
        for (hwaddr offset = reg->offset; offset < end; offset++) {
            g_assert_true(smmuv3_reg_find(offset) == reg);
        }
    }
    g_assert_cmphex(end, ==, 0x1000);
    g_assert_null(smmuv3_reg_find(end));
    g_assert_null(smmuv3_reg_find(UINT64_MAX));
}

static void test_expected(void)
{
    size_t n, seen = 0;
    const SMMUv3Reg *regs = smmuv3_regs(&n);
    const SMMUv3Reg *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const Expected *e = &expected[i];
        const SMMUv3Reg *reg = smmuv3_reg_find(e->offset);
        SMMUv3RegControl plain = { .idr = idr_plain };
        SMMUv3RegControl rich = { .idr = idr_rich };

        g_test_message("%s", e->name);
        g_assert_nonnull(reg);
        g_assert_cmpstr(reg->name, ==, e->name);
        g_assert_cmphex(reg->offset, ==, e->offset);
        g_assert_cmpuint(reg->size, ==, e->size);
        g_assert_cmphex(smmuv3_reg_writable(reg, &plain), ==, e->plain);
        g_assert_cmphex(smmuv3_reg_writable(reg, &rich), ==, e->rich);
        if (!reg->ro) {
            g_assert_cmphex(smmuv3_reg_bits(reg, idr_plain), ==, e->plain);
            g_assert_cmphex(smmuv3_reg_bits(reg, idr_rich), ==, e->rich);
        }
        g_assert_cmphex(reg->update, ==, e->offset == 0x44 ? 0x80000000 : 0);
        seen += reg != last;
        last = reg;
    }
    /* The others are the registers of IMPLEMENTATION DEFINED use */
    g_assert_cmpuint(n - seen, ==, 12);
    for (size_t i = seen; i < n; i++) {
        g_assert_true(regs[i].ro);
    }
}

/* The bits of @e that a write can change with these values of CR0, IRQ_CTRL */
static uint64_t unguarded(uint32_t offset, uint32_t cr0, uint32_t irq_ctrl)
{
    uint64_t bits = 0, guarded = 0;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const Expected *e = &expected[i];

        if (e->offset == offset) {
            bits |= e->rich;
            if (e->cr0 & cr0 || e->irq_ctrl & irq_ctrl) {
                guarded |= e->guarded;
            }
        }
    }
    return bits & ~guarded;
}

static void test_guards(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const SMMUv3Reg *reg = smmuv3_reg_find(expected[i].offset);

        for (unsigned on = 0; on < 16 * 8; on++) {
            SMMUv3RegControl c = { idr_rich, on % 16, on / 16 };

            g_test_message("%s CR0 0x%x IRQ_CTRL 0x%x", reg->name, c.cr0,
                           c.irq_ctrl);
            g_assert_cmphex(smmuv3_reg_writable(reg, &c), ==,
                            unguarded(reg->offset, c.cr0, c.irq_ctrl));
        }
    }
}

/* Every register by all accesses, with all guards off and on */
static void test_write(void)
{
    size_t n;
    const SMMUv3Reg *regs = smmuv3_regs(&n);

    for (size_t i = 0; i < n * 2; i++) {
        const SMMUv3Reg *reg = &regs[i / 2];
        SMMUv3RegControl c = { idr_rich, i % 2 ? ~0 : 0, i % 2 ? ~0 : 0 };
        uint64_t can = smmuv3_reg_writable(reg, &c);
        uint64_t bits = reg->ro ? 0 : smmuv3_reg_bits(reg, idr_rich);
        /* With all bits of the register, and reserved ones of an old stream */
        uint64_t old = reg->ro ? 0x5a5a : UINT64_MAX;
        uint64_t zero = reg->update, rest = reg->ro ? old : bits & ~can;

        g_test_message("%s", reg->name);
        g_assert_cmphex(can & ~bits, ==, 0);
        if (!can) {
            g_assert_cmphex(write_reg(reg, &c, 0, reg->size, 0, old), ==, old);
            continue;
        }
        g_assert_cmphex(write_reg(reg, &c, 0, reg->size, zero, old), ==, rest);
        g_assert_cmphex(write_reg(reg, &c, 0, reg->size, ALL, 0), ==, can);
        if (reg->size == 8) {
            g_assert_cmphex(write_reg(reg, &c, 0, 4, UINT32_MAX, 0), ==,
                            can & UINT32_MAX);
            g_assert_cmphex(write_reg(reg, &c, 4, 4, UINT32_MAX, 0), ==,
                            can & ~(uint64_t)UINT32_MAX);
            g_assert_cmphex(write_reg(reg, &c, 4, 4, 0, bits), ==,
                            rest | (can & UINT32_MAX));
        }
    }
}

static void test_update(void)
{
    const SMMUv3Reg *gbpa = smmuv3_reg_find(0x44);
    SMMUv3RegControl c = { .idr = idr_plain };

    g_assert_cmphex(write_reg(gbpa, &c, 0, 4, 0x100000, 0x1000), ==, 0x1000);
    g_assert_cmphex(write_reg(gbpa, &c, 0, 4, 0x80100000, 0x1000), ==,
                    0x100000);
    g_assert_cmphex(gbpa->reset, ==, 0x1000);
}

static void test_reset(void)
{
    static const uint32_t resets[] = {
        0x20, 0x24, 0x40, 0x44, 0x50, 0x54, 0x60, 0x64, 0x98, 0x9c, 0xa8, 0xac
    };
    size_t n, found = 0;
    const SMMUv3Reg *regs = smmuv3_regs(&n);

    for (size_t i = 0; i < n; i++) {
        if (regs[i].resets) {
            g_assert_cmphex(regs[i].offset, ==, resets[found++]);
            g_assert_cmphex(regs[i].reset, ==,
                            regs[i].offset == 0x44 ? 0x1000 : 0);
        }
    }
    g_assert_cmpuint(found, ==, ARRAY_SIZE(resets));
}

static void test_queue(void)
{
    /* LOG2SIZE is capped by the ID register, and keeps the address */
    g_assert_cmpuint(smmuv3_queue_log2size(0x40100000 | 10, 19), ==, 10);
    g_assert_cmpuint(smmuv3_queue_log2size(0x40100000 | 31, 19), ==, 19);
    g_assert_cmpuint(smmuv3_queue_log2size(0x40100000 | 19, 7), ==, 7);
    g_assert_cmpuint(smmuv3_queue_log2size(UINT64_MAX, 0), ==, 0);

    /* Aligned to the size in bytes, and at least to 32 bytes */
    g_assert_cmphex(smmuv3_queue_addr(0x4010100a, 10, 16), ==, 0x40100000);
    g_assert_cmphex(smmuv3_queue_addr(0x4010400a, 10, 16), ==, 0x40104000);
    g_assert_cmphex(smmuv3_queue_addr(0x4010400a, 10, 32), ==, 0x40100000);
    g_assert_cmphex(smmuv3_queue_addr(0x4010003f, 0, 16), ==, 0x40100020);
    g_assert_cmphex(smmuv3_queue_addr(0x4010003f, 1, 32), ==, 0x40100000);
    g_assert_cmphex(smmuv3_queue_addr(UINT64_MAX, 19, 32), ==,
                    0xfffffff000000);
}

#define CFG(fmt, split, log2size) ((fmt) << 16 | (split) << 6 | (log2size))

static void test_stream_table(void)
{
    /* Linear: an STE has 64 bytes */
    g_assert_cmphex(smmuv3_strtab_addr(0x40207fc0, CFG(0, 6, 8), idr_plain),
                    ==, 0x40204000);
    g_assert_cmphex(smmuv3_strtab_addr(0x40207fc0, CFG(0, 0, 0), idr_plain),
                    ==, 0x40207fc0);
    /* Level 1: a descriptor has 8 bytes; at least 64 bytes */
    g_assert_cmphex(smmuv3_strtab_addr(0x40207fc0, CFG(1, 8, 16), idr_plain),
                    ==, 0x40207800);
    g_assert_cmphex(smmuv3_strtab_addr(0x40207fff, CFG(1, 8, 9), idr_plain),
                    ==, 0x40207fc0);
    g_assert_cmphex(smmuv3_strtab_addr(0x40207fff, CFG(1, 10, 0), idr_plain),
                    ==, 0x40207fc0);
    /* Beyond any address */
    g_assert_cmphex(smmuv3_strtab_addr(UINT64_MAX, CFG(0, 0, 63), idr_plain),
                    ==, 0);

    for (unsigned split = 0; split < 32; split++) {
        g_assert_cmpuint(smmuv3_strtab_split(CFG(1, split, 16), idr_plain), ==,
                         split == 8 || split == 10 ? split : 6);
        for (unsigned fmt = 0; fmt < 4; fmt++) {
            /* Reserved, or without IDR0.ST_LEVEL: linear */
            g_assert_cmpuint(smmuv3_strtab_split(CFG(fmt, split, 16),
                                                 idr_poor), ==, 0);
            if (fmt != 1) {
                g_assert_cmpuint(smmuv3_strtab_split(CFG(fmt, split, 16),
                                                     idr_plain), ==, 0);
            }
        }
    }
    g_assert_cmpuint(smmuv3_strtab_log2size(CFG(1, 8, 12), idr_plain), ==, 12);
    g_assert_cmpuint(smmuv3_strtab_log2size(CFG(1, 8, 63), idr_plain), ==, 16);
    g_assert_cmpuint(smmuv3_strtab_log2size(CFG(1, 8, 12), idr_poor), ==, 8);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3-regs/find", test_find);
    g_test_add_func("/smmuv3-regs/expected", test_expected);
    g_test_add_func("/smmuv3-regs/guards", test_guards);
    g_test_add_func("/smmuv3-regs/write", test_write);
    g_test_add_func("/smmuv3-regs/update", test_update);
    g_test_add_func("/smmuv3-regs/reset", test_reset);
    g_test_add_func("/smmuv3-regs/queue", test_queue);
    g_test_add_func("/smmuv3-regs/stream-table", test_stream_table);
    return g_test_run();
}
