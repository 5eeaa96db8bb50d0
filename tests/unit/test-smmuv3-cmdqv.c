/*
 * Tegra241 CMDQV: unit tests of registers, queues and the command filter
 *
 * The numbers come from Linux's driver and not from the model's header, so that
 * a mistake in the model's layout is not repeated here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-cmdqv.h"

/* A guest; servers with 2, 4, 64 VINTFs of 2 queues; a guest with 8 queues */
static const struct {
    uint32_t param;
    bool hyp;
    unsigned vintfs, vcmdqs, lvcmdqs, sids;
} models[] = {
    { 0x4011, false, 1, 2, 2, 16 },
    { 0x3121, true, 2, 4, 2, 8 },
    { 0x4231, true, 4, 8, 2, 16 },
    { 0x4671, true, 64, 128, 2, 16 },
    { 0x0031, false, 1, 8, 8, 1 },
};

#define ENABLED     (1U << 0)
#define HYP_OWN     (1U << 17)

static uint32_t vintf(unsigned v)
{
    return 0x1000 + 0x100 * v;
}

static uint32_t alloc(unsigned q)
{
    return 0x200 + 4 * q;
}

static uint32_t page0(unsigned v, unsigned l)
{
    return 0x30000 + 0x20000 * v + 0x80 * l;
}

static uint32_t page1(unsigned v, unsigned l)
{
    return page0(v, l) + 0x10000;
}

static uint64_t rd(SMMUv3Cmdqv *s, uint32_t offset)
{
    return smmuv3_cmdqv_read(s, offset, 4);
}

static SMMUv3CmdqvOutcome wr(SMMUv3Cmdqv *s, uint32_t offset, uint32_t value)
{
    return smmuv3_cmdqv_write(s, offset, value, 4);
}

static SMMUv3Cmdqv *new_model(int m)
{
    SMMUv3Cmdqv *s = g_new0(SMMUv3Cmdqv, 1);

    s->param = models[m].param;
    s->hyp = models[m].hyp;
    s->max_log2size = 19;
    smmuv3_cmdqv_reset(s);
    return s;
}

/* All VINTFs are enabled; VCMDQ q is mapped to LVCMDQ q % n of VINTF q / n */
static SMMUv3Cmdqv *new_mapped(int m)
{
    SMMUv3Cmdqv *s = new_model(m);

    for (unsigned q = 0; q < models[m].vcmdqs; q++) {
        unsigned v = q / models[m].lvcmdqs, l = q % models[m].lvcmdqs;

        wr(s, vintf(v), ENABLED);
        wr(s, alloc(q), v << 15 | l << 1 | 1);
        g_assert_cmphex(rd(s, alloc(q)), ==, v << 15 | l << 1 | 1);
    }
    return s;
}

/* The value of a register before a write, and after writes of ~0 and of 0 */
static void expect_queue(unsigned reg, bool first, uint32_t *ones)
{
    static const uint32_t page0_masks[] = {
        0x7f0fffff, 0xfffff, 1, 0, 0, 7,    /* CONS PROD CONFIG - - GERRORN */
    };
    static const uint32_t page1_masks[] = {
        0xffffffff, 0xffff, 0xffffffff, 0xffff, /* BASE, CONS_INDX_BASE */
    };

    *ones = first ? (reg < 6 ? page0_masks[reg] : 0) :
            (reg < 4 ? page1_masks[reg] : 0);
}

static void expect(int m, uint32_t offset, uint32_t *reset, uint32_t *ones,
                   uint32_t *zeros)
{
    uint32_t nb_vintfs = models[m].vintfs, n = models[m].lvcmdqs;
    unsigned slot = offset % 0x10000 / 0x80, reg = offset % 0x80 / 4;

    *reset = *ones = *zeros = 0;
    if (offset >= 0x30000) {
        if (slot < n && offset < 0x30000 + 0x20000 * nb_vintfs) {
            expect_queue(reg, offset & 0x10000, ones);
        }
    } else if (offset >= 0x30000 - 0x20000) {
        if (slot < models[m].vcmdqs) {
            expect_queue(reg, offset < 0x20000, ones);
        }
    } else if (offset >= 0x1000) {
        unsigned v = (offset - 0x1000) / 0x100, r = offset % 0x100;

        if (offset - 0x1000 >= 0x100 * nb_vintfs) {
            return;
        }
        g_assert_cmpint(v, <, nb_vintfs);
        if (r == 0) {
            *reset = ENABLED;
            *ones = models[m].hyp ? 0x3ffff : 0x1ffff;
        } else if (r == 4) {
            *reset = *ones = *zeros = n << 16 | 1;
        } else if (r >= 0x40 && r < 0x40 + 4 * models[m].sids) {
            *ones = 0x1fffff;
        } else if (r >= 0x80 && r < 0x80 + 4 * models[m].sids) {
            *ones = 0xfffff;
        }
    } else if (offset == 0) {
        *reset = 0x20083;
        *ones = 0xfffff;
    } else if (offset == 4) {
        *reset = *ones = *zeros = models[m].param;
    } else if (offset == 8) {
        *reset = *ones = *zeros = 1;
    } else if (offset == 0x1c) {
        *ones = nb_vintfs >= 32 ? UINT32_MAX : (1U << nb_vintfs) - 1;
    } else if (offset == 0x20) {
        *ones = nb_vintfs == 64 ? UINT32_MAX : 0;
    } else if (offset >= 0x200 && offset < 0x200 + 4 * models[m].vcmdqs) {
        unsigned q = (offset - 0x200) / 4;

        *reset = *ones = *zeros = (q / n) << 15 | (q % n) << 1 | 1;
        if (q % n == n - 1) {
            *zeros = 0;             /* only the last one can be unmapped */
        }
    }
}

static SMMUv3CmdqvEffect expect_effect(uint32_t offset, uint32_t before,
                                       uint32_t after)
{
    if (before == after) {
        return CMDQV_EFFECT_NONE;
    }
    if (!(offset & 0x10000)) {
        return CMDQV_EFFECT_RECONFIGURE;
    }
    /* All is enabled, and a queue of one command at address 0 is legal */
    return offset % 0x80 == 8 ? CMDQV_EFFECT_ENABLE : CMDQV_EFFECT_NONE;
}

/* Test the used part of each page, and some unused words */
static bool is_worth_it(int m, uint32_t offset)
{
    return models[m].vintfs < 64 || offset % 0x10000 < 0x200 ||
           (offset < 0x10000 && offset < 0x5400);
}

/* Read and write every word, and every pair of words in one access */
static void test_registers(void)
{
    for (int m = 0; m < ARRAY_SIZE(models); m++) {
        g_autofree SMMUv3Cmdqv *start = new_mapped(m);
        g_autofree SMMUv3Cmdqv *s = g_new(SMMUv3Cmdqv, 1);
        g_autofree SMMUv3Cmdqv *pair = g_new(SMMUv3Cmdqv, 1);
        uint32_t end = 0x30000 + 0x20000 * models[m].vintfs;

        g_assert_cmphex(smmuv3_cmdqv_size(start), ==, end);
        for (uint32_t offset = 0; offset < end + 0x20000; offset += 4) {
            uint32_t reset, ones, zeros;
            SMMUv3CmdqvOutcome out, low, high;

            if (!is_worth_it(m, offset)) {
                continue;
            }
            expect(m, offset, &reset, &ones, &zeros);
            *s = *start;
            g_assert_cmphex(rd(s, offset), ==, reset);
            out = wr(s, offset, UINT32_MAX);
            g_assert_false(out.irq);
            g_assert_cmphex(rd(s, offset), ==, ones);
            g_assert_cmpint(out.effect, ==,
                            expect_effect(offset, reset, ones));
            *s = *start;
            wr(s, offset, 0);
            g_assert_cmphex(rd(s, offset), ==, zeros);

            if (offset % 8) {
                continue;
            }
            *s = *pair = *start;
            low = wr(s, offset, 0x5a5a5a5b);
            high = wr(s, offset + 4, 0xa5a5a5a5);
            out = smmuv3_cmdqv_write(pair, offset, 0xa5a5a5a55a5a5a5bULL, 8);
            g_assert_cmpint(out.effect, ==, MAX(low.effect, high.effect));
            g_assert_cmpint(out.q, ==, high.q);
            g_assert_cmpmem(pair, sizeof(*pair), s, sizeof(*s));
            g_assert_cmphex(smmuv3_cmdqv_read(s, offset, 8), ==,
                            rd(s, offset) | rd(s, offset + 4) << 32);
        }
    }
}

/* Both places of a queue's registers have the same registers */
static void test_aliases(void)
{
    for (int m = 0; m < ARRAY_SIZE(models); m++) {
        for (unsigned q = 0; q < models[m].vcmdqs; q++) {
            unsigned v = q / models[m].lvcmdqs, l = q % models[m].lvcmdqs;

            for (unsigned reg = 0; reg < 0x80; reg += 4) {
                g_autofree SMMUv3Cmdqv *a = new_mapped(m);
                g_autofree SMMUv3Cmdqv *b = new_mapped(m);

                wr(a, page0(v, l) + reg, 0x1234567 + reg);
                wr(b, 0x10000 + 0x80 * q + reg, 0x1234567 + reg);
                wr(a, page1(v, l) + reg, 0x7654321 + reg);
                wr(b, 0x20000 + 0x80 * q + reg, 0x7654321 + reg);
                g_assert_cmpmem(a, sizeof(*a), b, sizeof(*b));
                g_assert_cmphex(rd(a, 0x10000 + 0x80 * q + reg), ==,
                                rd(a, page0(v, l) + reg));
                g_assert_cmphex(rd(a, 0x20000 + 0x80 * q + reg), ==,
                                rd(a, page1(v, l) + reg));
                g_assert_true(smmuv3_cmdqv_decode(a, page0(v, l)).by_vintf);
                g_assert_false(smmuv3_cmdqv_decode(a, 0x10000).by_vintf);
            }
        }
    }
}

/* Linux writes to LVCMDQs before it maps them */
static void test_unmapped(void)
{
    for (int m = 0; m < ARRAY_SIZE(models); m++) {
        g_autofree SMMUv3Cmdqv *s = new_model(m);
        g_autofree SMMUv3Cmdqv *start = g_new(SMMUv3Cmdqv, 1);

        for (unsigned q = 0; q < models[m].vcmdqs; q++) {
            wr(s, 0x10000 + 0x80 * q + 4, 0x55);    /* PROD, directly */
        }
        *start = *s;
        for (unsigned v = 0; v < models[m].vintfs; v++) {
            for (uint32_t in = 0; in < 0x400; in += 4) {
                wr(s, page0(v, 0) + in, UINT32_MAX);
                wr(s, page1(v, 0) + in, UINT32_MAX);
                g_assert_cmphex(rd(s, page0(v, 0) + in), ==, 0);
                g_assert_cmphex(rd(s, page1(v, 0) + in), ==, 0);
            }
        }
        g_assert_cmpmem(s, sizeof(*s), start, sizeof(*start));
    }
}

static bool try_alloc(SMMUv3Cmdqv *s, unsigned q, unsigned v, unsigned l,
                      bool map)
{
    uint32_t value = v << 15 | l << 1 | map, before = rd(s, alloc(q));

    wr(s, alloc(q), value);
    if (rd(s, alloc(q)) != value) {
        g_assert_cmphex(rd(s, alloc(q)), ==, before);
        return false;
    }
    return true;
}

static void test_alloc_order(void)
{
    g_autofree SMMUv3Cmdqv *s = new_model(2);

    g_assert_false(try_alloc(s, 0, 1, 1, true));    /* LVCMDQ 0 must be first */
    g_assert_true(try_alloc(s, 0, 1, 1, false));
    g_assert_true(try_alloc(s, 5, 1, 0, true));     /* any VCMDQ will do */
    g_assert_true(try_alloc(s, 5, 1, 0, true));
    g_assert_false(try_alloc(s, 6, 1, 0, true));    /* taken */
    g_assert_true(try_alloc(s, 2, 1, 1, true));
    g_assert_false(try_alloc(s, 3, 1, 2, true));    /* a VINTF has two */
    g_assert_false(try_alloc(s, 3, 4, 0, true));    /* there are four */
    g_assert_false(try_alloc(s, 5, 1, 0, false));   /* LVCMDQ 1 is mapped */
    g_assert_false(try_alloc(s, 2, 2, 0, true));    /* is mapped already */
    g_assert_cmpint(smmuv3_cmdqv_find(s, 1, 0), ==, 5);
    g_assert_cmpint(smmuv3_cmdqv_find(s, 1, 1), ==, 2);
    g_assert_cmphex(rd(s, vintf(1) + 4), ==, 2 << 16);
    g_assert_true(try_alloc(s, 2, 1, 1, false));
    g_assert_true(try_alloc(s, 5, 1, 0, false));
    g_assert_cmpint(smmuv3_cmdqv_find(s, 1, 0), ==, -1);
}

static SMMUv3CmdqvOutcome enable(SMMUv3Cmdqv *s, unsigned v, unsigned l,
                                 uint64_t base)
{
    smmuv3_cmdqv_write(s, page1(v, l), base, 8);
    return wr(s, page0(v, l) + 8, 1);
}

static void assert_running(SMMUv3Cmdqv *s, unsigned v, unsigned l, bool on)
{
    g_assert_cmphex(rd(s, page0(v, l) + 0xc), ==, on);
}

/* One requirement is missing at a time */
static void test_enable(void)
{
    enum { ALL, NO_CMDQV, NO_VINTF, TOO_LARGE, ODD, SMALL, NR };

    for (int without = ALL; without < NR; without++) {
        g_autofree SMMUv3Cmdqv *s = new_mapped(2);
        uint64_t base = without == TOO_LARGE ? 0x40000009 :
                        without == ODD ? 0x40000800 + 8 :
                        without == SMALL ? 0x40000010 : 0x40001000 + 8;
        SMMUv3CmdqvOutcome out;

        s->max_log2size = 8;
        wr(s, 0, without == NO_CMDQV ? 0 : 1);
        wr(s, vintf(1), without == NO_VINTF ? 0 : 1);
        out = enable(s, 1, 1, base);
        /* Bit 4 of BASE is part of LOG2SIZE */
        assert_running(s, 1, 1, without == ALL);
        g_assert_cmpint(out.effect, ==, without == ALL ? CMDQV_EFFECT_ENABLE :
                                        CMDQV_EFFECT_NONE);
        g_assert_cmpint(out.q, ==, 3);
        g_assert_cmpint(out.irq, ==, without != ALL);
        g_assert_cmphex(rd(s, page0(1, 1) + 0x10), ==, without == ALL ? 0 : 4);
        /* A second error does not toggle the bit, which would clear it */
        out = wr(s, page0(1, 1) + 8, 1);
        g_assert_false(out.irq);
        g_assert_cmphex(rd(s, page0(1, 1) + 0x10), ==, without == ALL ? 0 : 4);
    }
}

static void test_disable(void)
{
    g_autofree SMMUv3Cmdqv *s = new_mapped(2);

    enable(s, 1, 1, 0x40001008);
    wr(s, page0(1, 1) + 4, 3);
    smmuv3_cmdqv_advance(s, 3);

    /* Writes that need a disabled queue are ignored while it is enabled */
    wr(s, page0(1, 1), 0);
    g_assert_cmphex(rd(s, page0(1, 1)), ==, 1);
    smmuv3_cmdqv_write(s, page1(1, 1), 0, 8);
    g_assert_cmphex(smmuv3_cmdqv_read(s, page1(1, 1), 8), ==, 0x40001008);
    g_assert_cmpint(wr(s, page0(1, 1) + 8, 0).effect, ==, CMDQV_EFFECT_DISABLE);
    assert_running(s, 1, 1, false);
    g_assert_false(smmuv3_cmdqv_pending(s, 3));
    g_assert_cmphex(rd(s, page0(1, 1)), ==, 1);
    g_assert_cmpint(wr(s, page0(1, 1) + 4, 5).effect, ==, CMDQV_EFFECT_NONE);
    g_assert_cmpint(wr(s, page0(1, 1) + 8, 1).effect, ==, CMDQV_EFFECT_ENABLE);
    g_assert_true(smmuv3_cmdqv_pending(s, 3));

    /* The queue does not become enabled by itself */
    enable(s, 0, 0, 0x40002008);
    g_assert_cmpint(wr(s, vintf(1), 0).effect, ==, CMDQV_EFFECT_RECONFIGURE);
    assert_running(s, 1, 1, false);
    assert_running(s, 0, 0, true);
    wr(s, vintf(1), 1);
    assert_running(s, 1, 1, false);
    wr(s, page0(1, 1) + 8, 1);
    assert_running(s, 1, 1, true);
    g_assert_cmpint(wr(s, 0, 0).effect, ==, CMDQV_EFFECT_RECONFIGURE);
    g_assert_cmphex(rd(s, 8), ==, 0);
    g_assert_cmphex(rd(s, vintf(1) + 4) & 1, ==, 0);
    wr(s, 0, 1);
    assert_running(s, 1, 1, false);
    assert_running(s, 0, 0, false);
    wr(s, page0(1, 1) + 8, 1);
    wr(s, alloc(3), 0);
    g_assert_cmphex(rd(s, 0x10000 + 0x80 * 3 + 0xc), ==, 0);
}

/* A refused EN is an error, but does not stop the queue later */
static void test_init_error(void)
{
    g_autofree SMMUv3Cmdqv *s = new_model(2);
    const uint32_t direct = 0x10000 + 0x80 * 3;
    SMMUv3CmdqvOutcome out;

    /* The queue is not mapped, so no VINTF has an error and an interrupt */
    out = wr(s, direct + 8, 1);
    g_assert_cmpint(out.effect, ==, CMDQV_EFFECT_NONE);
    g_assert_false(out.irq);
    g_assert_cmphex(rd(s, direct + 0x10), ==, 4);
    g_assert_cmphex(rd(s, 0x14), ==, 0);
    g_assert_cmphex(rd(s, 0x24), ==, 1 << 3);
    g_assert_cmpint(wr(s, direct + 8, 0).effect, ==, CMDQV_EFFECT_NONE);

    wr(s, alloc(3), 1 << 15 | 1);
    wr(s, vintf(1), ENABLED);
    g_assert_cmphex(rd(s, 0x14), ==, 2);
    g_assert_cmpint(enable(s, 1, 0, 0x40001008).effect, ==,
                    CMDQV_EFFECT_ENABLE);
    g_assert_cmpint(wr(s, direct + 8, 1).effect, ==, CMDQV_EFFECT_NONE);
    wr(s, direct + 4, 1);
    g_assert_true(smmuv3_cmdqv_pending(s, 3));
    g_assert_cmpint(wr(s, direct + 0x14, 4).effect, ==, CMDQV_EFFECT_NONE);
    g_assert_cmphex(rd(s, 0x14), ==, 0);

    /* Acknowledging CMDQ_ERR of a disabled queue is not a doorbell */
    g_assert_true(smmuv3_cmdqv_stop(s, 3, 1));
    wr(s, direct + 8, 0);
    g_assert_cmpint(wr(s, direct + 0x14, rd(s, direct + 0x10)).effect, ==,
                    CMDQV_EFFECT_NONE);

    /* In the lower half of a pair */
    smmuv3_cmdqv_write(s, page1(1, 0), 0x40000008 + 0x10, 8);
    g_assert_true(smmuv3_cmdqv_write(s, page0(1, 0) + 8, 1, 8).irq);
}

static void test_reset(void)
{
    for (int m = 0; m < ARRAY_SIZE(models); m++) {
        g_autofree SMMUv3Cmdqv *fresh = new_model(m);
        g_autofree SMMUv3Cmdqv *s = new_mapped(m);

        enable(s, 0, 0, 0x40001008);
        wr(s, page0(0, 0) + 4, 1);
        smmuv3_cmdqv_stop(s, 0, 1);
        wr(s, vintf(0) + 0x40, 3);
        wr(s, vintf(0) + 0x80, 3);
        wr(s, 0x1c, 1);
        wr(s, 0, 0xffffe);
        smmuv3_cmdqv_reset(s);
        g_assert_cmpmem(s, sizeof(*s), fresh, sizeof(*fresh));
    }
}

/* Indices and their wrap bits in a queue of every size */
static void test_wrap(void)
{
    for (unsigned n = 0; n <= 19; n++) {
        g_autofree SMMUv3Cmdqv *s = new_mapped(0);
        uint32_t size = 1U << n, both = 2 * size - 1;
        uint64_t base = 0x12340000000ULL;

        enable(s, 0, 1, base | n);
        assert_running(s, 0, 1, true);
        g_assert_false(smmuv3_cmdqv_pending(s, 1));
        for (uint32_t i = 0; i < 2 * size + 2; i++) {
            SMMUv3CmdqvOutcome out = wr(s, page0(0, 1) + 4, (i + 1) & both);

            g_assert_cmpint(out.effect, ==, CMDQV_EFFECT_DOORBELL);
            g_assert_cmpint(out.q, ==, 1);
            g_assert_true(smmuv3_cmdqv_pending(s, 1));
            g_assert_cmphex(smmuv3_cmdqv_head(s, 1), ==,
                            base + 16 * (i % size));
            smmuv3_cmdqv_advance(s, 1);
            g_assert_cmphex(rd(s, page0(0, 1)), ==, (i + 1) & both);
            g_assert_false(smmuv3_cmdqv_pending(s, 1));
        }
        /* Full: the same index, the other wrap bit */
        wr(s, page0(0, 1) + 4, ((2 * size + 2) ^ size) & both);
        for (uint32_t i = 0; i < size; i++) {
            g_assert_true(smmuv3_cmdqv_pending(s, 1));
            smmuv3_cmdqv_advance(s, 1);
        }
        g_assert_false(smmuv3_cmdqv_pending(s, 1));
        /* Bits above the wrap bit are ignored */
        wr(s, page0(0, 1) + 4, rd(s, page0(0, 1)) | (0xfffff & ~both));
        g_assert_false(smmuv3_cmdqv_pending(s, 1));
    }
}

static void assert_maps(SMMUv3Cmdqv *s, int m, int q)
{
    unsigned n = models[m].lvcmdqs;

    for (unsigned v = 0; v < models[m].vintfs; v++) {
        bool hit = q >= 0 && q / n == v;
        uint64_t map = hit ? 1ULL << q % n : 0;

        g_assert_cmphex(rd(s, 0x14 + 4 * (v / 32)) >> v % 32 & 1, ==, hit);
        g_assert_cmphex(smmuv3_cmdqv_read(s, vintf(v) + 0xc0, 8), ==, map);
        g_assert_cmphex(smmuv3_cmdqv_read(s, vintf(v) + 0xc8, 8), ==, 0);
        g_assert_cmphex(rd(s, vintf(v) + 4) >> 1 & 7, ==, hit);
    }
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(rd(s, 0x24 + 4 * i), ==,
                        q >= 0 && q / 32 == i ? 1U << q % 32 : 0);
    }
}

/* Each queue stops with each error, and continues after the acknowledgement */
static void test_errors(void)
{
    for (int m = 0; m < ARRAY_SIZE(models); m++) {
        g_autofree SMMUv3Cmdqv *s = new_mapped(m);

        for (unsigned q = 0; q < models[m].vcmdqs; q++) {
            unsigned v = q / models[m].lvcmdqs, l = q % models[m].lvcmdqs;
            unsigned error = 1 + q % 4;
            uint32_t p0 = page0(v, l), ack;

            enable(s, v, l, 0x40000008 + 0x1000 * q);
            wr(s, p0 + 4, 2);
            smmuv3_cmdqv_advance(s, q);
            assert_maps(s, m, -1);
            g_assert_cmpint(wr(s, p0 + 0x14, 0).effect, ==, CMDQV_EFFECT_NONE);
            g_assert_true(smmuv3_cmdqv_stop(s, q, error));
            g_assert_cmphex(rd(s, p0), ==, error << 24 | 1);
            assert_maps(s, m, q);
            g_assert_false(smmuv3_cmdqv_pending(s, q));
            g_assert_cmpint(wr(s, p0 + 4, 3).effect, ==, CMDQV_EFFECT_DOORBELL);
            g_assert_false(smmuv3_cmdqv_pending(s, q));
            /* An error is active if its bits differ; others change nothing */
            ack = rd(s, p0 + 0x10);
            g_assert_cmphex(ack ^ rd(s, p0 + 0x14), ==, 1);
            g_assert_cmpint(wr(s, p0 + 0x14, ack ^ 1).effect, ==,
                            CMDQV_EFFECT_NONE);
            assert_maps(s, m, q);
            g_assert_cmpint(wr(s, p0 + 0x14, ack).effect, ==,
                            CMDQV_EFFECT_DOORBELL);
            assert_maps(s, m, -1);
            g_assert_true(smmuv3_cmdqv_pending(s, q));
            g_assert_cmphex(rd(s, p0), ==, 1);
            /* A second error toggles the bit back; here it is masked */
            wr(s, 0x1c + 4 * (v / 32), 1U << v % 32);
            g_assert_false(smmuv3_cmdqv_stop(s, q, error));
            assert_maps(s, m, q);
            g_assert_cmphex(rd(s, p0 + 0x10), ==, 0);
            wr(s, p0 + 0x14, 0);
            wr(s, 0x1c + 4 * (v / 32), ~(1U << v % 32));
            g_assert_true(smmuv3_cmdqv_stop(s, q, error));
            g_assert_false(smmuv3_cmdqv_stop(s, q, error));
            wr(s, p0 + 0x14, 1);
            wr(s, 0x1c + 4 * (v / 32), 0);
        }
    }
}

static void test_params(void)
{
    for (uint32_t param = 0; param < 0x20000; param++) {
        unsigned ver = param & 0xf, vcmdqs = param >> 4 & 0xf;
        unsigned vintfs = param >> 8 & 0xf, sids = param >> 12 & 0xf;
        bool legal = param < 0x10000 && ver == 1 && vcmdqs <= 7 &&
                     vintfs <= 6 && vintfs <= vcmdqs && sids <= 4;

        g_assert_cmpint(!smmuv3_cmdqv_param_illegal(param), ==, legal);
    }
}

/* Each state that a migration stream can have, but a guest cannot reach */
static void test_state(void)
{
    for (int wrong = 0; wrong < 13; wrong++) {
        g_autofree SMMUv3Cmdqv *s = new_mapped(wrong == 3 ? 0 : 2);
        bool legal = wrong == 0;

        enable(s, 0, 1, 0x40001008);
        g_assert_null(smmuv3_cmdqv_state_illegal(s));
        switch (wrong) {
        case 1:
            s->vintf[4].config = ENABLED;
            break;
        case 2:
            s->vcmdq[8].alloc = 1;
            break;
        case 3:
            s->vintf[0].config |= HYP_OWN;
            break;
        case 4:
            s->vcmdq[7].alloc = 4 << 15 | 1;
            break;
        case 5:
            s->vcmdq[1].base += 16;
            break;
        case 6:
            s->vcmdq[1].base = 0x40000000 | 20;
            break;
        case 7:
            s->vcmdq[1].alloc = 0;
            break;
        case 8:
            s->config = 0;
            break;
        case 9:                         /* LVCMDQ 2, but there are two */
            s->vcmdq[5].alloc = 3 << 15 | 2 << 1 | 1;
            break;
        case 10:                        /* LVCMDQ 0 of VINTF 3 twice */
            s->vcmdq[7].alloc = 3 << 15 | 1;
            break;
        case 11:                        /* LVCMDQ 1 without 0 */
            s->vcmdq[6].alloc = 0;
            break;
        case 12:                        /* cannot be acknowledged */
            s->vcmdq[0].gerror = 8;
            break;
        }
        g_assert_cmpint(!smmuv3_cmdqv_state_illegal(s), ==, legal);
    }
}

/* 256 opcodes, three owners, four CS: the error, and the filtered command */
static void test_filter(void)
{
    enum { HYP, VM, GUEST, NR_OWNERS };
    const uint32_t sid = 0x12345;

    for (int i = 0; i < 256 * NR_OWNERS * 4; i++) {
        uint32_t opcode = i & 0xff, cs = i >> 8 & 3, owner = i >> 10;
        g_autofree SMMUv3Cmdqv *s = new_mapped(owner == GUEST ? 0 : 2);
        unsigned v = owner == VM ? 3 : 0;
        Cmd cmd = { .word = { opcode | cs << 12, sid, 0x89abc001, 0x7 } };
        Cmd want = cmd;
        int error = 0;

        /* The last slot; before it, one that is off and one of another VINTF */
        wr(s, vintf(v) + 0x40, sid << 1);
        wr(s, vintf(v) + 0x80, 0xbad);
        wr(s, vintf(0) + 0x44, owner == VM ? sid << 1 | 1 : 0);
        wr(s, vintf(v) + 0x40 + 4 * 15, owner == VM ? sid << 1 | 1 : 0);
        wr(s, vintf(v) + 0x80 + 4 * 15, 0x8765);
        wr(s, vintf(v), (owner == HYP ? HYP_OWN : 0) | 0xbeef << 1 | ENABLED);

        if (owner != HYP) {
            switch (opcode) {
            case 0x10: case 0x11: case 0x12: case 0x13:
                want.word[1] = owner == VM ? 0x1beef : sid;
                break;
            case 0x40:
                want.word[1] = owner == VM ? 0x8765 : sid;
                break;
            case 0x46:
                error = cs ? 1 : 0;
                break;
            case 0x01 ... 0x06:
            case 0x18: case 0x1a: case 0x20 ... 0x23: case 0x28: case 0x2a:
            case 0x30: case 0x41: case 0x44: case 0x45:
                error = 4;
                break;
            default:
                error = 1;
            }
        }
        g_assert_cmpint(smmuv3_cmdqv_filter(s, v, &cmd), ==, error);
        g_assert_cmpmem(&cmd, sizeof(cmd), &want, sizeof(want));
    }
}

/* StreamIDs that no slot has, or of which a slot has only the lower 20 bits */
static void test_filter_sid(void)
{
    g_autofree SMMUv3Cmdqv *s = new_mapped(1);
    static const uint32_t foreign[] = { 0, 0x101, 0x100100, 0x80000100 };
    Cmd cmd;

    /* This model has 8 slots; the 9th does not exist */
    wr(s, vintf(1) + 0x80 + 4 * 7, 0x7);
    wr(s, vintf(1) + 0x40 + 4 * 7, 0x100 << 1 | 1);
    wr(s, vintf(1) + 0x40 + 4 * 8, 0x101 << 1 | 1);
    for (int i = 0; i < ARRAY_SIZE(foreign); i++) {
        cmd = (Cmd) { .word = { 0x40, foreign[i] } };
        g_assert_cmpint(smmuv3_cmdqv_filter(s, 1, &cmd), ==, 4);
    }
    cmd = (Cmd) { .word = { 0x40, 0x100 } };
    g_assert_cmpint(smmuv3_cmdqv_filter(s, 1, &cmd), ==, 0);
    g_assert_cmphex(cmd.word[1], ==, 7);
    wr(s, vintf(1) + 0x40 + 4 * 7, 0x100 << 1);
    cmd.word[1] = 0x100;
    g_assert_cmpint(smmuv3_cmdqv_filter(s, 1, &cmd), ==, 4);
}

/* A guest's CMDQV with @n enabled queues; LVCMDQ l is VCMDQ n-1-l */
static SMMUv3Cmdqv *new_given(unsigned n)
{
    SMMUv3Cmdqv *s = new_model(ARRAY_SIZE(models) - 1);

    wr(s, vintf(0), 1);
    for (unsigned l = 0; l < n; l++) {
        wr(s, alloc(n - 1 - l), l << 1 | 1);
        wr(s, page1(0, l), 0x40000000 + 0x10000 * l + 4);
        wr(s, page0(0, l) + 0x8, 1);
        g_assert_cmphex(rd(s, page0(0, l) + 0xc), ==, 1);
    }
    return s;
}

static void assert_not_givable(const SMMUv3Cmdqv *s, const char *want)
{
    unsigned nb;

    g_assert_cmpstr(smmuv3_cmdqv_givable(s, &nb), ==, want);
}

static void assert_givable(const SMMUv3Cmdqv *s, unsigned want)
{
    unsigned nb;

    g_assert_null(smmuv3_cmdqv_givable(s, &nb));
    g_assert_cmpuint(nb, ==, want);
}

static void test_givable(void)
{
    for (unsigned n = 1; n <= 8; n++) {
        g_autofree SMMUv3Cmdqv *s = new_given(n);
        uint32_t config = rd(s, 0);

        assert_givable(s, n);
        /* Commands in the queues do not matter */
        wr(s, page0(0, n - 1) + 0x4, 5);
        assert_givable(s, n);

        wr(s, 0, config & ~1);
        assert_not_givable(s, "the guest has not enabled its CMDQV");
        wr(s, 0, config);
        for (unsigned l = 0; l < n; l++) {
            assert_not_givable(s, "the guest has not enabled all queues that "
                               "it has mapped");
            wr(s, page0(0, l) + 0x8, 1);
        }
        assert_givable(s, n);
        /* CONS in memory: the guest cannot set the bit, but it is checked */
        s->config |= 1 << 20;
        assert_not_givable(s, "the guest wants CONS to be copied to memory");
        s->config &= ~(1 << 20);

        smmuv3_cmdqv_stop(s, 0, 1);
        assert_not_givable(s, "the guest has not acknowledged an error of a "
                           "queue");
        wr(s, page0(0, n - 1) + 0x14, 1);
        assert_givable(s, n);
        wr(s, vintf(0), 0);
        assert_not_givable(s, "the guest has not enabled its CMDQV");
    }
}

/* A disabled queue does not matter if it is not mapped, but one is needed */
static void test_givable_none(void)
{
    g_autofree SMMUv3Cmdqv *s = new_given(1);

    wr(s, page0(0, 0) + 0x8, 0);
    wr(s, alloc(0), 0);
    assert_not_givable(s, "the guest has not enabled a queue");
    wr(s, alloc(3), 1);
    assert_not_givable(s, "the guest has not enabled all queues that it has "
                       "mapped");
    wr(s, page0(0, 0) + 0x8, 1);
    assert_givable(s, 1);
}

/* smmuv3_vcmdq_adopt() takes the state from the page, but only legal bits */
static void test_adopt(void)
{
    static const struct {
        uint32_t slot[CMDQV_SLOT_REGS], cons, prod, on, gerror, gerrorn;
    } cases[] = {
        { { 0 }, 0, 0, 0, 0, 0 },
        { { 0x1f, 0x25, 1, 1, 0, 0 }, 0x1f, 0x25, 1, 0, 0 },
        /* CONFIG decides whether the queue is enabled, not STATUS */
        { { 0x1f, 0x25, 0, 1, 5, 5 }, 0x1f, 0x25, 0, 5, 5 },
        { { 0x1f, 0x25, 1, 0, 0, 0 }, 0x1f, 0x25, 1, 0, 0 },
        /* An active error, an acknowledged one, and one that is not CMDQ_ERR */
        { { 0x400001f, 0x25, 1, 1, 1, 0 }, 0x400001f, 0x25, 1, 1, 0 },
        { { 0x400001f, 0x25, 1, 1, 1, 1 }, 0x1f, 0x25, 1, 1, 1 },
        { { 0x400001f, 0x25, 1, 1, 4, 0 }, 0x1f, 0x25, 1, 4, 0 },
        /* Bits that do not exist */
        { { -1U, -1U, -1U, -1U, -1U, -1U }, 0xfffff, 0xfffff, 1, 7, 7 },
        { { -1U, -1U, -2U, -1U, -1U, 0 }, 0x7f0fffff, 0xfffff, 0, 7, 0 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree SMMUv3Cmdqv *s = new_given(2);
        SMMUv3Vcmdq want = s->vcmdq[1];

        want.cons = cases[i].cons;
        want.prod = cases[i].prod;
        want.config = want.status = cases[i].on;
        want.gerror = cases[i].gerror;
        want.gerrorn = cases[i].gerrorn;
        smmuv3_vcmdq_adopt(&s->vcmdq[1], cases[i].slot);
        g_assert_cmpmem(&s->vcmdq[1], sizeof(want), &want, sizeof(want));
        g_assert_null(smmuv3_cmdqv_state_illegal(s));
    }
}

static void test_nb_pending(void)
{
    g_autofree SMMUv3Cmdqv *s = new_given(8);

    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 0);
    for (unsigned l = 0; l < 8; l++) {
        wr(s, page0(0, l) + 0x4, l + 1);
        g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, l + 1);
    }
    smmuv3_cmdqv_stop(s, 7, 1);                 /* LVCMDQ 0: 1 command */
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 7);
    wr(s, page0(0, 1) + 0x8, 0);
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 6);
    wr(s, page0(0, 2) + 0x4, 0x20);             /* only bits above wrap */
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 5);
    wr(s, page0(0, 2) + 0x4, 0x30);             /* a full queue */
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 6);
    wr(s, page0(0, 0) + 0x14, 1);
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 7);
    wr(s, 0, 0);
    g_assert_cmpuint(smmuv3_cmdqv_nb_pending(s), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3/cmdqv/registers", test_registers);
    g_test_add_func("/smmuv3/cmdqv/aliases", test_aliases);
    g_test_add_func("/smmuv3/cmdqv/unmapped", test_unmapped);
    g_test_add_func("/smmuv3/cmdqv/alloc-order", test_alloc_order);
    g_test_add_func("/smmuv3/cmdqv/enable", test_enable);
    g_test_add_func("/smmuv3/cmdqv/disable", test_disable);
    g_test_add_func("/smmuv3/cmdqv/init-error", test_init_error);
    g_test_add_func("/smmuv3/cmdqv/reset", test_reset);
    g_test_add_func("/smmuv3/cmdqv/wrap", test_wrap);
    g_test_add_func("/smmuv3/cmdqv/errors", test_errors);
    g_test_add_func("/smmuv3/cmdqv/params", test_params);
    g_test_add_func("/smmuv3/cmdqv/state", test_state);
    g_test_add_func("/smmuv3/cmdqv/givable", test_givable);
    g_test_add_func("/smmuv3/cmdqv/givable-none", test_givable_none);
    g_test_add_func("/smmuv3/cmdqv/adopt", test_adopt);
    g_test_add_func("/smmuv3/cmdqv/nb-pending", test_nb_pending);
    g_test_add_func("/smmuv3/cmdqv/filter", test_filter);
    g_test_add_func("/smmuv3/cmdqv/filter-sid", test_filter_sid);
    return g_test_run();
}
