/*
 * arm-smmuv3-accel: unit tests of a guest's CMDQV that QEMU executes
 *
 * Without a host, with one that has no CMDQV, and with one whose kernel is too
 * old to give queues to a guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "qemu/main-loop.h"

#define ILLEGAL     0xfe

static const FakeSMMU bigger_smmu = {
    .name = "smmu3.3",
    .cmdqv = { .version = 1, .log2vcmdqs = 2, .log2vsids = 3 },
    .interfaces = 1,
};
static const FakeSMMU later_smmu = {
    .name = "smmu3.4",
    .cmdqv = { .version = 2, .log2vcmdqs = 1, .log2vsids = 4 },
    .interfaces = 1,
};

static FakeSMMU with_info(const FakeSMMU *smmu)
{
    FakeSMMU ret = *smmu;

    ret.info = host_smmu.info;
    return ret;
}

/* Properties on the command line */

static void test_param(void)
{
    static const struct {
        uint32_t param;
        const char *why;    /* NULL: legal */
    } cases[] = {
        { 0x4011, NULL }, { 0x0001, NULL }, { 0x4071, NULL },
        { 0x14011, "reserved" }, { 0x4010, "VER" }, { 0x4012, "VER" },
        { 0x4081, "LOG2_VCMDQS" }, { 0x5011, "LOG2_SIDS" },
        { 0x4111, "one virtual interface" }, { 0x4211, "less than one VCMDQ" },
        { 0x4771, "LOG2_VINTFS" }, { UINT32_MAX, "reserved" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Error *err = NULL;
        Rig *rig = rig_cmdqv_new(LINUX_7_3, NULL, ON_OFF_AUTO_ON,
                                 cases[i].param, &err);

        g_assert(!rig == !!cases[i].why);
        if (rig) {
            g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_PARAM), ==,
                            cases[i].param);
            rig_free(rig);
            continue;
        }
        g_assert(strstr(error_get_pretty(err), cases[i].why));
        g_assert(strstr(error_get_pretty(err), "give 0x4011"));
        rig_refused(err);
    }
}

static void test_off(void)
{
    Error *err = NULL;
    Rig *rig = rig_cmdqv_new(LINUX_7_3, &cmdqv_smmu, ON_OFF_AUTO_OFF, 0,
                             &error_abort);

    g_assert(!rig->s->cmdqv && !smmuv3_accel_cmdqv_is_wanted(rig->s));
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(!rig->s->host->cmdqv);
    smmuv3_accel_cmdqv_decide(rig->s);
    smmuv3_accel_cmdqv_take_back(rig->s, "test");
    smmuv3_accel_cmdqv_notifiers_changed(rig->s);
    rig_reset(rig);
    g_assert_cmpint(smmuv3_accel_cmdqv_mode(rig->s), ==, SMMU_ACCEL_CMDQV_NONE);
    g_assert_null(smmuv3_accel_cmdqv_why(rig->s));
    rig_free(rig);

    g_assert(!rig_cmdqv_new(LINUX_7_3, NULL, ON_OFF_AUTO_OFF, 0x4011, &err));
    g_assert(strstr(error_get_pretty(err), "add cmdqv=on, or remove it"));
    rig_refused(err);
}

/* Whether the guest has a CMDQV depends on the host when the machine is done */
static void test_decide(void)
{
    FakeSMMU bigger = with_info(&bigger_smmu), later = with_info(&later_smmu);
    const struct {
        FakeKernel kernel;
        const FakeSMMU *smmu;   /* NULL: no host device at start */
        OnOffAuto wanted;
        uint32_t given, param;  /* 0: no CMDQV */
    } cases[] = {
        { LINUX_7_3, NULL, ON_OFF_AUTO_AUTO, 0, 0 },
        { LINUX_7_3, NULL, ON_OFF_AUTO_AUTO, 0x4021, 0 },
        { LINUX_7_3, &host_smmu, ON_OFF_AUTO_AUTO, 0, 0 },
        { LINUX_6_15, &cmdqv_smmu, ON_OFF_AUTO_AUTO, 0, 0 },
        { LINUX_7_3, &later, ON_OFF_AUTO_AUTO, 0, 0 },
        { LINUX_7_3, &cmdqv_smmu, ON_OFF_AUTO_AUTO, 0, 0x4011 },
        { LINUX_6_17, &bigger, ON_OFF_AUTO_AUTO, 0, 0x3021 },
        { LINUX_7_3, &bigger, ON_OFF_AUTO_AUTO, 0x4011, 0x4011 },
        { LINUX_7_3, NULL, ON_OFF_AUTO_ON, 0, 0x4011 },
        { LINUX_7_3, NULL, ON_OFF_AUTO_ON, 0x2031, 0x2031 },
        { LINUX_7_3, &host_smmu, ON_OFF_AUTO_ON, 0, 0x4011 },
        { LINUX_6_15, &bigger, ON_OFF_AUTO_ON, 0, 0x4011 },
        { LINUX_7_3, &later, ON_OFF_AUTO_ON, 0, 0x4011 },
        { LINUX_7_3, &bigger, ON_OFF_AUTO_ON, 0, 0x3021 },
        { LINUX_7_3, &bigger, ON_OFF_AUTO_ON, 0x4011, 0x4011 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        bool has = cases[i].param;
        Rig *rig = rig_cmdqv_new(cases[i].kernel, cases[i].smmu,
                                 cases[i].wanted, cases[i].given, &error_abort);

        g_assert(smmuv3_accel_cmdqv_is_wanted(rig->s));
        g_assert(!cases[i].smmu || rig_plug(rig, 1, &error_abort));
        smmuv3_accel_cmdqv_decide(rig->s);
        g_assert(smmuv3_accel_cmdqv_is_wanted(rig->s) == has);
        g_assert(rig->s->cmdqv->dev.iomem.enabled == has);
        g_assert_cmpint(smmuv3_accel_cmdqv_mode(rig->s), ==,
                        has ? SMMU_ACCEL_CMDQV_SOFTWARE :
                        SMMU_ACCEL_CMDQV_NONE);
        g_assert(!smmuv3_accel_cmdqv_why(rig->s) == !has);
        if (has) {
            g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_PARAM), ==,
                            cases[i].param);
        }
        rig_reset(rig);
        rig_free(rig);
    }
}

/* With cmdqv=auto and no host device at start, a later one is not asked */
static void test_auto_later(void)
{
    Rig *rig = rig_cmdqv_new(LINUX_7_3, &cmdqv_smmu, ON_OFF_AUTO_AUTO, 0,
                             &error_abort);

    smmuv3_accel_cmdqv_decide(rig->s);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(!rig->s->host->cmdqv && !rig->s->host->cmdqv_error);
    rig_reset(rig);
    rig_free(rig);
}

/* Doorbells */

static const struct {
    FakeKernel kernel;
    const FakeSMMU *smmu;
} hosts[] = {
    { LINUX_7_3, NULL },
    { LINUX_7_3, &host_smmu },
    { LINUX_6_15, &cmdqv_smmu },
};

static void test_execute(void)
{
    for (int i = 0; i < ARRAY_SIZE(hosts); i++) {
        Rig *rig = rig_cmdqv_started(hosts[i].kernel, hosts[i].smmu);
        bool has_host = hosts[i].smmu;

        for (int n = 1; n <= 300; n++) {    /* the indices wrap */
            rig_cmdqv_invalidate(rig, n % 2, n);
            g_assert(rig_cmdqv_is_done(rig, n % 2));
            g_assert_cmpuint(rig_executed()->len, ==, 2 * n);
            g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==,
                             has_host ? n : 0);
        }
        g_assert_cmpuint(rig->s->cmdqv->dev.commands, ==, 600);
        g_assert_cmpuint(rig->s->counters.cmdqv_doorbells, ==, 300);
        g_assert_cmpuint(rig->s->counters.cmdqv_given, ==, 0);
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
        g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), has_host ?
                        "has no CMDQV, or its kernel is older" :
                        "there is no host device"));
        rig_free(rig);
    }
}

/* One ioctl for all commands up to a CMD_SYNC, in their order */
static void test_order(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &host_smmu);

    for (int asid = 1; asid <= 5; asid++) {
        rig_cmdqv_put(rig, 0, TLBI_ASID(asid), 0);
    }
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_put(rig, 0, TLBI_ASID(6), 0);
    rig_cmdqv_ring(rig, 0);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_assert_asids(rig, "1 2 3 4 5 6");
    rig_assert_calls(rig, "invalidate invalidate");
    rig_free(rig);
}

/* LVCMDQ 0 is VCMDQ 1, and vice versa */
static void test_crossed(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &host_smmu);

    rig_cmdqv_cross(rig);
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_CONS), ==, 2);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(1) + A_VCMDQ_CONS), ==, 0);
    rig_cmdqv_invalidate(rig, 0, 2);
    rig_assert_asids(rig, "1 2");
    rig_free(rig);
}

/* Errors */

static void test_error(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &host_smmu);

    rig_cmdqv_put(rig, 1, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 1, ILLEGAL, 0);
    rig_cmdqv_put(rig, 1, TLBI_ASID(2), 0);
    rig_cmdqv_ring(rig, 1);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_CONS), ==,
                    1 | SMMU_CERROR_ILL << R_VCMDQ_CONS_ERR_SHIFT);
    rig_assert_asids(rig, "1");
    /* This queue stays stopped, the other one continues */
    rig_cmdqv_ring(rig, 1);
    rig_cmdqv_invalidate(rig, 0, 3);
    rig_assert_asids(rig, "1 3");
    rig_cmdqv_repair(rig, 1);
    g_assert(rig_cmdqv_is_done(rig, 1));
    rig_assert_asids(rig, "1 3 2");
    g_assert_cmpuint(rig->s->cmdqv->dev.errors, ==, 1);

    /* Masked */
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 1);
    rig_cmdqv_put(rig, 1, SMMU_CMD_CFGI_STE, 0);
    rig_cmdqv_ring(rig, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_CONS), ==,
                    3 | CMDQV_CERROR_ACCESS << R_VCMDQ_CONS_ERR_SHIFT);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_free(rig);
}

static void acknowledge(Rig *rig, unsigned l)
{
    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_GERRORN,
                    rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_GERROR));
}

/* If a queue is not in RAM, wholly or in part, fetching a command fails */
static void test_no_memory(void)
{
    static const uint64_t base[] = {
        0, 0x80000000ULL, 0xfffffffff000ULL, RIG_RAM + RIG_RAM_SIZE,
    };
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &host_smmu);

    for (int i = 0; i < ARRAY_SIZE(base); i++) {
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write64(rig, PAGE1(0) + A_VCMDQ_BASE,
                          base[i] | RIG_LOG2_QUEUE);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 1);
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 1);
        g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==,
                        SMMU_CERROR_ABT << R_VCMDQ_CONS_ERR_SHIFT);
        /* It fails a second time, too */
        acknowledge(rig, 0);
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 1);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
        acknowledge(rig, 0);
        g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_CMDQ_ERR_MAP), ==, 0);
    }
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    rig_free(rig);
}

/* 4096 commands in one queue, which takes the memory of the first ones */
static void ring_many(Rig *rig)
{
    for (int i = 0; i < 4096; i++) {
        stq_le_p(rig_ram + 16 * i, SMMU_CMD_SYNC);
    }
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
    rig_cmdqv_write64(rig, PAGE1(0) + A_VCMDQ_BASE, RIG_RAM | 12);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 1);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 1 << 12);
}

/* A caller that keeps the BQL executes some commands at a time */
static void test_limit(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, NULL);
    unsigned n = CMDQV_COMMANDS_AT_ONCE;

    ring_many(rig);
    g_assert_cmpuint(rig_executed()->len, ==, n);
    for (int i = 0; i < 100 && rig_executed()->len < 4096; i++) {
        main_loop_wait(true);
        g_assert_cmpuint(rig_executed()->len, <=, n + CMDQV_COMMANDS_AT_ONCE);
        n = rig_executed()->len;
    }
    g_assert_cmpuint(n, ==, 4096);
    rig_free(rig);

    rig = rig_cmdqv_started(LINUX_7_3, NULL);
    rig_set_alone(true);
    ring_many(rig);
    rig_set_alone(false);
    g_assert_cmpuint(rig_executed()->len, ==, 4096);
    rig_free(rig);
}

/* With any PROD and CONS, QEMU executes at most the commands of a full queue */
static void test_hostile_index(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, NULL);

    for (unsigned log2 = 0; log2 <= 12; log2 += 4) {
        unsigned before = rig_executed()->len;

        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
        ring_many(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONS, 0xfa5a5);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, UINT32_MAX);
        rig_cmdqv_write64(rig, PAGE1(0) + A_VCMDQ_BASE, RIG_RAM | log2);
        rig_set_alone(true);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 1);
        rig_set_alone(false);
        g_assert_cmpuint(rig_executed()->len - before, <=, 3 * 4096);
        g_assert(!smmuv3_cmdqv_pending(&rig->s->cmdqv->dev.regs, 0));
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv/param", test_param);
    g_test_add_func("/smmuv3-accel/cmdqv/off", test_off);
    g_test_add_func("/smmuv3-accel/cmdqv/decide", test_decide);
    g_test_add_func("/smmuv3-accel/cmdqv/auto-later", test_auto_later);
    g_test_add_func("/smmuv3-accel/cmdqv/execute", test_execute);
    g_test_add_func("/smmuv3-accel/cmdqv/order", test_order);
    g_test_add_func("/smmuv3-accel/cmdqv/crossed", test_crossed);
    g_test_add_func("/smmuv3-accel/cmdqv/error", test_error);
    g_test_add_func("/smmuv3-accel/cmdqv/no-memory", test_no_memory);
    g_test_add_func("/smmuv3-accel/cmdqv/limit", test_limit);
    g_test_add_func("/smmuv3-accel/cmdqv/hostile-index", test_hostile_index);
    return g_test_run();
}
