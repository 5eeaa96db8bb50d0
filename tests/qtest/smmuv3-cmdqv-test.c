/*
 * QTest: SMMUv3 with a Tegra241 CMDQV, as in a server
 *
 * Tests which entries of the SMMU's TLB the commands in its queues invalidate,
 * what an error stops, and migration. A unit test covers each register.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <glib/gstdio.h>
#include "smmuv3-cmdqv.h"

#define MACHINE(n)  "-M virt,highmem-ecam=off -m 64M -nodefaults " \
                    "-device arm-smmuv3,primary-bus=pcie.0,stage=nested," \
                    "x-cmdqv-vintfs=" n " "
#define CMDQV       0x0c100000ULL
#define CMDQV_SIZE  0xb0000

#define VINTF(v)    (CMDQV + 0x1000 + 0x100 * (v))
#define P0(v, l)    (CMDQV + 0x30000 + 0x20000 * (v) + 0x80 * (l))
#define P1(v, l)    (P0(v, l) + 0x10000)

#define QUEUE(v, l) (0x42000000ULL + 0x200000 * (v) + 0x100000 * (l))

#define UART        0x09000000

#define BAR         0x10000000
#define SID         0x8             /* at 1.0 of pcie.0 */
#define VMID        7               /* of its STE */
#define ASID        1               /* as in rig_put_cd() */

#define TLBI_NH_ASID(vmid)  (0x11 | (uint64_t)ASID << 48 | \
                             (uint64_t)(vmid) << 32)

static void start(Rig *r, const char *args)
{
    *r = (Rig) {
        .qts = qtest_initf(MACHINE("4") "%s", args),
        .smmu = RIG_ACCEL_BASE,
    };
}

/* Map and enable both queues of VINTF @v */
static void give(Rig *r, int v, unsigned vmid, bool hyp_own)
{
    qtest_writel(r->qts, VINTF(v), hyp_own << 17 | vmid << 1 | 1);
    for (int l = 0; l < 2; l++) {
        qtest_writel(r->qts, CMDQV + 0x200 + 4 * (2 * v + l),
                     v << 15 | l << 1 | 1);
        qtest_writeq(r->qts, P1(v, l), QUEUE(v, l) | LOG2SIZE);
        qtest_writel(r->qts, P0(v, l) + EN, 1);
        g_assert_cmphex(qtest_readl(r->qts, P0(v, l) + EN_OK), ==, 1);
    }
}

static void submit(Rig *r, int v, int l, uint64_t word0)
{
    cmdqv_submit(r, P0(v, l), QUEUE(v, l), word0);
}

static void assert_done(Rig *r, int v, int l)
{
    cmdqv_assert_done(r, P0(v, l));
}

static void assert_error(Rig *r, int v, int l, unsigned index, unsigned error)
{
    g_assert_cmphex(qtest_readl(r->qts, P0(v, l) + CONS), ==,
                    error << 24 | index);
    g_assert_cmphex(qtest_readl(r->qts, P0(v, l) + GERROR) ^
                    qtest_readl(r->qts, P0(v, l) + GERRORN), ==, 1);
    g_assert_cmphex(qtest_readl(r->qts, CMDQV + 0x14), ==, 1 << v);
    g_assert_cmphex(qtest_readl(r->qts, CMDQV + 0x24), ==, 1 << (2 * v + l));
    g_assert_cmphex(qtest_readq(r->qts, VINTF(v) + 0xc0), ==, 1 << l);
}

static void repair(Rig *r, int v, int l)
{
    cmdqv_repair(r, P0(v, l), QUEUE(v, l));
}

static void test_layout(void)
{
    Rig r;

    start(&r, "");
    g_assert_cmphex(qtest_readl(r.qts, CMDQV), ==, 0x20083);
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 4), ==, 0x4231);
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 8), ==, 1);
    give(&r, 3, 5, true);
    g_assert_cmphex(qtest_readl(r.qts, VINTF(3)), ==, 0x2000b);
    g_assert_cmphex(qtest_readq(r.qts, P1(3, 1)), ==, QUEUE(3, 1) | LOG2SIZE);
    g_assert_cmphex(qtest_readl(r.qts, P1(3, 1)), ==, QUEUE(3, 1) | LOG2SIZE);
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 0x10000 + 0x80 * 7 + EN_OK), ==,
                    1);
    g_assert_cmphex(P1(3, 0) + 0x10000, ==, CMDQV + CMDQV_SIZE);

    qtest_system_reset(r.qts);
    g_assert_cmphex(qtest_readl(r.qts, VINTF(3)), ==, 0);
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 0x200 + 4 * 7), ==, 0);
    qtest_quit(r.qts);

    /* By default there is no CMDQV */
    r.qts = qtest_init("-M virt -nodefaults -device arm-smmuv3,"
                       "primary-bus=pcie.0");
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 4), ==, 0);
    qtest_quit(r.qts);
}

/* A device whose translation is in the TLB, but no longer in memory */
static void start_stale(Rig *r)
{
    start(r, RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(r, rig_config(0, 1), BAR);
    rig_enable(r);
    rig_put_ste_s1(r, SID);
    qtest_writel(r->qts, RIG_STRTAB + SID * 64 + 16, VMID);
    rig_assert_write(r, RIG_IOVA_S1, RIG_NO_EVENT);
    qtest_writeq(r->qts, RIG_PAGES, 0);
    rig_assert_write(r, RIG_IOVA_S1, RIG_NO_EVENT);
}

/* The hypervisor's own queues accept all commands, and do not change them */
static void test_own(void)
{
    Rig r;

    start_stale(&r);
    give(&r, 0, 0, true);
    submit(&r, 0, 1, TLBI_NH_ASID(VMID + 1));
    submit(&r, 0, 1, SYNC | 1 << 12);
    assert_done(&r, 0, 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    submit(&r, 0, 1, TLBI_NH_ASID(VMID));
    assert_done(&r, 0, 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_TRANSLATION);
    submit(&r, 0, 0, 0x30);                     /* NSNH_ALL */
    submit(&r, 0, 0, 0x03 | (uint64_t)SID << 32);
    submit(&r, 0, 0, 0x20);                     /* EL2_ALL */
    assert_done(&r, 0, 0);
    qtest_quit(r.qts);
}

/* A guest reaches only the TLB entries of its own VMID, whatever it writes */
static void test_vmid(void)
{
    Rig r;

    start_stale(&r);
    give(&r, 1, VMID, false);
    give(&r, 2, VMID + 1, false);
    submit(&r, 2, 0, TLBI_NH_ASID(VMID));
    submit(&r, 2, 0, 0x10 | (uint64_t)VMID << 32);
    submit(&r, 2, 0, SYNC);
    assert_done(&r, 2, 0);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);

    submit(&r, 1, 0, TLBI_NH_ASID(0));
    submit(&r, 1, 0, SYNC);
    assert_done(&r, 1, 0);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_TRANSLATION);
    qtest_quit(r.qts);
}

/* An error stops only its queue, with one interrupt; the others continue */
static void test_errors(void)
{
    static const struct {
        uint64_t command;
        unsigned error;
    } cases[] = {
        { 0xff, 1 },                    /* unknown opcode */
        { 0x30, 4 },                    /* TLBI_NSNH_ALL, for all guests */
        { 0x04, 4 },                    /* CFGI_ALL */
        { 0x40 | 0x100ULL << 32, 4 },   /* ATC_INV of a foreign StreamID */
        { SYNC | 1 << 12, 1 },          /* CMD_SYNC with an interrupt */
    };
    Rig r;

    start(&r, "");
    cmdqv_init_irq(&r);
    for (int v = 0; v < 3; v++) {
        give(&r, v, v, !v);
    }
    qtest_writel(r.qts, VINTF(1) + 0x84, 0x17);
    qtest_writel(r.qts, VINTF(1) + 0x44, 0x200 << 1 | 1);

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t index = qtest_readl(r.qts, P0(1, 0) + PROD);

        g_test_message("0x%" PRIx64, cases[i].command);
        submit(&r, 1, 0, SYNC);
        g_assert_false(cmdqv_take_irq(&r));
        submit(&r, 1, 0, cases[i].command);
        submit(&r, 1, 0, 0x40 | 0x200ULL << 32);
        assert_error(&r, 1, 0, index + 1, cases[i].error);
        g_assert_true(cmdqv_take_irq(&r));

        submit(&r, 1, 1, TLBI_NH_ASID(0));
        submit(&r, 2, 0, TLBI_NH_ASID(0));
        submit(&r, 0, 0, SYNC);
        assert_done(&r, 1, 1);
        assert_done(&r, 2, 0);
        assert_done(&r, 0, 0);
        assert_error(&r, 1, 0, index + 1, cases[i].error);

        repair(&r, 1, 0);
        assert_done(&r, 1, 0);
        g_assert_cmphex(qtest_readl(r.qts, CMDQV + 0x14), ==, 0);
        g_assert_false(cmdqv_take_irq(&r));
    }

    /* Without a repair the error comes again, with another interrupt */
    submit(&r, 1, 0, 0xff);
    g_assert_true(cmdqv_take_irq(&r));
    cmdqv_acknowledge(&r, P0(1, 0));
    g_assert_true(cmdqv_take_irq(&r));
    qtest_quit(r.qts);
}

/* A queue at the registers of a device, or of the CMDQV: they are not read */
static void test_memory(void)
{
    static const uint64_t bases[] = { UART, CMDQV + 0x10000 };
    Rig r;

    start(&r, "");
    give(&r, 1, 1, false);
    for (int i = 0; i < ARRAY_SIZE(bases); i++) {
        qtest_writel(r.qts, P0(1, 0) + EN, 0);
        qtest_writeq(r.qts, P1(1, 0), bases[i] | LOG2SIZE);
        cmdqv_acknowledge(&r, P0(1, 0));
        qtest_writel(r.qts, P0(1, 0) + EN, 1);
        qtest_writel(r.qts, P0(1, 0) + PROD, 1);
        assert_error(&r, 1, 0, 0, RIG_CERROR_ABT);
    }

    /* CMDQ_INIT_ERR: not aligned, or larger than the SMMU's own queue can be */
    qtest_writel(r.qts, P0(1, 1) + EN, 0);
    qtest_writeq(r.qts, P1(1, 1), 0x40000000 | 20);
    qtest_writel(r.qts, P0(1, 1) + EN, 1);
    g_assert_cmphex(qtest_readl(r.qts, P0(1, 1) + EN_OK), ==, 0);
    g_assert_cmphex(qtest_readl(r.qts, P0(1, 1) + GERROR), ==, 4);
    qtest_quit(r.qts);
}

/* A device's DMA writes the value in edu's buffer to a doorbell */
static void test_dma(void)
{
    const uint32_t prod = RIG_MARK & 0xfffff, wrap = (2 << LOG2SIZE) - 1;
    Rig r;

    start(&r, RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(&r, rig_config(0, 1), BAR);
    give(&r, 1, 1, false);
    qtest_memset(r.qts, QUEUE(1, 0), SYNC, 16 << LOG2SIZE);
    rig_edu_dma(&r, RIG_EDU_BUFFER, P0(1, 0) + PROD, true);
    g_assert_cmphex(qtest_readl(r.qts, P0(1, 0) + PROD), ==, prod);
    g_assert_cmphex(qtest_readl(r.qts, P0(1, 0) + CONS), ==, prod & wrap);

    /* Writes to a part of a register are ignored */
    qtest_writew(r.qts, P0(1, 0) + PROD, 0);
    qtest_writeb(r.qts, P0(1, 0) + PROD + 1, 0);
    g_assert_cmphex(qtest_readl(r.qts, P0(1, 0) + PROD), ==, prod);
    qtest_quit(r.qts);
}

#define MANY    0x8000

/* Fill a queue with CMD_SYNC (a repeated 0x46 is one) while the clock stands */
static void put_many(Rig *r, int l)
{
    qtest_writel(r->qts, P0(1, l) + EN, 0);
    qtest_writeq(r->qts, P1(1, l), 0x43000000 | 16);
    qtest_writel(r->qts, P0(1, l) + EN, 1);
    qtest_memset(r->qts, 0x43000000, SYNC, 16 * MANY);
    qtest_qmp_assert_success(r->qts, "{'execute': 'stop'}");
    qtest_writel(r->qts, P0(1, l) + PROD, MANY);
    g_assert_cmpint(qtest_readl(r->qts, P0(1, l) + CONS), ==, 1024);
}

/* The first @n queues together execute 1000 commands at each tick */
static void finish_many(Rig *r, int n)
{
    qtest_qmp_assert_success(r->qts, "{'execute': 'cont'}");
    for (uint32_t done = 1024; done < MANY; done += 1024 / n) {
        for (int l = 0; l < n; l++) {
            g_assert_cmpint(qtest_readl(r->qts, P0(1, l) + CONS), ==, done);
        }
        qtest_clock_step(r->qts, 1);
    }
    for (int l = 0; l < n; l++) {
        assert_done(r, 1, l);
    }
}

/* Long queues do not delay the rest of QEMU, and wait while it is stopped */
static void test_long_queue(void)
{
    Rig r;

    start(&r, "");
    give(&r, 1, 1, false);
    for (int l = 0; l < 2; l++) {
        put_many(&r, l);
    }
    finish_many(&r, 2);
    qtest_quit(r.qts);
}

/* A file for the state of a machine, and its URI; g_free() both */
static char *make_file(char **uri)
{
    char *file;
    int fd = g_file_open_tmp("smmuv3-cmdqv-XXXXXX", &file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    *uri = g_strdup_printf("file:%s", file);
    return file;
}

/* Read all registers; a queue has 6 in page 0 and 4 in page 1 */
static GArray *read_all(QTestState *qts)
{
    static const RigRow rows[] = {
        { 0, 0x34 }, { 0x200, 0x20 }, { 0x1000, 0x400 }, { 0x10000, 0x400 },
        { 0x20000, 0x400 },
    };
    return rig_read_rows(qts, CMDQV, rows, ARRAY_SIZE(rows));
}

static void test_migration(void)
{
    g_autofree char *file = NULL, *uri = NULL;
    g_autoptr(GArray) before = NULL, after = NULL;
    Rig r;

    file = make_file(&uri);
    start(&r, "");
    give(&r, 0, 0, true);
    give(&r, 1, 0xbeef, false);
    give(&r, 3, 3, false);
    for (int i = 0; i < 16; i++) {
        qtest_writel(r.qts, VINTF(3) + 0x40 + 4 * i, (0x100 + i) << 1 | 1);
        qtest_writel(r.qts, VINTF(3) + 0x80 + 4 * i, 0x200 + i);
    }
    qtest_writel(r.qts, CMDQV + 0x1c, 4);
    qtest_writeq(r.qts, P1(3, 1) + 8, 0x1234);  /* enabled: ignored */
    qtest_writel(r.qts, P0(1, 1) + EN, 0);
    qtest_writeq(r.qts, P1(1, 1) + 8, 0x1234567890);
    submit(&r, 3, 1, 0xff);
    repair(&r, 3, 1);
    submit(&r, 3, 0, 0xff);
    put_many(&r, 0);
    before = read_all(r.qts);
    rig_save(r.qts, uri);
    qtest_quit(r.qts);

    start(&r, "-S -incoming defer");
    qtest_qmp_assert_success(r.qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    g_assert_true(rig_migrated(r.qts));
    after = read_all(r.qts);
    g_assert_cmpmem(after->data, after->len * 4, before->data, before->len * 4);
    finish_many(&r, 1);
    repair(&r, 3, 0);
    assert_done(&r, 3, 0);
    qtest_quit(r.qts);
    g_unlink(file);
}

/* A stream for other queues is refused, and QEMU does not exit */
static void test_migration_differs(void)
{
    static const char *others[] = { "0", "2" };
    g_autofree char *file = NULL, *uri = NULL;
    Rig r;

    file = make_file(&uri);
    start(&r, "");
    rig_save(r.qts, uri);
    qtest_quit(r.qts);

    for (int i = 0; i < ARRAY_SIZE(others); i++) {
        r.qts = qtest_initf(MACHINE("%s") "-S -incoming defer", others[i]);
        qtest_qmp_assert_success(r.qts, "{'execute': 'migrate-incoming', "
                                 "'arguments': {'uri': %s, "
                                 "'exit-on-error': false}}", uri);
        g_assert_false(rig_migrated(r.qts));
        qtest_quit(r.qts);
    }
    g_unlink(file);
}

/*
 * Where the CONFIG of a VINTF is in a stream: after the name and the version of
 * the subsection, PARAM, CONFIG, and VINTF_INT_MASK
 */
static char *find_vintf(char *stream, gsize len, int vintf)
{
    static const char name[] = "smmuv3/cmdqv";
    char *at = memmem(stream, len, name, strlen(name));

    g_assert_nonnull(at);
    return at + strlen(name) + 4 + 4 + 4 + 8 + vintf * 4 * (1 + 16 + 16);
}

/* A stream with the state of a fifth interface is refused */
static void test_migration_illegal(void)
{
    g_autofree char *file = NULL, *uri = NULL, *stream = NULL;
    gsize len;
    Rig r;

    file = make_file(&uri);
    start(&r, "");
    give(&r, 3, 0xbeef, false);
    rig_save(r.qts, uri);
    qtest_quit(r.qts);

    g_assert_true(g_file_get_contents(file, &stream, &len, NULL));
    g_assert_cmphex(ldl_be_p(find_vintf(stream, len, 3)), ==, 0xbeef << 1 | 1);
    for (int illegal = 0; illegal < 2; illegal++) {
        stl_be_p(find_vintf(stream, len, 4), illegal);
        g_assert_true(g_file_set_contents(file, stream, len, NULL));
        start(&r, "-S -incoming defer");
        qtest_qmp_assert_success(r.qts, "{'execute': 'migrate-incoming', "
                                 "'arguments': {'uri': %s, "
                                 "'exit-on-error': false}}", uri);
        g_assert_true(rig_migrated(r.qts) == !illegal);
        qtest_quit(r.qts);
    }
    g_unlink(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("smmuv3/cmdqv/layout", test_layout);
    qtest_add_func("smmuv3/cmdqv/own", test_own);
    qtest_add_func("smmuv3/cmdqv/vmid", test_vmid);
    qtest_add_func("smmuv3/cmdqv/errors", test_errors);
    qtest_add_func("smmuv3/cmdqv/memory", test_memory);
    qtest_add_func("smmuv3/cmdqv/dma", test_dma);
    qtest_add_func("smmuv3/cmdqv/long-queue", test_long_queue);
    qtest_add_func("smmuv3/cmdqv/migration", test_migration);
    qtest_add_func("smmuv3/cmdqv/migration-differs", test_migration_differs);
    qtest_add_func("smmuv3/cmdqv/migration-illegal", test_migration_illegal);
    return g_test_run();
}
