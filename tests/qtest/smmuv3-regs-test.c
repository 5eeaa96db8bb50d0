/*
 * QTest: the registers of SMMUv3s, by the table that the device uses, and what
 * their values mean (IHI 0070, 6.3)
 *
 * The unit test test-smmuv3-regs.c checks the table itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/arm/smmuv3-regs.h"
#include "smmuv3-rig.h"

#define BAR             0x10000000
#define SID             0x8             /* at 1.0 of pcie.0 */
#define PAGE_1          0x10000

enum {
    CR2 = 0x2c,
    CR2_RECINVSID = 2,
    SMMUEN = 1, EVENTQEN = 4, CMDQEN = 8,
    FMT_2LEVEL = 1 << 16,
    CERROR_ILL = 1,
    C_BAD_STREAMID = 2,
    CMD_SYNC = 0x46,
    CMD_ILLEGAL = 0xff,
};

/* The options and the address of an SMMU */
typedef struct Kind {
    const char *name;
    const char *args;
    uint64_t base;
} Kind;

/* The last one has ATS, linear stream tables, and queues of 2^7 entries */
#define POOR "-device arm-smmuv3-accel,bus=pcie.0,idr0=0x540141a," \
             "idr1=0xe70010,idr3=0x1400,idr5=0x74,iidr=0,aidr=1"

static const Kind plain = { "smmuv3", RIG_SMMUV3, RIG_SMMUV3_BASE };
static const Kind accel = { "smmuv3-accel", RIG_ACCEL, RIG_ACCEL_BASE };
static const Kind poor = { "smmuv3-accel-poor", POOR, RIG_ACCEL_BASE };

/*
 * The table
 */

typedef struct Walk {
    QTestState *qts;
    uint64_t base;
    uint32_t idr[6];
} Walk;

static void walk_start(Walk *w, const Kind *kind)
{
    w->base = kind->base;
    w->qts = qtest_initf("-M virt -nodefaults %s", kind->args);
    for (int i = 0; i < ARRAY_SIZE(w->idr); i++) {
        w->idr[i] = qtest_readl(w->qts, w->base + 4 * i);
    }
}

/* Reads a register in all ways, which have to agree */
static uint64_t read_reg(Walk *w, const SMMUv3Reg *reg)
{
    uint64_t addr = w->base + reg->offset;
    uint64_t value = qtest_readl(w->qts, addr);

    g_test_message("%s", reg->name);
    g_assert_cmphex(qtest_readl(w->qts, addr + PAGE_1), ==, value);
    if (reg->size == 8) {
        value |= (uint64_t)qtest_readl(w->qts, addr + 4) << 32;
        g_assert_cmphex(qtest_readq(w->qts, addr), ==, value);
        g_assert_cmphex(qtest_readq(w->qts, addr + PAGE_1), ==, value);
    }
    return value;
}

static void write_reg(Walk *w, const SMMUv3Reg *reg, uint64_t value)
{
    if (reg->size == 8) {
        qtest_writeq(w->qts, w->base + reg->offset, value);
    } else {
        qtest_writel(w->qts, w->base + reg->offset, value);
    }
}

static void write_halves(Walk *w, const SMMUv3Reg *reg, uint64_t value)
{
    qtest_writel(w->qts, w->base + reg->offset, value);
    if (reg->size == 8) {
        qtest_writel(w->qts, w->base + reg->offset + 4, value >> 32);
    }
}

static void set_guards(Walk *w, SMMUv3RegControl *c, uint32_t cr0,
                       uint32_t irq_ctrl)
{
    qtest_writel(w->qts, w->base + RIG_CR0, cr0);
    qtest_writel(w->qts, w->base + RIG_IRQ_CTRL, irq_ctrl);
    *c = (SMMUv3RegControl) { w->idr, cr0, irq_ctrl };
}

/* All bits of all registers can be set and cleared as the table says */
static void walk_write(Walk *w, const SMMUv3RegControl *c)
{
    size_t n;
    const SMMUv3Reg *regs = smmuv3_regs(&n);

    for (size_t i = 0; i < n; i++) {
        const SMMUv3Reg *reg = &regs[i];
        uint64_t can = smmuv3_reg_writable(reg, c);
        uint64_t before = read_reg(w, reg);

        if (reg->offset == RIG_CR0 || reg->offset == RIG_IRQ_CTRL) {
            /* It decides about the others */
            continue;
        }
        write_reg(w, reg, UINT64_MAX);
        g_assert_cmphex(read_reg(w, reg), ==, before | can);
        write_halves(w, reg, reg->update);
        g_assert_cmphex(read_reg(w, reg), ==, before & ~can);
        write_halves(w, reg, UINT64_MAX);
        g_assert_cmphex(read_reg(w, reg), ==, before | can);
        write_reg(w, reg, reg->update);
        g_assert_cmphex(read_reg(w, reg), ==, before & ~can);
    }
}

static void test_write(const void *kind)
{
    SMMUv3RegControl c;
    Walk w;

    walk_start(&w, kind);
    set_guards(&w, &c, 0, 0);
    walk_write(&w, &c);
    qtest_quit(w.qts);
}

static void test_guards(const void *kind)
{
    static const uint32_t cr0[] = { SMMUEN, EVENTQEN, CMDQEN };
    static const uint32_t irq_ctrl[] = { 1, 4 };
    SMMUv3RegControl c;
    Walk w;

    walk_start(&w, kind);
    for (int i = 0; i < ARRAY_SIZE(cr0); i++) {
        set_guards(&w, &c, cr0[i], 0);
        walk_write(&w, &c);
    }
    for (int i = 0; i < ARRAY_SIZE(irq_ctrl); i++) {
        set_guards(&w, &c, 0, irq_ctrl[i]);
        walk_write(&w, &c);
    }
    qtest_quit(w.qts);
}

/* CR0 and IRQ_CTRL have only the bits that they acknowledge */
static void test_ack(const void *kind)
{
    static const uint32_t offsets[] = { RIG_CR0, RIG_IRQ_CTRL };
    Walk w;

    walk_start(&w, kind);
    for (int i = 0; i < ARRAY_SIZE(offsets); i++) {
        const SMMUv3Reg *reg = smmuv3_reg_find(offsets[i]);
        const SMMUv3Reg *ack = smmuv3_reg_find(offsets[i] + 4);

        write_reg(&w, reg, UINT32_MAX);
        g_assert_cmphex(read_reg(&w, reg), ==, smmuv3_reg_bits(reg, w.idr));
        g_assert_cmphex(read_reg(&w, ack), ==, read_reg(&w, reg));
        write_reg(&w, reg, 0);
        g_assert_cmphex(read_reg(&w, ack), ==, 0);
    }
    qtest_quit(w.qts);
}

static void test_reset(const void *kind)
{
    size_t n;
    const SMMUv3Reg *regs = smmuv3_regs(&n);
    g_autofree uint64_t *before = g_new0(uint64_t, n);
    Walk w;

    walk_start(&w, kind);
    for (size_t i = 0; i < n; i++) {
        before[i] = read_reg(&w, &regs[i]);
        write_reg(&w, &regs[i], UINT64_MAX);
    }
    qtest_system_reset(w.qts);
    for (size_t i = 0; i < n; i++) {
        if (regs[i].resets) {
            g_assert_cmphex(read_reg(&w, &regs[i]), ==, regs[i].reset);
        } else if (regs[i].ro) {
            g_assert_cmphex(read_reg(&w, &regs[i]), ==, before[i]);
        }
    }
    qtest_quit(w.qts);
}

/* A read of two registers at once; what is in no row reads as zero */
static void test_pairs(const void *kind)
{
    size_t n;
    const SMMUv3Reg *regs = smmuv3_regs(&n);
    Walk w;

    walk_start(&w, kind);
    for (size_t i = 0; i < n; i++) {
        if (regs[i].offset != RIG_CR0) {
            write_reg(&w, &regs[i], UINT64_MAX);
        }
    }
    for (uint32_t offset = 0; offset < 0x2000; offset += 8) {
        uint64_t addr = w.base + offset % 0x1000 + offset / 0x1000 * PAGE_1;
        uint64_t low = qtest_readl(w.qts, addr);
        uint64_t high = qtest_readl(w.qts, addr + 4);

        g_assert_cmphex(qtest_readq(w.qts, addr), ==, low | high << 32);
        if (!smmuv3_reg_find(offset % 0x1000)) {
            g_assert_cmphex(low, ==, 0);
        }
    }
    /* As FreeBSD reads PROD and CONS */
    g_assert_cmphex(qtest_readq(w.qts, w.base + RIG_CMDQ_PROD), ==,
                    0x7f0fffff000fffff);
    g_assert_cmphex(qtest_readq(w.qts, w.base + RIG_EVENTQ_PROD), ==,
                    0x800fffff800fffff);
    qtest_quit(w.qts);
}

/*
 * What the values mean
 */

static void start_at(Rig *r, const Kind *kind, unsigned slot)
{
    *r = (Rig) {
        .qts = qtest_initf("-M virt,highmem-ecam=off -nodefaults %s "
                           RIG_EDU ",bus=pcie.0,addr=%u.0", kind->args, slot),
        .smmu = kind->base,
    };
    rig_setup_edu(r, rig_config(0, slot), BAR);
}

static void start(Rig *r, const Kind *kind)
{
    start_at(r, kind, SID >> 3);
}

static void put_command(Rig *r, uint64_t addr, uint64_t word0)
{
    qtest_writeq(r->qts, addr, word0);
    qtest_writeq(r->qts, addr + 8, 0);
}

/* The command at index @cons is illegal, all others have been executed */
static void assert_illegal(Rig *r, uint32_t cons)
{
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_CMDQ_CONS), ==,
                    CERROR_ILL << 24 | cons);
    g_assert_cmphex(qtest_readl(r->qts, r->smmu + RIG_GERROR), ==,
                    RIG_GERROR_CMDQ);
}

/* CMD_SYNC with CS=3, which is reserved */
static void test_sync(const void *kind)
{
    Rig r;

    start(&r, kind);
    rig_enable(&r);
    for (uint64_t cs = 0; cs < 3; cs++) {
        rig_command(&r, CMD_SYNC | cs << 12, 0);
    }
    rig_submit(&r, CMD_SYNC | 3 << 12, 0);
    assert_illegal(&r, 3);
    qtest_quit(r.qts);
}

/* Firmware sends TLBI_EL2_ALL also to an SMMU without IDR0.HYP */
static void test_tlbi_el2(const void *kind)
{
    Rig r;

    start(&r, kind);
    rig_enable(&r);
    rig_command(&r, 0x20, 0);
    rig_command(&r, CMD_SYNC, 0);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==, 0);
    qtest_quit(r.qts);
}

/* Queues and tables at addresses within the size that they are aligned to */
static void test_alignment(const void *kind)
{
    uint64_t half_queue = 8 << RIG_LOG2_QUEUE;
    Rig r;

    start(&r, kind);
    qtest_writeq(r.qts, r.smmu + RIG_STRTAB_BASE,
                 RIG_STRTAB + (32 << 8) + 0x40);
    qtest_writel(r.qts, r.smmu + RIG_STRTAB_BASE_CFG, 8);
    qtest_writeq(r.qts, r.smmu + RIG_CMDQ_BASE,
                 (RIG_CMDQ + half_queue) | RIG_LOG2_QUEUE);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE,
                 (RIG_EVENTQ + half_queue) | RIG_LOG2_QUEUE);
    qtest_writel(r.qts, r.smmu + RIG_CR0, SMMUEN | EVENTQEN | CMDQEN);

    put_command(&r, RIG_CMDQ + half_queue, CMD_ILLEGAL);
    rig_command(&r, CMD_SYNC, 0);
    rig_put_ste_s1(&r, SID);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_assert_write(&r, 0x7fffffff0, RIG_F_TRANSLATION);
    qtest_quit(r.qts);
}

/*
 * Reserved values of SPLIT act as 6: StreamID 0x48 is entry 8 of the second
 * table. Level 1 is at an address within its size of 128 bytes.
 */
static void test_split(const void *kind)
{
    static const unsigned splits[] = { 6, 7, 31 };

    for (int i = 0; i < ARRAY_SIZE(splits); i++) {
        uint64_t level2 = RIG_STRTAB + 0x10000;
        Rig r;

        start_at(&r, kind, 9);
        qtest_writeq(r.qts, RIG_STRTAB + 8, level2 | 7);
        qtest_writeq(r.qts, level2 + 8 * 64, 1 | 4 << 1);
        qtest_writeq(r.qts, r.smmu + RIG_STRTAB_BASE, RIG_STRTAB | 0x40);
        qtest_writel(r.qts, r.smmu + RIG_STRTAB_BASE_CFG,
                     FMT_2LEVEL | splits[i] << 6 | 10);
        qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE,
                     RIG_EVENTQ | RIG_LOG2_QUEUE);
        qtest_writel(r.qts, r.smmu + RIG_CR0, SMMUEN | EVENTQEN);
        rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
        qtest_quit(r.qts);
    }
}

/* FMT=1 of an SMMU with linear tables only */
static void test_linear(const void *kind)
{
    Rig r;

    start(&r, kind);
    qtest_writeq(r.qts, r.smmu + RIG_STRTAB_BASE, RIG_STRTAB);
    qtest_writel(r.qts, r.smmu + RIG_STRTAB_BASE_CFG,
                 FMT_2LEVEL | 6 << 6 | 8);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_STRTAB_BASE_CFG), ==, 8);
    qtest_writeq(r.qts, r.smmu + RIG_EVENTQ_BASE, RIG_EVENTQ | RIG_LOG2_QUEUE);
    qtest_writel(r.qts, r.smmu + RIG_CR0, SMMUEN | EVENTQEN);
    rig_put_ste_bypass(&r, SID);
    rig_assert_write(&r, RIG_IOVA_BYPASS, RIG_NO_EVENT);
    qtest_quit(r.qts);
}

/* LOG2SIZE above what IDR1 has: the last command is at index 127 */
static void test_queue_size(const void *kind)
{
    Rig r;

    start(&r, kind);
    qtest_writeq(r.qts, r.smmu + RIG_CMDQ_BASE, RIG_CMDQ | 31);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_CMDQ_BASE), ==,
                    (uint32_t)RIG_CMDQ | 31);
    put_command(&r, RIG_CMDQ + 127 * 16, CMD_SYNC);
    put_command(&r, RIG_CMDQ + 255 * 16, CMD_ILLEGAL);
    qtest_writel(r.qts, r.smmu + RIG_CMDQ_CONS, 255);
    qtest_writel(r.qts, r.smmu + RIG_CMDQ_PROD, 0);
    qtest_writel(r.qts, r.smmu + RIG_CR0, CMDQEN);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_CMDQ_CONS), ==, 0);
    g_assert_cmphex(qtest_readl(r.qts, r.smmu + RIG_GERROR), ==, 0);
    qtest_quit(r.qts);
}

/* Registers of enabled tables and queues do not change, and stay in use */
static void test_in_use(const void *kind)
{
    static const uint32_t offsets[] = {
        RIG_STRTAB_BASE, RIG_STRTAB_BASE + 4, RIG_STRTAB_BASE_CFG,
        RIG_CMDQ_BASE, RIG_CMDQ_BASE + 4, RIG_CMDQ_CONS,
        RIG_EVENTQ_BASE, RIG_EVENTQ_BASE + 4, RIG_EVENTQ_PROD,
    };
    Rig r;

    start(&r, kind);
    rig_enable(&r);
    rig_put_ste_s1(&r, SID);
    rig_invalidate(&r, SID);
    for (int i = 0; i < ARRAY_SIZE(offsets); i++) {
        uint32_t before = qtest_readl(r.qts, r.smmu + offsets[i]);

        qtest_writel(r.qts, r.smmu + offsets[i], ~before);
        g_assert_cmphex(qtest_readl(r.qts, r.smmu + offsets[i]), ==, before);
    }
    rig_invalidate(&r, SID);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    rig_assert_write(&r, 0x7fffffff0, RIG_F_TRANSLATION);
    qtest_quit(r.qts);
}

/* C_BAD_STREAMID is recorded only if the guest asks for it */
static void test_recinvsid(const void *kind)
{
    Rig r;

    start(&r, kind);
    rig_enable(&r);
    for (int i = 0; i < 4; i++) {
        qtest_writel(r.qts, r.smmu + RIG_CR0, EVENTQEN);
        qtest_writel(r.qts, r.smmu + CR2, i % 2 ? CR2_RECINVSID : 0);
        qtest_writel(r.qts, r.smmu + RIG_STRTAB_BASE_CFG, 3);
        qtest_writel(r.qts, r.smmu + RIG_CR0, SMMUEN | EVENTQEN);
        qtest_writel(r.qts, RIG_TARGET, 0);
        rig_edu_dma(&r, RIG_EDU_BUFFER, RIG_IOVA_BYPASS, true);
        g_assert_cmphex(qtest_readl(r.qts, RIG_TARGET), ==, 0);
        g_assert_cmphex(rig_take_event(&r), ==,
                        i % 2 ? C_BAD_STREAMID : RIG_NO_EVENT);
    }
    qtest_quit(r.qts);
}

static void add(const Kind *kind, const char *name, void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("%s/regs/%s", kind->name, name);

    qtest_add_data_func(path, kind, fn);
}

static void add_all(const Kind *kind)
{
    add(kind, "write", test_write);
    add(kind, "guards", test_guards);
    add(kind, "ack", test_ack);
    add(kind, "reset", test_reset);
    add(kind, "pairs", test_pairs);
    add(kind, "sync", test_sync);
    add(kind, "tlbi-el2", test_tlbi_el2);
    add(kind, "alignment", test_alignment);
    add(kind, "in-use", test_in_use);
    add(kind, "recinvsid", test_recinvsid);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_all(&plain);
    add(&plain, "split", test_split);
    if (qtest_has_device("arm-smmuv3-accel")) {
        add_all(&accel);
        add(&accel, "split", test_split);
        add_all(&poor);
        add(&poor, "linear", test_linear);
        add(&poor, "queue-size", test_queue_size);
    }
    return g_test_run();
}
