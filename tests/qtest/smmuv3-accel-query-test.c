/*
 * QTest: query-smmuv3-accel and "info smmuv3-accel"
 *
 * Host devices are tested in test-smmuv3-accel-query.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "smmuv3-accel.h"

#define ECAM_BASE 0x4010000000
#define SECONDARY_BUS 0x19      /* of a bridge, in configuration space */

/* In their order, with a possible value for each */
typedef struct Smmu {
    const char *id, *bus, *args;
    struct {
        const char *name, *origin;
        uint32_t value;
    } reg[8];
} Smmu;

static const Smmu smmu_a = {
    "a", "pcie.0", SPEC_A,
    {
        { "idr0", "given", 0xd40101a }, { "idr1", "given", 0x2730010 },
        { "idr2", "default", 0 },       { "idr3", "given", 0x1400 },
        { "idr4", "default", 0 },       { "idr5", "given", 0x74 },
        { "iidr", "given", 0x43b },     { "aidr", "given", 0x1 },
    },
};

static const Smmu smmu_b = {
    "b", "pxb1",
    "idr0=0xd40041a,idr1=0x1080018,idr3=0xc00,idr4=0xdeadbeef,idr5=0x10,"
    "iidr=0x48302b4c,aidr=0x3",
    {
        { "idr0", "given", 0xd40041a }, { "idr1", "given", 0x1080018 },
        { "idr2", "default", 0 },       { "idr3", "given", 0xc00 },
        { "idr4", "given", 0xdeadbeef }, { "idr5", "given", 0x10 },
        { "iidr", "given", 0x48302b4c }, { "aidr", "given", 0x3 },
    },
};

static QTestState *start_one(const char *args)
{
    return qtest_initf("-M virt -nodefaults -device arm-smmuv3-accel,id=%s,"
                       "bus=%s,%s %s", smmu_a.id, smmu_a.bus, smmu_a.args,
                       args);
}

/* The one with the higher bus number comes first on the command line */
static QTestState *start_two(void)
{
    return qtest_initf("-M virt -nodefaults " PXB("pxb1", "8")
                       "-device arm-smmuv3-accel,id=%s,bus=%s,%s,host-smmu=x "
                       "-device arm-smmuv3-accel,id=%s,bus=%s,%s",
                       smmu_b.id, smmu_b.bus, smmu_b.args,
                       smmu_a.id, smmu_a.bus, smmu_a.args);
}

static QList *query(QTestState *qts)
{
    QDict *reply = qtest_qmp(qts, "{'execute': 'query-smmuv3-accel'}");
    QList *list = qdict_get_qlist(reply, "return");

    g_assert_nonnull(list);
    qobject_ref(list);
    qobject_unref(reply);
    return list;
}

static QDict *nth(QList *list, unsigned n)
{
    const QListEntry *entry = qlist_first(list);

    while (n-- && entry) {
        entry = qlist_next(entry);
    }
    g_assert_nonnull(entry);
    return qobject_to(QDict, qlist_entry_obj(entry));
}

/* The entry of @list with @key being @value */
static QDict *find(QList *list, const char *key, const char *value)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *dict = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(dict, key), value)) {
            return dict;
        }
    }
    g_test_message("no %s '%s'", key, value);
    g_assert_not_reached();
}

static uint64_t count(QDict *smmu, const char *list, const char *key,
                      const char *value)
{
    QDict *counters = qdict_get_qdict(smmu, "counters");

    return qdict_get_int(find(qdict_get_qlist(counters, list), key, value),
                         "count");
}

static void assert_smmu(QDict *info, const Smmu *smmu)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s",
                                            smmu->id);
    QList *regs = qdict_get_qlist(info, "registers");

    g_assert_cmpstr(qdict_get_str(info, "qom-path"), ==, path);
    g_assert_cmpstr(qdict_get_str(info, "id"), ==, smmu->id);
    g_assert_cmpstr(qdict_get_str(info, "bus"), ==, smmu->bus);
    g_assert_cmpstr(qdict_get_str(info, "mode"), ==, "specified");
    g_assert_cmpstr(qdict_get_str(info, "spec"), ==, smmu->args);
    g_assert_false(qdict_get_bool(info, "enabled"));
    g_assert_false(qdict_haskey(info, "inherited-from"));
    g_assert_false(qdict_haskey(info, "host-smmu"));
    g_assert_false(qdict_haskey(info, "viommu"));
    g_assert_true(qlist_empty(qdict_get_qlist(info, "host-devices")));

    g_assert_cmpuint(qlist_size(regs), ==, ARRAY_SIZE(smmu->reg));
    for (int i = 0; i < ARRAY_SIZE(smmu->reg); i++) {
        QDict *reg = nth(regs, i);

        g_assert_cmpstr(qdict_get_str(reg, "name"), ==, smmu->reg[i].name);
        g_assert_cmpstr(qdict_get_str(reg, "origin"), ==, smmu->reg[i].origin);
        g_assert_cmphex(qdict_get_int(reg, "value"), ==, smmu->reg[i].value);
    }
}

static uint32_t field(QDict *info, const char *reg, const char *name)
{
    QDict *r = find(qdict_get_qlist(info, "registers"), "name", reg);

    return qdict_get_int(find(qdict_get_qlist(r, "fields"), "name", name),
                         "value");
}

static void test_none(void)
{
    QTestState *qts = qtest_init("-M virt -nodefaults");
    g_autofree char *text = qtest_hmp(qts, "info smmuv3-accel");
    QList *list = query(qts);

    g_assert_true(qlist_empty(list));
    g_assert_cmpstr(text, ==, "no arm-smmuv3-accel\r\n");
    qobject_unref(list);
    qtest_quit(qts);
}

/* The plain device, the parent type, is not listed */
static void test_plain(void)
{
    QTestState *qts = qtest_init("-M virt,iommu=smmuv3 -nodefaults");
    QList *list = query(qts);

    g_assert_true(qlist_empty(list));
    qobject_unref(list);
    qtest_quit(qts);
}

static void test_one(void)
{
    QTestState *qts = start_one("");
    QList *list = query(qts);
    QDict *info = nth(list, 0);

    g_assert_cmpuint(qlist_size(list), ==, 1);
    assert_smmu(info, &smmu_a);
    g_assert_false(qdict_haskey(info, "host-smmu-wanted"));
    g_assert_cmpuint(field(info, "idr0", "TTF"), ==, 2);
    g_assert_cmpuint(field(info, "idr0", "PRI"), ==, 0);
    g_assert_cmpuint(field(info, "idr1", "SIDSIZE"), ==, 16);
    g_assert_cmpuint(field(info, "idr3", "BBML"), ==, 2);
    g_assert_cmpuint(field(info, "idr5", "OAS"), ==, 4);
    g_assert_cmpuint(field(info, "iidr", "IMPLEMENTER"), ==, 0x43b);
    qobject_unref(list);
    qtest_quit(qts);
}

static void test_two(void)
{
    QTestState *qts = start_two();
    QList *list = query(qts);

    g_assert_cmpuint(qlist_size(list), ==, 2);
    assert_smmu(nth(list, 0), &smmu_a);
    assert_smmu(nth(list, 1), &smmu_b);
    g_assert_cmpstr(qdict_get_str(nth(list, 1), "host-smmu-wanted"), ==, "x");
    qobject_unref(list);
    qtest_quit(qts);
}

static void assert_emulated(QDict *dev, const char *driver, const char *id,
                            const char *bus, unsigned slot, int sid)
{
    g_assert_cmpstr(qdict_get_str(dev, "driver"), ==, driver);
    g_assert_cmpstr(qdict_get_str(dev, "id"), ==, id);
    g_assert_cmpstr(qdict_get_str(dev, "bus"), ==, bus);
    g_assert_cmpuint(qdict_get_int(dev, "slot"), ==, slot);
    g_assert_cmpuint(qdict_get_int(dev, "function"), ==, 0);
    g_assert_cmpint(qdict_get_try_int(dev, "sid", -1), ==, sid);
}

/* Each is behind the SMMU of its own root complex */
static void test_emulated(void)
{
    QTestState *qts = qtest_initf("-M virt -nodefaults " PXB("pxb1", "8")
        "-device arm-smmuv3-accel,id=a,bus=pcie.0,%s "
        "-device arm-smmuv3-accel,id=b,bus=pxb1,%s "
        "-device pcie-root-port,id=rp,bus=pxb1,chassis=1,addr=3 "
        "-device virtio-rng-pci,id=rng,bus=rp "
        "-device pci-testdev,id=test,bus=pcie.0,addr=4",
        smmu_a.args, smmu_b.args);
    QList *list = query(qts);
    QList *a = qdict_get_qlist(nth(list, 0), "emulated-devices");
    QList *b = qdict_get_qlist(nth(list, 1), "emulated-devices");

    g_assert_cmpuint(qlist_size(a), ==, 1);
    assert_emulated(nth(a, 0), "pci-testdev", "test", "pcie.0", 4, 0x20);
    g_assert_cmpuint(qlist_size(b), ==, 2);
    assert_emulated(nth(b, 0), "pcie-root-port", "rp", "pxb1", 3, 0x818);
    assert_emulated(nth(b, 1), "virtio-rng-pci", "rng", "rp", 0, -1);
    qobject_unref(list);

    /* The guest numbers the bus behind the port */
    qtest_writeb(qts, ECAM_BASE + (0x818 << 12) + SECONDARY_BUS, 9);
    list = query(qts);
    b = qdict_get_qlist(nth(list, 1), "emulated-devices");
    assert_emulated(nth(b, 1), "virtio-rng-pci", "rng", "rp", 0, 0x900);
    qobject_unref(list);
    qtest_quit(qts);
}

/* TLBI_NH_ALL, CFGI_ALL, CMD_SYNC and an invalid one */
static void test_guest(void)
{
    static const uint64_t commands[][2] = {
        { 0x10, 0 }, { 0x4, 31 }, { 0x46, 0 }, { 0xff, 0 },
    };
    static const uint64_t queue = 0x40000000;
    QTestState *qts = start_one("");
    QList *list;
    QDict *info, *eventq;

    for (int i = 0; i < ARRAY_SIZE(commands); i++) {
        qtest_writeq(qts, queue + 16 * i, commands[i][0]);
        qtest_writeq(qts, queue + 16 * i + 8, commands[i][1]);
    }
    qtest_writeq(qts, MMIO_BASE + CMDQ_BASE, queue | 3);
    qtest_writeq(qts, MMIO_BASE + EVENTQ_BASE, (queue + 0x1000) | 5);
    qtest_writel(qts, MMIO_BASE + CR0, 0xd);
    qtest_writel(qts, MMIO_BASE + CMDQ_PROD, ARRAY_SIZE(commands));

    for (int reset = 0; reset < 2; reset++) {
        list = query(qts);
        info = nth(list, 0);
        eventq = qdict_get_qdict(info, "event-queue");
        g_assert_cmpint(qdict_get_bool(info, "enabled"), ==, !reset);
        g_assert_cmpint(qdict_get_bool(eventq, "enabled"), ==, !reset);
        if (!reset) {
            g_assert_cmpuint(qdict_get_int(eventq, "entries"), ==, 32);
        }
        g_assert_false(qdict_haskey(eventq, "id"));
        g_assert_cmpuint(count(info, "commands", "command", "tlbi"), ==, 1);
        g_assert_cmpuint(count(info, "commands", "command", "cfgi-ste"), ==, 1);
        g_assert_cmpuint(count(info, "commands", "command", "sync"), ==, 1);
        g_assert_cmpuint(count(info, "commands", "command", "illegal"), ==, 1);
        g_assert_cmpuint(count(info, "commands", "command", "other"), ==, 0);
        g_assert_cmpuint(count(info, "ioctls", "ioctl", "invalidate"), ==, 0);
        qobject_unref(list);
        qtest_system_reset(qts);
    }
    qtest_quit(qts);
}

/* Registers of a CMDQV on the platform bus, which is the first there */
#define CMDQV       (MMIO_BASE + 0x80000)
#define VINTF       (CMDQV + 0x1000)
#define ALLOC_MAP   (CMDQV + 0x200)
#define VCMDQ0      (CMDQV + 0x30000)
#define VCMDQ1      (CMDQV + 0x40000)

static void assert_cmdqv(QTestState *qts, const char *wanted, const char *mode,
                         int param, int nb_queues)
{
    QList *list = query(qts);
    QDict *cmdqv = qdict_get_qdict(nth(list, 0), "cmdqv");

    g_assert_cmpstr(qdict_get_str(cmdqv, "wanted"), ==, wanted);
    g_assert_cmpstr(qdict_get_str(cmdqv, "mode"), ==, mode);
    g_assert_cmpint(qdict_get_try_int(cmdqv, "param", -1), ==, param);
    g_assert_cmpuint(qlist_size(qdict_get_qlist(cmdqv, "queues")), ==,
                     nb_queues);
    qobject_unref(list);
}

/* Which options give a CMDQV, and what the monitor prints about it */
static void test_cmdqv(void)
{
    static const struct {
        const char *args, *wanted, *mode, *line;
        int param, nb_queues;
    } cases[] = {
        { "", "off", "none", NULL, -1, 0 },
        { ",cmdqv=off", "off", "none", NULL, -1, 0 },
        /* No host device at start */
        { ",cmdqv=auto", "auto", "none",
          "\n  CMDQV       cmdqv=auto, none\r\n", -1, 0 },
        { ",cmdqv=on", "on", "software",
          "\n  CMDQV       cmdqv=on, PARAM 0x4011, software, 256 entries "
          "fit in hardware\r\n", 0x4011, 2 },
        { ",cmdqv=on,cmdqv-param=0x3021", "on", "software",
          "\n  CMDQV       cmdqv=on, PARAM 0x3021, software, 256 entries "
          "fit in hardware\r\n", 0x3021, 4 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        QTestState *qts = qtest_initf("-M virt -nodefaults -device "
                                      "arm-smmuv3-accel,bus=pcie.0,%s%s",
                                      SPEC_A, cases[i].args);
        g_autofree char *text = qtest_hmp(qts, "info smmuv3-accel");

        assert_cmdqv(qts, cases[i].wanted, cases[i].mode, cases[i].param,
                     cases[i].nb_queues);
        g_test_message("%s: %s", cases[i].args, text);
        g_assert_true(!!strstr(text, "\n      why software: there is no host "
                               "device\r\n") == !!cases[i].nb_queues);
        g_assert_true(!!strstr(text, cases[i].line ?: "CMDQV") ==
                      !!cases[i].line);
        qtest_quit(qts);
    }
}

/* The first queue is enabled, and has a command that is illegal there */
static void test_cmdqv_queues(void)
{
    QTestState *qts = qtest_init("-M virt -nodefaults -m 64M -device "
                                 "arm-smmuv3-accel,bus=pcie.0,cmdqv=on,"
                                 SPEC_A);
    g_autofree char *text = NULL;
    QList *list, *queues;
    QDict *info, *q;

    qtest_writel(qts, VINTF, 1);
    qtest_writel(qts, ALLOC_MAP, 1);
    qtest_writeq(qts, VCMDQ1, 0x42000000 | 8);
    qtest_writel(qts, VCMDQ0 + 8, 1);
    qtest_writeq(qts, 0x42000000, 0x46);
    qtest_writeq(qts, 0x42000010, 0x4);      /* CFGI_ALL */
    qtest_writel(qts, VCMDQ0 + 4, 2);

    list = query(qts);
    info = nth(list, 0);
    queues = qdict_get_qlist(qdict_get_qdict(info, "cmdqv"), "queues");
    q = nth(queues, 0);
    g_assert_true(qdict_get_bool(q, "enabled"));
    g_assert_cmpuint(qdict_get_int(q, "log2size"), ==, 8);
    g_assert_cmphex(qdict_get_int(q, "prod"), ==, 2);
    g_assert_cmphex(qdict_get_int(q, "cons"), ==, 4 << 24 | 1);
    g_assert_cmphex(qdict_get_int(q, "errors"), ==, 1);
    q = nth(queues, 1);
    g_assert_false(qdict_get_bool(q, "enabled"));
    g_assert_false(qdict_haskey(q, "log2size"));
    q = qdict_get_qdict(info, "counters");
    g_assert_cmpuint(qdict_get_int(q, "cmdqv-doorbells"), ==, 1);
    g_assert_cmpuint(qdict_get_int(q, "cmdqv-commands"), ==, 2);
    g_assert_cmpuint(qdict_get_int(q, "cmdqv-errors"), ==, 1);
    qobject_unref(list);

    text = qtest_hmp(qts, "info smmuv3-accel");
    g_assert_nonnull(strstr(text, "\n      queue 0 256 entries, PROD 0x2, "
                            "CONS 0x1, STOPPED BY ERROR 4\r\n"
                            "      queue 1 off\r\n"));
    g_assert_nonnull(strstr(text, "\n  by CMDQV    doorbells 1, commands 2, "
                            "errors 1\r\n"));
    qtest_quit(qts);
}

/* One block for each vSMMU, with every register and no long lines */
static void test_hmp(void)
{
    QTestState *qts = start_two();
    g_autofree char *text = qtest_hmp(qts, "info smmuv3-accel");
    g_auto(GStrv) blocks = NULL, lines = NULL;
    const Smmu *smmus[] = { &smmu_a, &smmu_b };

    qtest_quit(qts);
    g_assert_true(g_str_has_prefix(text, "a on pcie.0: translation off, "
                                   "registers specified\r\n"));
    lines = g_strsplit(text, "\r\n", 0);
    for (char **line = lines; *line; line++) {
        /* The line to paste is not broken */
        if (!g_str_has_prefix(*line, "  spec ")) {
            g_test_message("%s", *line);
            g_assert_cmpuint(strlen(*line), <=, 80);
        }
    }
    blocks = g_strsplit(text, "\r\nb on pxb1: ", 0);
    g_assert_cmpuint(g_strv_length(blocks), ==, 2);
    for (int i = 0; i < 2; i++) {
        for (int reg = 0; reg < ARRAY_SIZE(smmus[i]->reg); reg++) {
            g_autofree char *want = g_strdup_printf("\n  %s 0x%08x %s",
                smmus[i]->reg[reg].name, smmus[i]->reg[reg].value,
                smmus[i]->reg[reg].origin);

            g_test_message("%s", want);
            g_assert_nonnull(strstr(blocks[i], want));
        }
        g_assert_nonnull(strstr(blocks[i], smmus[i]->args));
        g_assert_null(strstr(blocks[i], " \r\n"));
        g_assert_null(strstr(blocks[i], "commands"));
    }
    g_assert_nonnull(strstr(blocks[0], " OAS=4(44bit) "));
    g_assert_nonnull(strstr(blocks[1], " OAS=0(32bit) "));
    g_assert_nonnull(strstr(blocks[1], ", host-smmu=x"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("smmuv3-accel/query/none", test_none);
    qtest_add_func("smmuv3-accel/query/plain", test_plain);
    qtest_add_func("smmuv3-accel/query/one", test_one);
    qtest_add_func("smmuv3-accel/query/two", test_two);
    qtest_add_func("smmuv3-accel/query/emulated", test_emulated);
    qtest_add_func("smmuv3-accel/query/guest", test_guest);
    qtest_add_func("smmuv3-accel/query/hmp", test_hmp);
    qtest_add_func("smmuv3-accel/query/cmdqv", test_cmdqv);
    qtest_add_func("smmuv3-accel/query/cmdqv-queues", test_cmdqv_queues);
    return g_test_run();
}
