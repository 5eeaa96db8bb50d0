/*
 * Tegra241 CMDQV: unit tests with the accesses of Linux's driver
 *
 * In the order of tegra241-cmdqv.c in Linux 7.2: the reset of the SMMU, with
 * the driver in a guest and in a server; a server's kernel giving a VINTF and
 * its queues to a guest and taking them back; the interrupt handler.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-cmdqv.h"

typedef struct Access {
    enum {
        READ, READ64, WRITE, WRITE64,
        /* Functions of the driver, for the queue at @offset */
        DEINIT,         /* tegra241_vcmdq_hw_deinit() */
        INIT,           /* tegra241_vcmdq_hw_init(), BASE is @value */
        /* ... to the entry of ALLOC_MAP at @offset, which has been @value */
        UNMAP,          /* tegra241_vcmdq_unmap_lvcmdq() */
        MAP,            /* tegra241_vcmdq_map_lvcmdq() */
        /* ... to the VINTF at @offset */
        CLEAR_SIDS,     /* the end of tegra241_vintf_hw_deinit() */
    } what;
    uint32_t offset;
    uint64_t value;
} Access;

#define P0(v, l)    (0x30000 + 0x20000 * (v) + 0x80 * (l))
#define P1(v, l)    (P0(v, l) + 0x10000)
#define VINTF(v)    (0x1000 + 0x100 * (v))
#define ALLOC(q)    (0x200 + 4 * (q))

static void play(SMMUv3Cmdqv *s, const Access *list, size_t n, bool check);

#define PLAY(s, list)   play(s, list, ARRAY_SIZE(list), true)

/* For a queue without an error, or one that is not mapped */
static void deinit_queue(SMMUv3Cmdqv *s, uint32_t p0, bool check)
{
    const Access list[] = {
        { WRITE, p0 + 0x8, 0 }, { READ, p0 + 0xc, 0 },
        { WRITE, p0 + 0x4, 0 }, { WRITE, p0, 0 },
        { WRITE64, p0 + 0x10000, 0 }, { WRITE64, p0 + 0x10008, 0 },
        { READ, p0 + 0x14, 0 }, { READ, p0 + 0x10, 0 },
    };

    play(s, list, ARRAY_SIZE(list), check);
}

static void init_queue(SMMUv3Cmdqv *s, uint32_t p0, uint64_t base, bool check)
{
    const Access list[] = {
        { DEINIT, p0 },
        { WRITE64, p0 + 0x10000, base }, { WRITE, p0 + 0x8, 1 },
        { READ, p0 + 0xc, 1 },
    };

    play(s, list, ARRAY_SIZE(list), check);
}

static void clear_sids(SMMUv3Cmdqv *s, uint32_t vintf, bool check)
{
    for (int i = 0; i < 16; i++) {
        const Access list[] = {
            { WRITE, vintf + 0x40 + 4 * i, 0 },
            { WRITE, vintf + 0x80 + 4 * i, 0 },
        };

        play(s, list, ARRAY_SIZE(list), check);
    }
}

static void play_one(SMMUv3Cmdqv *s, const Access *a, bool check)
{
    unsigned size = a->what == READ64 || a->what == WRITE64 ? 8 : 4;
    const Access map[] = {
        { READ, a->offset, a->value },
        { WRITE, a->offset, a->what == MAP ? a->value | 1 : a->value & ~1 },
    };

    switch (a->what) {
    case READ:
    case READ64:
        if (check) {
            g_assert_cmphex(smmuv3_cmdqv_read(s, a->offset, size), ==,
                            a->value);
        }
        break;
    case WRITE:
    case WRITE64:
        g_assert_false(smmuv3_cmdqv_write(s, a->offset, a->value, size).irq);
        break;
    case DEINIT:
        deinit_queue(s, a->offset, check);
        break;
    case INIT:
        init_queue(s, a->offset, a->value, check);
        break;
    case UNMAP:
    case MAP:
        play(s, map, ARRAY_SIZE(map), check);
        break;
    case CLEAR_SIDS:
        clear_sids(s, a->offset, check);
        break;
    }
}

static void play(SMMUv3Cmdqv *s, const Access *list, size_t n, bool check)
{
    for (size_t i = 0; i < n; i++) {
        play_one(s, &list[i], check);
    }
}

static const Access reset_in_guest[] = {
    /* tegra241_cmdqv_probe() */
    { READ, 0x0, 0x20083 }, { READ, 0x4, 0x4011 },
    /* tegra241_cmdqv_hw_reset() */
    { READ, 0x0, 0x20083 }, { WRITE, 0x0, 0x20082 }, { READ, 0x8, 0 },
    { WRITE, 0x0, 0x20083 }, { READ, 0x8, 1 },
    { WRITE, ALLOC(0), 0 }, { WRITE, ALLOC(1), 1 << 1 },
    { DEINIT, P0(0, 1) }, { UNMAP, ALLOC(1), 1 << 1 },
    { DEINIT, P0(0, 0) }, { UNMAP, ALLOC(0), 0 },
    { WRITE, VINTF(0), 0 }, { READ, VINTF(0) + 4, 0 },
    { CLEAR_SIDS, VINTF(0) },
    /* The driver tries HYP_OWN, which is wired to 0 */
    { WRITE, VINTF(0), 0x20000 }, { WRITE, VINTF(0), 0x20001 },
    { READ, VINTF(0) + 4, 1 }, { READ, VINTF(0), 1 },
    { MAP, ALLOC(0), 0 }, { INIT, P0(0, 0), 0x44f00008 },
    { MAP, ALLOC(1), 1 << 1 }, { INIT, P0(0, 1), 0x44f01008 },
};

static const Access reset_in_server[] = {
    /* tegra241_cmdqv_probe() */
    { READ, 0x0, 0x20083 }, { READ, 0x4, 0x4231 },
    /* tegra241_cmdqv_hw_reset() */
    { READ, 0x0, 0x20083 }, { WRITE, 0x0, 0x20082 }, { READ, 0x8, 0 },
    { WRITE, 0x0, 0x20083 }, { READ, 0x8, 1 },
    { WRITE, ALLOC(0), 0 }, { WRITE, ALLOC(1), 1 << 1 },
    { WRITE, ALLOC(2), 1 << 15 }, { WRITE, ALLOC(3), 1 << 15 | 1 << 1 },
    { WRITE, ALLOC(4), 2 << 15 }, { WRITE, ALLOC(5), 2 << 15 | 1 << 1 },
    { WRITE, ALLOC(6), 3 << 15 }, { WRITE, ALLOC(7), 3 << 15 | 1 << 1 },
    { DEINIT, P0(0, 1) }, { UNMAP, ALLOC(1), 1 << 1 },
    { DEINIT, P0(0, 0) }, { UNMAP, ALLOC(0), 0 },
    { WRITE, VINTF(0), 0 }, { READ, VINTF(0) + 4, 0 },
    { CLEAR_SIDS, VINTF(0) },
    { WRITE, VINTF(0), 0x20000 }, { WRITE, VINTF(0), 0x20001 },
    { READ, VINTF(0) + 4, 1 }, { READ, VINTF(0), 0x20001 },
    { MAP, ALLOC(0), 0 }, { INIT, P0(0, 0), 0x8f0100000 | 16 },
    { MAP, ALLOC(1), 1 << 1 }, { INIT, P0(0, 1), 0x8f0200000 | 16 },
};

/* VIOMMU_ALLOC with VMID 7, VDEVICE_ALLOC, HW_QUEUE_ALLOC twice */
static const Access give[] = {
    { WRITE, VINTF(2), 0 }, { READ, VINTF(2) + 4, 0 }, { CLEAR_SIDS, VINTF(2) },
    { WRITE, VINTF(2), 0xe }, { WRITE, VINTF(2), 0xf },
    { READ, VINTF(2) + 4, 1 }, { READ, VINTF(2), 0xf },
    { WRITE, VINTF(2) + 0x80, 0x100 },
    { WRITE, VINTF(2) + 0x40, 0x800 << 1 | 1 },
    { MAP, ALLOC(4), 2 << 15 },
    { DEINIT, P0(2, 0) }, { WRITE64, P1(2, 0), 0x123456008 },
    { MAP, ALLOC(5), 2 << 15 | 1 << 1 },
    { DEINIT, P0(2, 1) }, { WRITE64, P1(2, 1), 0x123458008 },
    /* Accesses of the guest through its page 0 */
    { READ, P0(2, 0) + 0xc, 0 }, { WRITE, P0(2, 0) + 0x8, 1 },
    { READ, P0(2, 0) + 0xc, 1 }, { READ, P0(2, 1) + 0xc, 0 },
    { WRITE, P0(2, 1) + 0x8, 1 }, { READ, P0(2, 1) + 0xc, 1 },
};

/* These objects are destroyed */
static const Access take[] = {
    { DEINIT, P0(2, 1) },
    { UNMAP, ALLOC(5), 2 << 15 | 1 << 1 | 1 },
    { DEINIT, P0(2, 0) },
    { UNMAP, ALLOC(4), 2 << 15 | 1 },
    { WRITE, VINTF(2) + 0x40, 0 }, { WRITE, VINTF(2) + 0x80, 0 },
    { WRITE, VINTF(2), 0 }, { READ, VINTF(2) + 4, 0 }, { CLEAR_SIDS, VINTF(2) },
    { READ, ALLOC(4), 2 << 15 }, { READ, ALLOC(5), 2 << 15 | 1 << 1 },
};

/* tegra241_cmdqv_isr() after an unknown opcode in LVCMDQ 1 of VINTF 0 */
static const Access isr_own[] = {
    { READ, 0x18, 0 }, { READ, 0x14, 1 },
    { READ, 0x30, 0 }, { READ, 0x2c, 0 }, { READ, 0x28, 0 }, { READ, 0x24, 2 },
    { READ64, VINTF(0) + 0xc0, 2 }, { READ, P0(0, 1) + 0x10, 1 },
    { READ, P0(0, 1), 1 << 24 }, { WRITE, P0(0, 1) + 0x14, 1 },
    { READ64, VINTF(0) + 0xc8, 0 },
    { READ, 0x14, 0 }, { READ, 0x24, 0 }, { READ64, VINTF(0) + 0xc0, 0 },
};

/* LVCMDQ 0 of VINTF 2: the server reports, the guest repairs */
static const Access isr_guest[] = {
    { READ, 0x18, 0 }, { READ, 0x14, 4 },
    { READ, 0x30, 0 }, { READ, 0x2c, 0 }, { READ, 0x28, 0 },
    { READ, 0x24, 1 << 4 },
    { READ64, VINTF(2) + 0xc0, 1 }, { READ64, VINTF(2) + 0xc8, 0 },
    { READ, P0(2, 0) + 0x10, 1 }, { READ, P0(2, 0), 4 << 24 },
    { WRITE, P0(2, 0) + 0x14, 1 },
    { READ, 0x14, 0 }, { READ64, VINTF(2) + 0xc0, 0 },
};

static void init(SMMUv3Cmdqv *s, bool server)
{
    memset(s, 0, sizeof(*s));
    s->param = server ? 0x4231 : 0x4011;
    s->hyp = server;
    s->max_log2size = 19;
    smmuv3_cmdqv_reset(s);
}

static void test_reset(void)
{
    g_autofree SMMUv3Cmdqv *s = g_new(SMMUv3Cmdqv, 1);

    init(s, false);
    PLAY(s, reset_in_guest);
    init(s, true);
    PLAY(s, reset_in_server);
}

/*
 * A kernel finds the state that another one has left. It first writes to
 * ALLOC_MAP in ascending order, so it does not read the same values.
 */
static void test_kexec(void)
{
    g_autofree SMMUv3Cmdqv *s = g_new(SMMUv3Cmdqv, 1);
    g_autofree SMMUv3Cmdqv *fresh = g_new(SMMUv3Cmdqv, 1);

    init(s, true);
    PLAY(s, reset_in_server);
    *fresh = *s;
    smmuv3_cmdqv_write(s, P0(0, 0) + 4, 0x77, 4);
    smmuv3_cmdqv_advance(s, 0);
    smmuv3_cmdqv_write(s, P0(0, 1) + 4, 0x99, 4);
    play(s, reset_in_server, ARRAY_SIZE(reset_in_server), false);
    g_assert_cmpmem(s, sizeof(*s), fresh, sizeof(*fresh));
}

static void test_give_and_take(void)
{
    g_autofree SMMUv3Cmdqv *s = g_new(SMMUv3Cmdqv, 1);
    g_autofree SMMUv3Cmdqv *before = g_new(SMMUv3Cmdqv, 1);

    init(s, true);
    PLAY(s, reset_in_server);
    *before = *s;
    PLAY(s, give);
    g_assert_cmpint(smmuv3_cmdqv_find(s, 2, 1), ==, 5);
    PLAY(s, take);
    g_assert_cmpmem(s, sizeof(*s), before, sizeof(*before));
}

static void test_isr(void)
{
    g_autofree SMMUv3Cmdqv *s = g_new(SMMUv3Cmdqv, 1);

    init(s, true);
    PLAY(s, reset_in_server);
    PLAY(s, give);
    smmuv3_cmdqv_write(s, P0(0, 1) + 4, 1, 4);
    g_assert_true(smmuv3_cmdqv_stop(s, 1, 1));
    g_assert_false(smmuv3_cmdqv_pending(s, 1));
    PLAY(s, isr_own);
    g_assert_true(smmuv3_cmdqv_pending(s, 1));

    smmuv3_cmdqv_write(s, P0(2, 0) + 4, 1, 4);
    g_assert_true(smmuv3_cmdqv_stop(s, 4, 4));
    g_assert_true(smmuv3_cmdqv_pending(s, 1));
    PLAY(s, isr_guest);
    g_assert_true(smmuv3_cmdqv_pending(s, 4));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smmuv3/cmdqv-linux/reset", test_reset);
    g_test_add_func("/smmuv3/cmdqv-linux/kexec", test_kexec);
    g_test_add_func("/smmuv3/cmdqv-linux/give-and-take", test_give_and_take);
    g_test_add_func("/smmuv3/cmdqv-linux/isr", test_isr);
    return g_test_run();
}
