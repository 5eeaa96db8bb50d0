/*
 * QTest: arm-smmuv3-accel, the CMDQV of a guest without any host device
 *
 * QEMU executes the commands in its queues, and a migration carries the whole
 * state. Other tests check how the guest's firmware tables describe it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "smmuv3-cmdqv.h"

#define MACHINE     "-M virt,highmem-ecam=off -m 64M -nodefaults -display none "
#define CMDQV       0x0c080000ULL

#define VINTF       (CMDQV + 0x1000)
#define ALLOC(q)    (CMDQV + 0x200 + 4 * (q))
#define DIRECT0(q)  (CMDQV + 0x10000 + 0x80 * (q))
#define P0(l)       (CMDQV + 0x30000 + 0x80 * (l))
#define P1(l)       (P0(l) + 0x10000)

#define QUEUE(l)    (0x42000000ULL + 0x100000 * (l))

#define TLBI        (0x11 | 1ULL << 48)     /* NH_ASID of rig_put_cd() */

#define BAR         0x10000000
#define SID         0x8                     /* at 1.0 of pcie.0 */

static char *tmpdir;

static void start(Rig *r, const char *options, const char *args)
{
    *r = (Rig) {
        .qts = qtest_initf(MACHINE RIG_ACCEL "%s %s", options, args),
        .smmu = RIG_ACCEL_BASE,
    };
}

/* Like Linux's driver: disable the queue, and set all its registers to 0 */
static void deinit_queue(Rig *r, int l)
{
    uint32_t gerror;

    qtest_writel(r->qts, P0(l) + EN, 0);
    g_assert_cmphex(qtest_readl(r->qts, P0(l) + EN_OK), ==, 0);
    qtest_writel(r->qts, P0(l) + PROD, 0);
    qtest_writel(r->qts, P0(l) + CONS, 0);
    qtest_writeq(r->qts, P1(l), 0);
    qtest_writeq(r->qts, P1(l) + 8, 0);
    gerror = qtest_readl(r->qts, P0(l) + GERROR);
    if (gerror != qtest_readl(r->qts, P0(l) + GERRORN)) {
        qtest_writel(r->qts, P0(l) + GERRORN, gerror);
    }
}

static void init_vintf(Rig *r)
{
    for (int l = 1; l >= 0; l--) {
        deinit_queue(r, l);
        qtest_writel(r->qts, ALLOC(l), qtest_readl(r->qts, ALLOC(l)) & ~1);
    }
    qtest_writel(r->qts, VINTF, 0);
    g_assert_cmphex(qtest_readl(r->qts, VINTF + 4) & 1, ==, 0);
    for (int i = 0; i < 16; i++) {
        qtest_writel(r->qts, VINTF + 0x40 + 4 * i, 0);
        qtest_writel(r->qts, VINTF + 0x80 + 4 * i, 0);
    }
    qtest_writel(r->qts, VINTF, 1 << 17);
    qtest_writel(r->qts, VINTF, 1 << 17 | 1);
    g_assert_cmphex(qtest_readl(r->qts, VINTF + 4) & 1, ==, 1);
    g_assert_cmphex(qtest_readl(r->qts, VINTF), ==, 1);
}

static void init_queue(Rig *r, int l, uint64_t base)
{
    qtest_writel(r->qts, ALLOC(l), qtest_readl(r->qts, ALLOC(l)) | 1);
    deinit_queue(r, l);
    qtest_writeq(r->qts, P1(l), base);
    qtest_writel(r->qts, P0(l) + EN, 1);
    g_assert_cmphex(qtest_readl(r->qts, P0(l) + EN_OK), ==, 1);
}

static void linux_start(Rig *r)
{
    uint32_t config = qtest_readl(r->qts, CMDQV);

    qtest_writel(r->qts, CMDQV, config & ~1);
    g_assert_cmphex(qtest_readl(r->qts, CMDQV + 8), ==, 0);
    qtest_writel(r->qts, CMDQV, config | 1);
    g_assert_cmphex(qtest_readl(r->qts, CMDQV + 8), ==, 1);
    for (int l = 0; l < 2; l++) {
        qtest_writel(r->qts, ALLOC(l), l << 1);
    }
    init_vintf(r);
    for (int l = 0; l < 2; l++) {
        init_queue(r, l, QUEUE(l) | LOG2SIZE);
    }
}

static void submit(Rig *r, int l, uint64_t word0)
{
    cmdqv_submit(r, P0(l), QUEUE(l), word0);
}

static void assert_done(Rig *r, int l)
{
    cmdqv_assert_done(r, P0(l));
}

static void repair(Rig *r, int l)
{
    g_assert_cmphex(qtest_readl(r->qts, CMDQV + 0x14), ==, 1);
    g_assert_cmphex(qtest_readq(r->qts, VINTF + 0xc0), ==, 1 << l);
    cmdqv_repair(r, P0(l), QUEUE(l));
}

/* The accesses of Linux's driver; its TLBI must invalidate */
static void test_linux(void)
{
    Rig r;

    start(&r, ",cmdqv=on", RIG_EDU ",bus=pcie.0,addr=1.0");
    g_assert_cmphex(qtest_readl(r.qts, CMDQV + 4), ==, 0x4011);
    rig_setup_edu(&r, rig_config(0, 1), BAR);
    rig_enable(&r);
    rig_put_ste_s1(&r, SID);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);
    linux_start(&r);
    qtest_writeq(r.qts, RIG_PAGES, 0);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_NO_EVENT);

    submit(&r, 1, TLBI);
    submit(&r, 1, SYNC);
    assert_done(&r, 1);
    rig_assert_write(&r, RIG_IOVA_S1, RIG_F_TRANSLATION);
    for (int i = 0; i < 600; i++) {
        submit(&r, 0, i % 2 ? SYNC : TLBI);
        assert_done(&r, 0);
    }
    /* Again, as after kexec, and then a reset */
    linux_start(&r);
    qtest_system_reset(r.qts);
    g_assert_cmphex(qtest_readl(r.qts, DIRECT0(0) + EN_OK), ==, 0);
    linux_start(&r);
    submit(&r, 0, SYNC);
    assert_done(&r, 0);
    qtest_quit(r.qts);
}

/* A queue stops with an interrupt, and continues after the repair */
static void test_error(void)
{
    /*
     * An unknown opcode, CFGI_ALL, TLBI_NSNH_ALL, a CMD_SYNC with an interrupt,
     * ATC_INV without ATS
     */
    static const uint64_t commands[] = {
        0xff, 0x04, 0x30, SYNC | 1 << 12, 0x40 | 0x100ULL << 32,
    };
    Rig r;

    start(&r, ",cmdqv=on", "");
    cmdqv_init_irq(&r);
    linux_start(&r);
    for (int i = 0; i < ARRAY_SIZE(commands); i++) {
        submit(&r, 0, TLBI);
        g_assert_false(cmdqv_take_irq(&r));
        submit(&r, 0, commands[i]);
        submit(&r, 0, SYNC);
        g_assert_true(cmdqv_take_irq(&r));
        g_assert_cmphex(qtest_readl(r.qts, P0(0) + CONS) & 0xfffff, ==,
                        3 * i + 1);
        submit(&r, 1, SYNC);
        assert_done(&r, 1);
        repair(&r, 0);
        assert_done(&r, 0);
        g_assert_false(cmdqv_take_irq(&r));
    }
    qtest_quit(r.qts);
}

/* A device's DMA writes the value in edu's buffer to a doorbell */
static void test_dma(void)
{
    const uint32_t prod = RIG_MARK & 0xfffff, wrap = (2 << LOG2SIZE) - 1;
    Rig r;

    start(&r, ",cmdqv=on", RIG_EDU ",bus=pcie.0,addr=1.0");
    rig_setup_edu(&r, rig_config(0, 1), BAR);
    linux_start(&r);
    qtest_memset(r.qts, QUEUE(0), SYNC, 16 << LOG2SIZE);
    rig_edu_dma(&r, RIG_EDU_BUFFER, P0(0) + PROD, true);
    g_assert_cmphex(qtest_readl(r.qts, P0(0) + PROD), ==, prod);
    g_assert_cmphex(qtest_readl(r.qts, P0(0) + CONS), ==, prod & wrap);
    /* A queue in the page of its own registers is not in memory */
    qtest_writel(r.qts, P0(1) + EN, 0);
    qtest_writeq(r.qts, P1(1), (CMDQV + 0x30000) | LOG2SIZE);
    qtest_writel(r.qts, P0(1) + EN, 1);
    qtest_writel(r.qts, P0(1) + PROD, 1);
    g_assert_cmphex(qtest_readl(r.qts, P0(1) + CONS), ==,
                    RIG_CERROR_ABT << 24);
    qtest_quit(r.qts);
}

/* Long queues must not block other work */

#define LONG_BASE   0x43000000ULL
#define LONG_LOG2   19
#define CHUNK       1024

static void ring_long(Rig *r)
{
    qtest_writel(r->qts, P0(0) + EN, 0);
    qtest_writeq(r->qts, P1(0), LONG_BASE | LONG_LOG2);
    qtest_writel(r->qts, P0(0) + EN, 1);
    qtest_memset(r->qts, LONG_BASE, SYNC, 16 << LONG_LOG2);
    qtest_writel(r->qts, P0(0) + PROD, 1 << LONG_LOG2);
}

static void assert_responds(Rig *r)
{
    int64_t start = g_get_monotonic_time();

    qtest_qmp_assert_success(r->qts, "{'execute': 'query-status'}");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
}

static void test_long(void)
{
    Rig r;

    start(&r, ",cmdqv=on", "");
    linux_start(&r);
    ring_long(&r);
    for (uint32_t done = CHUNK; done < 1 << LONG_LOG2; done += CHUNK) {
        g_assert_cmphex(qtest_readl(r.qts, P0(0) + CONS), ==, done);
        if (done % (64 * CHUNK) == 0) {
            assert_responds(&r);
            qtest_qmp_assert_success(r.qts, "{'execute': 'stop'}");
            qtest_clock_step(r.qts, 10);
            g_assert_cmphex(qtest_readl(r.qts, P0(0) + CONS), ==, done);
            qtest_qmp_assert_success(r.qts, "{'execute': 'cont'}");
            done += CHUNK;          /* executed at the start */
            g_assert_cmphex(qtest_readl(r.qts, P0(0) + CONS), ==, done);
        }
        qtest_clock_step(r.qts, 1);
    }
    assert_done(&r, 0);
    qtest_quit(r.qts);
}

/* Migration */

static char *make_uri(void)
{
    return g_strdup_printf("file:%s/state", tmpdir);
}

static char *save(Rig *r)
{
    g_autofree char *uri = make_uri();

    rig_save(r->qts, uri);
    qtest_quit(r->qts);
    return g_steal_pointer(&uri);
}

static void load(Rig *r, const char *options, const char *uri)
{
    start(r, options, "-S -incoming defer");
    qtest_qmp_assert_success(r->qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    g_assert_true(rig_migrated(r->qts));
}

static GArray *read_all(QTestState *qts)
{
    static const RigRow rows[] = {
        { 0, 0x34 }, { 0x200, 0x10 }, { 0x1000, 0x100 }, { 0x10000, 0x100 },
        { 0x20000, 0x100 }, { 0x30000, 0x100 }, { 0x40000, 0x100 },
    };
    return rig_read_rows(qts, CMDQV, rows, ARRAY_SIZE(rows));
}

/* Migrate in both directions, with an error and a mostly unexecuted queue */
static void test_migration(void)
{
    g_autoptr(GArray) before = NULL;
    Rig r;

    start(&r, ",cmdqv=on", "");
    linux_start(&r);
    for (int i = 0; i < 16; i++) {
        qtest_writel(r.qts, VINTF + 0x40 + 4 * i, (0x100 + i) << 1 | 1);
        qtest_writel(r.qts, VINTF + 0x80 + 4 * i, 0x200 + i);
    }
    qtest_writel(r.qts, CMDQV + 0x1c, 1);
    submit(&r, 1, TLBI);
    submit(&r, 1, 0xff);
    ring_long(&r);
    qtest_qmp_assert_success(r.qts, "{'execute': 'stop'}");
    before = read_all(r.qts);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GArray) after = NULL;
        g_autofree char *uri = save(&r);

        load(&r, i ? ",cmdqv=on" : ",cmdqv=on,cmdqv-param=0x4011", uri);
        after = read_all(r.qts);
        g_assert_cmpmem(after->data, after->len * 4, before->data,
                        before->len * 4);
    }
    qtest_qmp_assert_success(r.qts, "{'execute': 'cont'}");
    qtest_clock_step(r.qts, 1000);
    assert_done(&r, 0);
    repair(&r, 1);
    assert_done(&r, 1);
    qtest_quit(r.qts);
}

/* With cmdqv=auto and no host there is no CMDQV, and none in the stream */
static void test_auto(void)
{
    static const char *const options[] = { ",cmdqv=auto", ",cmdqv=off", "" };

    for (int from = 0; from < ARRAY_SIZE(options); from++) {
        for (int to = 0; to < ARRAY_SIZE(options); to++) {
            g_autofree char *uri = NULL;
            Rig r;

            start(&r, options[from], "");
            g_assert_cmphex(qtest_readl(r.qts, CMDQV + 4), ==, 0);
            qtest_system_reset(r.qts);
            uri = save(&r);
            load(&r, options[to], uri);
            qtest_quit(r.qts);
        }
    }
}

/* Refusals */

static void assert_refused(const char *args, const char *error)
{
    g_autofree char *all = g_strconcat(MACHINE, args, NULL);

    rig_assert_refused(all, error);
}

/* A guest without a CMDQV does not get one by migration */
static void test_gained(void)
{
    g_autofree char *uri = NULL, *args = NULL;
    Rig r;

    start(&r, "", "");
    uri = save(&r);
    args = g_strdup_printf(RIG_ACCEL ",cmdqv=on -incoming %s", uri);
    assert_refused(args, "the incoming guest does not have a CMDQV, but this "
                   "side does: give both sides the same cmdqv=");
}

static void test_mismatch(void)
{
    static const struct {
        const char *options, *error;
    } cases[] = {
        { "", "the incoming guest has a CMDQV, which is missing here: give "
              "both sides the same cmdqv=" },
        { ",cmdqv=off", "the incoming guest has a CMDQV" },
        { ",cmdqv=auto", "the incoming guest has a CMDQV" },
        { ",cmdqv=on,cmdqv-param=0x4021", "cmdqv= and cmdqv-param= have to be "
          "the same on both sides" },
        { ",cmdqv=on,cmdqv-param=0x3011", "cmdqv= and cmdqv-param= have to be "
          "the same on both sides" },
    };
    g_autofree char *uri = NULL;
    Rig r;

    start(&r, ",cmdqv=on", "");
    linux_start(&r);
    uri = save(&r);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *args = g_strdup_printf(RIG_ACCEL "%s -incoming %s",
                                                cases[i].options, uri);

        assert_refused(args, cases[i].error);
    }
}

static void test_refused(void)
{
    assert_refused(RIG_ACCEL ",cmdqv=on,cmdqv-param=0x4012",
                   "cmdqv-param=0x4012 is illegal: VER");
    assert_refused(RIG_ACCEL ",cmdqv=auto,cmdqv-param=0x4111",
                   "cmdqv-param=0x4111 is illegal: a guest has one virtual "
                   "interface. Omit it, or give 0x4011");
    assert_refused(RIG_ACCEL ",cmdqv=off,cmdqv-param=0x4011",
                   "add cmdqv=on, or remove it");
    assert_refused(RIG_ACCEL ",cmdqv=yes", "'cmdqv'");
    assert_refused(RIG_ACCEL ",cmdqv=on,x-cmdqv-vintfs=4", "x-cmdqv-vintfs= is "
                   "for an emulated SMMUv3");
    assert_refused("-device arm-smmuv3,primary-bus=pcie.0,cmdqv=on",
                   "accel=on");
}

static void remove_tmpdir(void)
{
    g_autofree char *state = g_build_filename(tmpdir, "state", NULL);

    g_unlink(state);
    g_rmdir(tmpdir);
    g_free(tmpdir);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    tmpdir = g_dir_make_tmp("smmuv3-accel-cmdqv-XXXXXX", NULL);
    g_assert_nonnull(tmpdir);
    qtest_add_func("smmuv3-accel/cmdqv/linux", test_linux);
    qtest_add_func("smmuv3-accel/cmdqv/error", test_error);
    qtest_add_func("smmuv3-accel/cmdqv/dma", test_dma);
    qtest_add_func("smmuv3-accel/cmdqv/long", test_long);
    qtest_add_func("smmuv3-accel/cmdqv/migration", test_migration);
    qtest_add_func("smmuv3-accel/cmdqv/auto", test_auto);
    qtest_add_func("smmuv3-accel/cmdqv/gained", test_gained);
    qtest_add_func("smmuv3-accel/cmdqv/mismatch", test_mismatch);
    qtest_add_func("smmuv3-accel/cmdqv/refused", test_refused);
    ret = g_test_run();
    remove_tmpdir();
    return ret;
}
