/*
 * Fuzz target: the registers of an SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-regs.h"
#include "fuzz.h"

#define REGS_MAX    64
#define CR0         0x20
#define IRQ_CTRL    0x50

typedef struct File {
    const SMMUv3Reg *regs;
    size_t n;
    uint32_t idr[6];
    uint64_t value[REGS_MAX];
} File;

static uint64_t value_of(File *f, hwaddr offset)
{
    const SMMUv3Reg *reg = smmuv3_reg_find(offset);

    return f->value[reg - f->regs];
}

static void check_value(const SMMUv3Reg *reg, const SMMUv3RegControl *c,
                        uint64_t before, uint64_t after, bool changed)
{
    uint64_t writable = smmuv3_reg_writable(reg, c);

    g_assert_cmphex(writable & ~smmuv3_reg_bits(reg, c->idr), ==, 0);
    if (!changed) {
        g_assert_cmphex(before, ==, after);
        return;
    }
    g_assert(!reg->ro);
    g_assert_cmphex(after & ~smmuv3_reg_bits(reg, c->idr), ==, 0);
    g_assert_cmphex((before ^ after) & smmuv3_reg_bits(reg, c->idr) & ~writable,
                    ==, 0);
}

/* The same access as smmu_write_reg() makes */
static void write_reg(File *f, Input *in)
{
    hwaddr offset = input_u16(in) & 0xffc;
    unsigned size = input_u8(in) & 1 ? 8 : 4;
    const SMMUv3Reg *reg = smmuv3_reg_find(offset);
    SMMUv3RegControl control = {
        .idr = f->idr,
        .cr0 = value_of(f, CR0),
        .irq_ctrl = value_of(f, IRQ_CTRL),
    };
    uint64_t data = size == 8 ? input_u64(in) : input_u32(in), before, *value;
    bool changed;

    offset &= ~(hwaddr)(size - 1);
    reg = smmuv3_reg_find(offset);
    if (!reg || size > reg->size) {
        return;
    }
    g_assert(offset >= reg->offset && offset + size <= reg->offset + reg->size);
    value = &f->value[reg - f->regs];
    before = *value;
    changed = smmuv3_reg_write(reg, &control, offset, size, data, value);
    check_value(reg, &control, before, *value, changed);
}

/* What has an effect is in range and aligned, whatever the registers say */
static void check_meaning(File *f, Input *in)
{
    uint64_t base = input_u64(in), addr;
    uint32_t cfg = input_u32(in);
    unsigned max = input_u8(in) & 31, log2size, split;

    log2size = smmuv3_queue_log2size(base, max);
    g_assert_cmpuint(log2size, <=, max);
    addr = smmuv3_queue_addr(base, log2size, 16);
    g_assert_cmphex(addr & ((16ULL << log2size) - 1), ==, 0);
    g_assert_cmphex(addr & ~base, ==, 0);

    log2size = smmuv3_strtab_log2size(cfg, f->idr);
    g_assert_cmpuint(log2size, <=, f->idr[1] & 63);
    split = smmuv3_strtab_split(cfg, f->idr);
    g_assert(!split || split == 6 || split == 8 || split == 10);
    addr = smmuv3_strtab_addr(base, cfg, f->idr);
    g_assert_cmphex(addr & 63, ==, 0);
    g_assert_cmphex(addr & ~base, ==, 0);
}

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    File f = { 0 };

    f.regs = smmuv3_regs(&f.n);
    g_assert_cmpuint(f.n, <=, REGS_MAX);
    for (int i = 0; i < 6; i++) {
        f.idr[i] = input_u32(in);
    }
    for (size_t i = 0; i < f.n; i++) {
        f.value[i] = f.regs[i].reset;
    }
    while (in->left) {
        if (input_u8(in) & 7) {
            write_reg(&f, in);
        } else {
            check_meaning(&f, in);
        }
    }
}
