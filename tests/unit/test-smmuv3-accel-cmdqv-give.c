/*
 * arm-smmuv3-accel: unit tests of a guest's CMDQV that the host executes
 *
 * How the queues get there, what brings them back, and what is lost or executed
 * twice on the way: nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "hw/arm/smmuv3-accel-evaluate.h"
#include "hw/arm/smmuv3-accel-hooks.h"
#include "qemu/main-loop.h"

#define GIVE "hw-queue-alloc hw-queue-alloc"
#define TAKE "destroy destroy"

static Rig *start(void)
{
    return rig_cmdqv_started(LINUX_6_19, &cmdqv_smmu);
}

static bool is_hardware(Rig *rig)
{
    bool hardware = smmuv3_accel_cmdqv_mode(rig->s) ==
                    SMMU_ACCEL_CMDQV_HARDWARE;

    g_assert(rig_cmdqv_is_direct(rig) == hardware);
    g_assert(ARM_SMMU(rig->s)->no_iotlb == hardware);
    g_assert_cmpuint(fake_cmdqv_queues(rig->iommufd), ==,
                     hardware ? RIG_QUEUES : 0);
    g_assert(!hardware || !smmuv3_accel_cmdqv_why(rig->s));
    return hardware;
}

/* One invalidation in each queue, and the hardware has it */
static void give(Rig *rig)
{
    rig_cmdqv_wait_give(rig);
    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_cmdqv_invalidate(rig, l, 1);
        g_assert(rig_cmdqv_is_done(rig, l));
    }
    g_assert(is_hardware(rig));
    g_free(fake_iommufd_calls(rig->iommufd));
}

static Rig *start_given(void)
{
    Rig *rig = start();

    give(rig);
    return rig;
}

static SMMUv3Vcmdq *model(Rig *rig, unsigned q)
{
    return &rig->s->cmdqv->dev.regs.vcmdq[q];
}

static void test_give(void)
{
    Rig *rig = start();
    uint64_t length;

    g_assert(!is_hardware(rig));
    g_assert_null(smmuv3_accel_cmdqv_why(rig->s));
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert(is_hardware(rig));
    rig_assert_calls(rig, GIVE);
    for (int l = 0; l < RIG_QUEUES; l++) {
        g_assert_cmphex(fake_cmdqv_base(rig->iommufd, l, &length), ==,
                        RIG_QUEUE(l));
        g_assert_cmphex(length, ==, 16 << RIG_LOG2_QUEUE);
    }
    g_assert_cmpuint(rig_hardware.n, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 1));
    for (int n = 0; n < 600; n++) {
        rig_cmdqv_invalidate(rig, n % 2, 1);
        g_assert(rig_cmdqv_is_done(rig, n % 2));
    }
    rig_assert_calls(rig, "");
    g_assert_cmpuint(rig_hardware.n, ==, 1202);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    g_assert_cmpuint(rig->s->counters.cmdqv_doorbells, ==, 1);
    g_assert_cmpuint(rig->s->counters.cmdqv_given, ==, 1);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_free(rig);
}

/* What QEMU has executed is before, what it put off for the host as well */
static void test_outstanding(void)
{
    Rig *rig = start();

    for (int n = 0; n < 150; n++) {
        rig->s->cmdqv->next_give_ms = INT64_MAX;
        rig_cmdqv_invalidate(rig, 0, 1);    /* 300: it has wrapped */
    }
    g_assert(!is_hardware(rig));
    rig_cmdqv_put(rig, 1, TLBI_ASID(1), 0);
    rig_cmdqv_ring(rig, 1);
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);   /* of the SMMU's queue */
    rig_cmdqv_put(rig, 0, TLBI_ASID(1), 0);
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_hardware.dead = false;
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_ring(rig, 0);
    g_assert(is_hardware(rig));
    rig_assert_calls(rig, "invalidate " GIVE);
    g_assert_cmpuint(rig_executed()->len, ==, 301);
    g_assert_cmpuint(rig_hardware.n, ==, 2);
    g_assert(rig_cmdqv_is_done(rig, 0) && rig_cmdqv_is_done(rig, 1));
    rig_free(rig);
}

/* Not before all queues are on, nor by a doorbell that is not the VINTF's */
static void test_not_yet(void)
{
    Rig *rig = start();

    rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!is_hardware(rig));
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "all queues that it has"));
    rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1);
    g_assert(!is_hardware(rig));
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    rig_cmdqv_write(rig, DIRECT0(1) + A_VCMDQ_PROD, 1);
    g_assert(!is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    give(rig);
    rig_free(rig);
}

/* A host with more queues, one with fewer, and one of another version */
static void test_fits(void)
{
    static const struct {
        uint8_t version, log2vcmdqs;
        bool fits;
    } cases[] = { { 1, 3, true }, { 1, 0, false }, { 2, 1, false } };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        FakeSMMU smmu = cmdqv_smmu;
        Rig *rig = rig_cmdqv_new(LINUX_6_19, &smmu, ON_OFF_AUTO_ON, 0x4011,
                                 &error_abort);

        smmu.cmdqv.version = cases[i].version;
        smmu.cmdqv.log2vcmdqs = cases[i].log2vcmdqs;
        g_assert(rig_plug(rig, 1, &error_abort));
        smmuv3_accel_cmdqv_decide(rig->s);
        rig_cmdqv_start(rig);
        rig_cmdqv_invalidate(rig, 1, 1);
        g_assert(rig_cmdqv_is_done(rig, 1));
        g_assert(is_hardware(rig) == cases[i].fits);
        g_assert(!smmuv3_accel_cmdqv_why(rig->s) == cases[i].fits);
        rig_free(rig);
    }
}

/* Back: each trigger, and what has to be undone before the next time */

static void by_config(Rig *rig)
{
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 0);
}

static void by_vintf(Rig *rig)
{
    rig_cmdqv_write(rig, VINTF0(A_VINTF_SID_MATCH), 0);
}

static void by_page1(Rig *rig)
{
    rig_cmdqv_write64(rig, PAGE1(0) + A_VCMDQ_BASE, 0);
}

static void by_direct_page1(Rig *rig)
{
    rig_cmdqv_write(rig, DIRECT1(1) + A_VCMDQ_CONS_INDX_BASE, 0);
}

static void by_direct_page0(Rig *rig)
{
    rig_cmdqv_write(rig, DIRECT0(1) + A_VCMDQ_PROD,
                    rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_PROD));
}

static void by_stop(Rig *rig)
{
    /* As vm_state_changed(), which is part of the device itself */
    smmuv3_accel_cmdqv_take_back(rig->s, "the machine stops");
    smmuv3_accel_started(rig->s);
}

static void by_unplug(Rig *rig)
{
    rig_unplug(rig, 1);
}

static void replug(Rig *rig)
{
    g_assert(rig_plug(rig, 1, &error_abort));
}

static SMMUDevice notified;

static void by_notifier(Rig *rig)
{
    SMMUv3Class *c = ARM_SMMUV3_GET_CLASS(rig->s3);

    QLIST_INSERT_HEAD(&ARM_SMMU(rig->s)->devices_with_notifiers, &notified,
                      next);
    c->notifiers_changed(rig->s3);
    /* The memory map is being changed: not in there */
    g_assert(is_hardware(rig));
    rig_cmdqv_irqs();
}

static void no_notifier(Rig *rig)
{
    QLIST_REMOVE(&notified, next);
    ARM_SMMUV3_GET_CLASS(rig->s3)->notifiers_changed(rig->s3);
}

static void by_errors(Rig *rig)
{
    for (int i = 0; i < 16; i++) {
        g_assert(is_hardware(rig));
        rig_hardware_error(rig, 0, CMDQV_CERROR_ACCESS);
        g_assert_cmpuint(rig_cmdqv_irqs(), >=, 1);
        rig_cmdqv_repair(rig, 0);
    }
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "too many errors"));
}

static void unbar(Rig *rig)
{
    smmuv3_accel_cmdqv_reset(rig->s);
}

static const struct {
    const char *name;
    void (*take)(Rig *rig);
    void (*undo)(Rig *rig);
} triggers[] = {
    { "config", by_config },
    { "vintf", by_vintf },
    { "page1", by_page1 },
    { "direct-page1", by_direct_page1 },
    { "direct-page0", by_direct_page0 },
    { "stop", by_stop },
    { "unplug", by_unplug, replug },
    { "notifier", by_notifier, no_notifier },
    { "errors", by_errors, unbar },
};

static void test_take_back(gconstpointer opaque)
{
    int i = GPOINTER_TO_INT(opaque);
    Rig *rig = start_given();
    unsigned n;

    for (int round = 0; round < 3; round++) {
        triggers[i].take(rig);
        g_assert(!is_hardware(rig));
        for (int l = 0; l < RIG_QUEUES; l++) {
            g_assert(rig_cmdqv_is_done(rig, l));
            g_assert_cmphex(model(rig, l)->status, ==, 1);
            g_assert_cmphex(smmuv3_vcmdq_errors(model(rig, l)), ==, 0);
        }
        g_assert_cmpuint(rig_executed()->len, ==, 4 * round);
        n = rig_hardware.n;

        /* Not again at once, but what the guest asks for is done */
        for (int l = 0; l < RIG_QUEUES; l++) {
            rig_cmdqv_invalidate(rig, l, 2);
            g_assert(rig_cmdqv_is_done(rig, l));
        }
        g_assert(!is_hardware(rig));
        g_assert_cmpuint(rig_executed()->len, ==, 4 * (round + 1));
        g_assert_cmpuint(rig_hardware.n, ==, n);
        if (triggers[i].undo) {
            triggers[i].undo(rig);
        }
        give(rig);
        g_assert_cmpuint(rig_executed()->len, ==, 4 * (round + 1));
    }
    g_assert_cmpuint(rig->s->counters.cmdqv_taken_back, ==, 3);
    rig_free(rig);
}

/* The hardware is slow: the rest is executed by QEMU, from where it is */
static void test_take_back_rest(gconstpointer opaque)
{
    int i = GPOINTER_TO_INT(opaque);
    Rig *rig = start_given();

    rig_hardware.dead = true;
    for (int asid = 1; asid <= 3; asid++) {
        rig_cmdqv_put(rig, 0, TLBI_ASID(asid), 0);
    }
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_ring(rig, 0);
    /* It gets as far as the first one */
    fake_cmdqv_regs(rig->iommufd, 0)[R_VCMDQ_CONS] = cpu_to_le32(3);
    triggers[i].take(rig);
    rig_hardware.dead = false;
    g_assert(!is_hardware(rig));
    g_assert(rig_cmdqv_is_done(rig, 0));
    g_assert_cmpuint(rig_executed()->len, ==, 3);
    g_assert_cmphex(g_array_index(rig_executed(), Cmd, 0).word[1], ==, 2 << 16);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==, 2);
    if (triggers[i].undo) {
        triggers[i].undo(rig);
    }
    rig_free(rig);
}

/* A reset: all is as after power on, and goes on as then */
static void test_reset(void)
{
    Rig *rig = start();

    for (int round = 0; round < 2; round++) {
        give(rig);
        rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
        rig_reset(rig);
        g_assert(!is_hardware(rig));
        g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_VINTF_ERR_MAP), ==, 0);
        g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_PROD), ==, 0);
        rig_cmdqv_start(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONS, 4 * round + 2);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 4 * round + 2);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONS, 2 * round + 2);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_PROD, 2 * round + 2);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_wait_give(rig);
        rig_cmdqv_invalidate(rig, 0, 1);
        g_assert(rig_cmdqv_is_done(rig, 0) && is_hardware(rig));
    }
    rig_free(rig);
}

/* Two rings in a row are two tries at most in a tenth of a second */
static void test_interval(void)
{
    Rig *rig = start_given();

    by_config(rig);
    rig_assert_calls(rig, TAKE);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!is_hardware(rig));
    g_usleep(110000);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

/* The guest has disabled a queue, of which QEMU did not hear */
static void test_disabled_by_page(void)
{
    Rig *rig = start_given();

    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
    rig_cmdqv_put(rig, 0, 0xfe, 0);
    rig_cmdqv_ring(rig, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_STATUS), ==, 0);
    by_config(rig);
    g_assert(!is_hardware(rig));
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONFIG), ==, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_STATUS), ==, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_PROD), ==, 3);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==, 2);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_STATUS), ==, 1);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    rig_cmdqv_start(rig);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_PROD), ==, 0);
    rig_free(rig);
}

/* Linux starts anew, as with kexec */
static void test_start_again(void)
{
    Rig *rig = start_given();

    rig_cmdqv_start(rig);
    g_assert(!is_hardware(rig));
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

/* A store that was on its way when the guest got the page, and an odd one */
static void test_late_store(void)
{
    Rig *rig = start_given();

    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_PROD, 3, 4), ==,
                    MEMTX_OK);
    g_assert(is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    /* PROD, with CONFIG beside it as it is */
    rig_cmdqv_put(rig, 1, SMMU_CMD_SYNC, 0);
    rig_hardware_run(rig);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1, 8), ==,
                    MEMTX_OK);
    g_assert(is_hardware(rig));
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(1) + 0x78, -1ULL, 8), ==,
                    MEMTX_OK);
    rig_cmdqv_ring(rig, 1);
    g_assert(is_hardware(rig) && rig_cmdqv_is_done(rig, 1));
    /* An LVCMDQ that there is not */
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE0(2) + A_VCMDQ_PROD, 3, 4), ==,
                    MEMTX_OK);
    g_assert_cmpint(rig_cmdqv_trap(rig, PAGE1(100), 3, 4), ==, MEMTX_OK);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

/* LVCMDQ 0 is VCMDQ 1, and the other way round */
static void test_crossed(void)
{
    Rig *rig = start();
    uint64_t length;

    rig_cmdqv_write(rig, CMDQV_ALLOC(1), 0);
    rig_cmdqv_write(rig, CMDQV_ALLOC(0), 0);
    for (int l = 0; l < 2; l++) {
        rig_cmdqv_write(rig, CMDQV_ALLOC(!l), l << 1 | 1);
        rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write64(rig, PAGE1(l) + A_VCMDQ_BASE,
                          RIG_QUEUE(l) | RIG_LOG2_QUEUE);
        rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 1);
    }
    give(rig);
    g_assert_cmphex(fake_cmdqv_base(rig->iommufd, 1, &length), ==,
                    RIG_QUEUE(1));
    rig_cmdqv_invalidate(rig, 1, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_CONS), ==, 4);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(1) + A_VCMDQ_CONS), ==, 2);
    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_CMDQ_ERR_MAP), ==, 2);
    rig_cmdqv_repair(rig, 0);
    by_config(rig);
    g_assert(!is_hardware(rig));
    g_assert_cmphex(model(rig, 0)->cons, ==, 4);
    g_assert_cmphex(model(rig, 1)->cons, ==, 2);
    rig_free(rig);
}

/* Errors */

/* Told by the host, read from its page, repaired in it */
static void test_error(void)
{
    Rig *rig = start_given();

    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_hardware_error(rig, l, SMMU_CERROR_ILL);
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 1);
        rig_cmdqv_invalidate(rig, l, 1);
        g_assert(!rig_cmdqv_is_done(rig, l));
        rig_cmdqv_repair(rig, l);
        rig_cmdqv_ring(rig, l);
        /* Hardware need not say that CONS.ERR is no more */
        g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_CONS) &
                        R_VCMDQ_CONS_INDEX_MASK, ==, 4);
    }
    g_assert(is_hardware(rig));
    rig_assert_calls(rig, "");
    g_assert_cmpuint(rig->s->counters.cmdqv_errors, ==, 2);

    /* The guest does not want to know */
    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, 1);
    give(rig);
    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
    rig_free(rig);
}

/* An error that the guest has acknowledged does not keep the queues here */
static void test_give_after_error(void)
{
    Rig *rig = start_given();

    rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
    /* It leaves ERR there, which has no meaning then */
    rig_hardware.dead = true;
    rig_cmdqv_repair(rig, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==,
                    2 | SMMU_CERROR_ILL << R_VCMDQ_CONS_ERR_SHIFT);
    by_config(rig);
    rig_hardware.dead = false;
    g_assert(!is_hardware(rig));
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(0) + A_VCMDQ_CONS), ==, 2);
    give(rig);
    rig_free(rig);
}

/* One that it has not, stays: by page 0 of QEMU it is the same */
static void take_error_back(bool masked)
{
    Rig *rig = start();

    rig_cmdqv_write(rig, A_CMDQV_VINTF_INT_MASK, masked);
    give(rig);
    rig_cmdqv_put(rig, 1, TLBI_ASID(7), 0);
    /* The host has not come to say so */
    fake_cmdqv_stop_queue(rig->iommufd, 1, CMDQV_CERROR_ACCESS);
    rig_cmdqv_ring(rig, 1);
    rig_cmdqv_write(rig, VINTF0(A_VINTF_SID_REPLACE), 1);
    g_assert(!is_hardware(rig));
    g_assert_cmpuint(rig_cmdqv_irqs(), ==, !masked);
    g_assert_cmpuint(rig_executed()->len, ==, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(1) + A_VCMDQ_CONS), ==,
                    2 | CMDQV_CERROR_ACCESS << R_VCMDQ_CONS_ERR_SHIFT);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!is_hardware(rig));
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "not acknowledged"));
    /* The acknowledgement is a doorbell */
    rig_cmdqv_repair(rig, 1);
    g_assert(is_hardware(rig));
    g_assert(rig_cmdqv_is_done(rig, 1));
    rig_free(rig);
}

static void test_error_taken_back(void)
{
    take_error_back(false);
    take_error_back(true);
}

/* Too many of them, and what ends that */
static void test_barred(void)
{
    Rig *rig = start_given();

    by_errors(rig);
    for (int i = 0; i < 3; i++) {
        rig_cmdqv_start(rig);
        rig_cmdqv_wait_give(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
        g_assert(!is_hardware(rig));
    }
    rig_unplug(rig, 1);
    replug(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
    g_assert(!is_hardware(rig));
    rig_reset(rig);
    rig_cmdqv_start(rig);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
    g_assert(is_hardware(rig));
    rig_free(rig);
}

/* Whatever the guest leaves in the page */
static void test_hostile_page(void)
{
    static const uint32_t values[] = {
        UINT32_MAX, 0x000fffff, 0x7f000001, 0x80000100, 0xaaaaaaaa, 0x1ff,
    };

    for (int reg = 0; reg < CMDQV_SLOT_REGS; reg++) {
        for (int i = 0; i < ARRAY_SIZE(values); i++) {
            Rig *rig = start_given();
            unsigned l = i % 2;

            rig_hardware.dead = reg == R_VCMDQ_STATUS;
            fake_cmdqv_regs(rig->iommufd, l)[reg] = cpu_to_le32(values[i]);
            by_config(rig);
            g_assert(!is_hardware(rig));
            g_assert_null(smmuv3_cmdqv_state_illegal(&rig->s->cmdqv->dev.regs));
            g_assert(!smmuv3_cmdqv_pending(&rig->s->cmdqv->dev.regs, l));
            rig_hardware.dead = false;
            rig_cmdqv_start(rig);
            rig_cmdqv_wait_give(rig);
            rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
            g_assert(is_hardware(rig));
            rig_free(rig);
        }
    }
}

/* What was lost is made good at a CMD_SYNC: QEMU has to get to see it */
static void test_lost(void)
{
    Rig *rig = start();

    rig->s->cmdqv->next_give_ms = INT64_MAX;
    fake_iommufd_set_stuck(rig->iommufd, true);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_free(rig_messages());
    rig_assert_dma(rig, 1, "abort");
    fake_iommufd_set_stuck(rig->iommufd, false);
    smmuv3_accel_host_try_again(rig->s->host);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_invalidate(rig, 0, 2);
    rig_cmdqv_invalidate(rig, 0, 3);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    g_assert(is_hardware(rig));

    /* ... of the SMMU's own queue, while the others are in hardware */
    fake_iommufd_set_stuck(rig->iommufd, true);
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_drained(rig);
    g_free(rig_messages());
    rig_assert_dma(rig, 1, "abort");
    fake_iommufd_set_stuck(rig->iommufd, false);
    smmuv3_accel_host_try_again(rig->s->host);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_invalidate(rig, 0, 4);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv-give/give", test_give);
    g_test_add_func("/smmuv3-accel/cmdqv-give/outstanding", test_outstanding);
    g_test_add_func("/smmuv3-accel/cmdqv-give/not-yet", test_not_yet);
    g_test_add_func("/smmuv3-accel/cmdqv-give/fits", test_fits);
    for (int i = 0; i < ARRAY_SIZE(triggers); i++) {
        g_autofree char *all = g_strdup_printf(
            "/smmuv3-accel/cmdqv-give/take-back/%s", triggers[i].name);
        g_autofree char *rest = g_strdup_printf(
            "/smmuv3-accel/cmdqv-give/take-back-rest/%s", triggers[i].name);

        g_test_add_data_func(all, GINT_TO_POINTER(i), test_take_back);
        if (triggers[i].take != by_errors) {
            g_test_add_data_func(rest, GINT_TO_POINTER(i), test_take_back_rest);
        }
    }
    g_test_add_func("/smmuv3-accel/cmdqv-give/reset", test_reset);
    g_test_add_func("/smmuv3-accel/cmdqv-give/interval", test_interval);
    g_test_add_func("/smmuv3-accel/cmdqv-give/disabled-by-page",
                    test_disabled_by_page);
    g_test_add_func("/smmuv3-accel/cmdqv-give/start-again", test_start_again);
    g_test_add_func("/smmuv3-accel/cmdqv-give/late-store", test_late_store);
    g_test_add_func("/smmuv3-accel/cmdqv-give/crossed", test_crossed);
    g_test_add_func("/smmuv3-accel/cmdqv-give/error", test_error);
    g_test_add_func("/smmuv3-accel/cmdqv-give/give-after-error",
                    test_give_after_error);
    g_test_add_func("/smmuv3-accel/cmdqv-give/error-taken-back",
                    test_error_taken_back);
    g_test_add_func("/smmuv3-accel/cmdqv-give/barred", test_barred);
    g_test_add_func("/smmuv3-accel/cmdqv-give/hostile-page", test_hostile_page);
    g_test_add_func("/smmuv3-accel/cmdqv-give/lost", test_lost);
    return g_test_run();
}
