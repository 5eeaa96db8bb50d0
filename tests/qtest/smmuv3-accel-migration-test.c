/*
 * QTest: migration of arm-smmuv3-accel
 *
 * A machine saves its state to a file, and another machine loads it. The tests
 * use neither host devices nor KVM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <glib/gstdio.h>
#include "smmuv3-accel.h"
#include "smmuv3-rig.h"

#define MACHINE "-M virt -m 64M -nodefaults -display none "
#define PXB8 PXB("pxb1", "8")
#define SMMU_A(spec) "-device arm-smmuv3-accel,id=a,bus=pcie.0," spec " "
#define SMMU_B(spec) "-device arm-smmuv3-accel,id=b,bus=pxb1," spec " "

/* With IDR0.MSI, so that the MSI registers can be written */
#define SPEC_MSI "idr0=0xd40301a,idr1=0x2730010,idr3=0x1400,idr5=0x74," \
                 "iidr=0x43b,aidr=0x1"

#define QUEUE 0x40000000        /* start of RAM */

static char *tmpdir;

/*
 * All registers that a guest can write, with other values than after reset. CR0
 * is written later, because the device changes PROD and CONS of enabled queues,
 * and IRQ_CTRL last, because it makes the registers of the MSIs read-only.
 */
static const struct {
    uint32_t offset;
    uint32_t value;
} writes[] = {
    { 0x28, 0xd75 },            /* CR1 */
    { 0x2c, 0x7 },              /* CR2 */
    { GBPA, 0x80100001 },       /* ABORT, UPDATE */
    { 0x68, 0x08020040 },       /* GERROR_IRQ_CFG0 */
    { 0x6c, 0x1 },
    { 0x70, 0x123 },            /* GERROR_IRQ_CFG1 */
    { 0x74, 0x1f },             /* GERROR_IRQ_CFG2 */
    { 0x80, 0x41230000 },       /* STRTAB_BASE */
    { 0x84, 0x40000001 },
    { 0x88, 0x10210 },          /* STRTAB_BASE_CFG: two levels, SPLIT 8 */
    { 0xa0, 0x40100005 },       /* EVENTQ_BASE: 32 entries */
    { 0xa4, 0x40000000 },
    { 0xb0, 0x08020080 },       /* EVENTQ_IRQ_CFG0 */
    { 0xb4, 0x2 },
    { 0xb8, 0x124 },            /* EVENTQ_IRQ_CFG1 */
    { 0xbc, 0x1e },             /* EVENTQ_IRQ_CFG2 */
    { 0x100a8, 0x80000007 },    /* EVENTQ_PROD, overflow */
    { 0x100ac, 0x3 },           /* EVENTQ_CONS */
    { 0x50, 0x5 },              /* IRQ_CTRL */
};

/* A command, an invalid opcode, a command */
static void queue_commands(QTestState *qts, uint64_t base, uint64_t queue)
{
    /* CMD_CFGI_ALL, invalid, CMD_SYNC */
    static const uint64_t commands[] = { 0x04, 0xff, 0x46 };

    for (int i = 0; i < ARRAY_SIZE(commands); i++) {
        qtest_writeq(qts, queue + 16 * i, commands[i]);
        qtest_writeq(qts, queue + 16 * i + 8, 0);
    }
    qtest_writeq(qts, base + CMDQ_BASE, queue | 3);
    qtest_writel(qts, base + CR0, 0xc);
    qtest_writel(qts, base + CMDQ_PROD, 3);
    /* CERROR_ILL at index 1 */
    g_assert_cmphex(qtest_readl(qts, base + CMDQ_CONS), ==, 1 << 24 | 1);
}

static void configure(QTestState *qts, uint64_t base, uint64_t queue)
{
    for (int i = 0; i < ARRAY_SIZE(writes); i++) {
        uint32_t before = qtest_readl(qts, base + writes[i].offset);

        qtest_writel(qts, base + writes[i].offset, writes[i].value);
        g_test_message("0x%x", writes[i].offset);
        g_assert_cmphex(qtest_readl(qts, base + writes[i].offset), !=, before);
    }
    queue_commands(qts, base, queue);
}

/* Both pages, every word */
static uint32_t *read_all(QTestState *qts, uint64_t base)
{
    uint32_t *words = g_new(uint32_t, MMIO_SIZE / 4);

    for (int i = 0; i < 0x100 / 4; i++) {
        words[i] = qtest_readl(qts, base + 4 * i);
        words[0x10000 / 4 + i] = qtest_readl(qts, base + 0x10000 + 4 * i);
    }
    return words;
}

static void assert_all(QTestState *qts, uint64_t base, const uint32_t *words)
{
    for (int i = 0; i < 0x100 / 4; i++) {
        g_test_message("0x%x", 4 * i);
        g_assert_cmphex(qtest_readl(qts, base + 4 * i), ==, words[i]);
        g_assert_cmphex(qtest_readl(qts, base + 0x10000 + 4 * i), ==,
                        words[0x10000 / 4 + i]);
    }
}

/* Migrate to a file; returns its URI */
static char *save(QTestState *qts)
{
    g_autofree char *uri = g_strdup_printf("file:%s/state", tmpdir);

    rig_save(qts, uri);
    return g_steal_pointer(&uri);
}

static QTestState *load(const char *args, const char *uri)
{
    QTestState *qts = qtest_initf("%s -incoming defer", args);

    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    g_assert_true(rig_migrated(qts));
    return qts;
}

static void test_registers(void)
{
    static const char args[] = MACHINE PXB8 SMMU_A(SPEC_MSI) SMMU_B(SPEC_B);
    QTestState *qts = qtest_init(args);
    g_autofree uint32_t *a = NULL, *b = NULL;
    g_autofree char *uri = NULL;

    /* One is set up, the other has its reset values */
    configure(qts, MMIO_BASE, QUEUE);
    a = read_all(qts, MMIO_BASE);
    b = read_all(qts, MMIO_BASE + MMIO_SIZE);
    uri = save(qts);
    qtest_quit(qts);

    qts = load(args, uri);
    assert_all(qts, MMIO_BASE, a);
    assert_all(qts, MMIO_BASE + MMIO_SIZE, b);

    /* The queue continues where it stopped, after the error is corrected */
    qtest_writeq(qts, QUEUE + 16, 0x46);
    qtest_writel(qts, MMIO_BASE + GERRORN,
                 qtest_readl(qts, MMIO_BASE + GERROR));
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CMDQ_CONS) & 0xf, ==, 3);

    /* A reset sets the values of this side */
    qtest_system_reset(qts);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CR0ACK), ==, 0);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + GBPA), ==, 0x1000);
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE), ==, a[0]);
    qtest_quit(qts);
}

/* Each of two SMMUs gets its own state */
static void test_two(void)
{
    static const char args[] = MACHINE PXB8 SMMU_B(SPEC_B) SMMU_A(SPEC_MSI);
    QTestState *qts = qtest_init(args);
    g_autofree uint32_t *first = NULL, *second = NULL;
    g_autofree char *uri = NULL;

    queue_commands(qts, MMIO_BASE, QUEUE);
    configure(qts, MMIO_BASE + MMIO_SIZE, QUEUE + 0x1000);
    first = read_all(qts, MMIO_BASE);
    second = read_all(qts, MMIO_BASE + MMIO_SIZE);
    uri = save(qts);
    qtest_quit(qts);

    qts = load(args, uri);
    assert_all(qts, MMIO_BASE, first);
    assert_all(qts, MMIO_BASE + MMIO_SIZE, second);
    qtest_quit(qts);
}

/*
 * A destination that does not match
 */

typedef struct Mismatch {
    const char *name;
    const char *args;
    const char *error;          /* in its stderr */
} Mismatch;

#define OTHER_REGS "the incoming guest has other ID registers: "

static const Mismatch mismatches[] = {
    { "one-register", PXB8 SMMU_A("idr0=0xd40301a,idr1=0x2730010,idr3=0x1000,"
                                 "idr5=0x74,iidr=0x43b,aidr=0x1")
      SMMU_B(SPEC_B),
      "arm-smmuv3-accel a on pcie.0: " OTHER_REGS
      "idr3 is 0x1400 there and 0x1000 here\nStart this side with " SPEC_MSI
      ".\n" },
    { "several-registers", PXB8 SMMU_A(SPEC_MSI)
      SMMU_B("idr0=0xd40041a,idr1=0x1080018,idr3=0xc00,idr5=0x14,"
             "iidr=0x48302b4c,aidr=0x2"),
      "arm-smmuv3-accel b on pxb1: " OTHER_REGS
      "idr4 is 0xdeadbeef there and 0x0 here, idr5 is 0x12 there and 0x14 "
      "here, aidr is 0x3 there and 0x2 here\nStart this side with " SPEC_B
      ".\n" },
    { "order", PXB8 SMMU_B(SPEC_B) SMMU_A(SPEC_MSI),
      "arm-smmuv3-accel b on pxb1: the incoming guest has this SMMU on the "
      "root complex whose first bus is 0, here that is 8: give both sides the "
      "same root complexes (bus_nr=), and the same order of -device "
      "arm-smmuv3-accel\n" },
    { "bus", PXB("pxb1", "16") SMMU_A(SPEC_MSI) SMMU_B(SPEC_B),
      "arm-smmuv3-accel b on pxb1: the incoming guest has this SMMU on the "
      "root complex whose first bus is 8, here that is 16: " },
};

static void assert_refused(const char *args, const char *uri, const char *error)
{
    g_autofree char *all = g_strdup_printf(MACHINE "%s -incoming %s", args,
                                           uri);

    rig_assert_refused(all, error);
}

static void test_mismatch(gconstpointer opaque)
{
    const Mismatch *mismatch = opaque;
    QTestState *qts = qtest_init(MACHINE PXB8 SMMU_A(SPEC_MSI) SMMU_B(SPEC_B));
    g_autofree char *uri = save(qts);

    qtest_quit(qts);
    assert_refused(mismatch->args, uri, mismatch->error);
}

/*
 * A stream that no source sends
 */

/* The position of a queue in the stream: BASE, PROD, CONS, log2 size */
static uint8_t *find_queue(char *stream, gsize size, uint64_t base)
{
    uint64_t be = cpu_to_be64(base);
    char *queue = memmem(stream, size, &be, sizeof(be));

    g_assert_nonnull(queue);
    g_assert_cmpint(stream + size - queue, >, 17);
    g_assert_null(memmem(queue + 1, stream + size - queue - 1, &be,
                         sizeof(be)));
    return (uint8_t *)queue;
}

/* A configured SMMU, with its registers in @words */
static char *save_configured(uint32_t **words)
{
    QTestState *qts = qtest_init(MACHINE SMMU_A(SPEC_MSI));
    char *uri;

    configure(qts, MMIO_BASE, QUEUE);
    *words = read_all(qts, MMIO_BASE);
    uri = save(qts);
    qtest_quit(qts);
    return uri;
}

static char *read_stream(const char *uri, gsize *size)
{
    g_autoptr(GError) err = NULL;
    char *stream = NULL;

    g_file_get_contents(uri + strlen("file:"), &stream, size, &err);
    g_assert_no_error(err);
    return stream;
}

static void write_stream(const char *uri, const char *stream, gsize size)
{
    g_autoptr(GError) err = NULL;

    g_file_set_contents(uri + strlen("file:"), stream, size, &err);
    g_assert_no_error(err);
}

/* A QEMU that stores bits of CMDQ_PROD and CMDQ_CONS which are reserved */
static void test_reserved(void)
{
    g_autofree uint32_t *words = NULL;
    g_autofree char *uri = save_configured(&words);
    gsize size;
    g_autofree char *stream = read_stream(uri, &size);
    uint8_t *queue = find_queue(stream, size, QUEUE | 3);
    QTestState *qts;

    stl_be_p(queue + 8, ldl_be_p(queue + 8) | 0xfff00000);
    stl_be_p(queue + 12, ldl_be_p(queue + 12) | 0x80f00000);
    write_stream(uri, stream, size);

    qts = load(MACHINE SMMU_A(SPEC_MSI), uri);
    assert_all(qts, MMIO_BASE, words);
    qtest_writeq(qts, QUEUE + 16, 0x46);
    qtest_writel(qts, MMIO_BASE + GERRORN,
                 qtest_readl(qts, MMIO_BASE + GERROR));
    g_assert_cmphex(qtest_readl(qts, MMIO_BASE + CMDQ_CONS), ==,
                    1 << 24 | 3);
    qtest_quit(qts);
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
    tmpdir = g_dir_make_tmp("smmuv3-accel-migration-XXXXXX", NULL);
    g_assert_nonnull(tmpdir);

    qtest_add_func("smmuv3-accel/migration/registers", test_registers);
    qtest_add_func("smmuv3-accel/migration/two", test_two);
    for (int i = 0; i < ARRAY_SIZE(mismatches); i++) {
        g_autofree char *path =
            g_strdup_printf("smmuv3-accel/migration/mismatch/%s",
                            mismatches[i].name);

        qtest_add_data_func(path, &mismatches[i], test_mismatch);
    }
    qtest_add_func("smmuv3-accel/migration/reserved", test_reserved);
    ret = g_test_run();
    remove_tmpdir();
    return ret;
}
