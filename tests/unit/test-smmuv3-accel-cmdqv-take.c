/*
 * arm-smmuv3-accel: unit tests of a guest's CMDQV that the host executed
 *
 * When QEMU takes the queues back; no command may be lost or executed twice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"
#include "hw/arm/smmuv3-accel-hooks.h"
#include "qemu/main-loop.h"

static SMMUv3Vcmdq *model(Rig *rig, unsigned q)
{
    return &rig->s->cmdqv->dev.regs.vcmdq[q];
}

/* Each trigger that takes the queues back, and how to undo its effect */

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
    /* The same as vm_state_changed(), which this test does not link */
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
    /* QEMU cannot take them back here, within a change of the memory map */
    g_assert(rig_cmdqv_is_hardware(rig));
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
        g_assert(rig_cmdqv_is_hardware(rig));
        rig_hardware_error(rig, 0, CMDQV_CERROR_ACCESS);
        g_assert_cmpuint(rig_cmdqv_irqs(), >=, 1);
        rig_cmdqv_repair(rig, 0);
    }
    g_assert(strstr(smmuv3_accel_cmdqv_why(rig->s), "too many errors"));
}

static void unbar(Rig *rig)
{
    rig->s->cmdqv->errors_since_ms -= 2 * CMDQV_ERRORS_WITHIN_MS;
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
    Rig *rig = rig_cmdqv_given();
    unsigned n;

    for (int round = 0; round < 3; round++) {
        triggers[i].take(rig);
        g_assert(!rig_cmdqv_is_hardware(rig));
        for (int l = 0; l < RIG_QUEUES; l++) {
            g_assert(rig_cmdqv_is_done(rig, l));
            g_assert_cmphex(model(rig, l)->status, ==, 1);
            g_assert_cmphex(smmuv3_vcmdq_errors(model(rig, l)), ==, 0);
        }
        g_assert_cmpuint(rig_executed()->len, ==, 4 * round);
        n = rig_hardware.n;

        /* QEMU does not give them again at once, but executes the commands */
        for (int l = 0; l < RIG_QUEUES; l++) {
            rig_cmdqv_invalidate(rig, l, 2);
            g_assert(rig_cmdqv_is_done(rig, l));
        }
        g_assert(!rig_cmdqv_is_hardware(rig));
        g_assert_cmpuint(rig_executed()->len, ==, 4 * (round + 1));
        g_assert_cmpuint(rig_hardware.n, ==, n);
        if (triggers[i].undo) {
            triggers[i].undo(rig);
        }
        rig_cmdqv_give(rig);
        g_assert_cmpuint(rig_executed()->len, ==, 4 * (round + 1));
    }
    g_assert_cmpuint(rig->s->counters.cmdqv_taken_back, ==, 3);
    rig_free(rig);
}

/* If the hardware is slow, QEMU executes the commands that are left */
static void test_take_back_rest(gconstpointer opaque)
{
    int i = GPOINTER_TO_INT(opaque);
    Rig *rig = rig_cmdqv_given();

    rig_hardware.dead = true;
    for (int asid = 1; asid <= 3; asid++) {
        rig_cmdqv_put(rig, 0, TLBI_ASID(asid), 0);
    }
    rig_cmdqv_put(rig, 0, SMMU_CMD_SYNC, 0);
    rig_cmdqv_ring(rig, 0);
    /* The hardware executes only the first one */
    fake_cmdqv_regs(rig->iommufd, 0)[R_VCMDQ_CONS] = cpu_to_le32(3);
    triggers[i].take(rig);
    rig_hardware.dead = false;
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert(rig_cmdqv_is_done(rig, 0));
    g_assert_cmpuint(rig_executed()->len, ==, 3);
    g_assert_cmphex(g_array_index(rig_executed(), Cmd, 0).word[1], ==, 2 << 16);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==, 2);
    if (triggers[i].undo) {
        triggers[i].undo(rig);
    }
    rig_free(rig);
}

/* After a reset everything is as after power on */
static void test_reset(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &cmdqv_smmu);

    for (int round = 0; round < 2; round++) {
        rig_cmdqv_give(rig);
        rig_hardware_error(rig, 0, SMMU_CERROR_ILL);
        rig_cmdqv_irqs();
        rig_hardware.dead = true;
        rig_cmdqv_invalidate(rig, 1, 2);
        rig_reset(rig);
        rig_hardware.dead = false;
        g_assert(!rig_cmdqv_is_hardware(rig));
        g_assert_cmpuint(rig_cmdqv_irqs(), ==, 0);
        g_assert_cmpuint(rig_executed()->len, ==, 0);
        g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_VINTF_ERR_MAP), ==, 0);
        g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_PROD), ==, 0);
        rig_cmdqv_start(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONS, 4 * round + 2);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 4 * round + 2);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONS, 4 * round + 4);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_PROD, 4 * round + 4);
        rig_cmdqv_write(rig, PAGE0(1) + A_VCMDQ_CONFIG, 1);
        rig_cmdqv_wait_give(rig);
        rig_cmdqv_invalidate(rig, 0, 1);
        g_assert(rig_cmdqv_is_done(rig, 0) && rig_cmdqv_is_hardware(rig));
    }
    rig_free(rig);
}

/* QEMU does not give the queues again within 0.1 s */
static void test_interval(void)
{
    Rig *rig = rig_cmdqv_given();

    by_config(rig);
    rig_assert_calls(rig, RIG_TAKE);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_usleep(110000);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_free(rig);
}

/* QEMU does not give the queues while the machine is being stopped */
static void test_stopped(void)
{
    Rig *rig = rig_cmdqv_given();

    by_stop(rig);
    rig_set_shall_stop(true);
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_invalidate(rig, 0, 1);
    g_assert(!rig_cmdqv_is_hardware(rig));
    rig_set_shall_stop(false);
    smmuv3_accel_started(rig->s);
    g_assert(rig_cmdqv_is_done(rig, 0));
    rig_cmdqv_give(rig);
    rig_free(rig);
}

/* The guest has disabled a queue through the page, unnoticed by QEMU */
static void test_disabled_by_page(void)
{
    Rig *rig = rig_cmdqv_given();

    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_CONFIG, 0);
    rig_cmdqv_put(rig, 0, 0xfe, 0);
    rig_cmdqv_ring(rig, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, DIRECT0(0) + A_VCMDQ_STATUS), ==, 0);
    by_config(rig);
    g_assert(!rig_cmdqv_is_hardware(rig));
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

/* Linux starts again, as with kexec */
static void test_start_again(void)
{
    Rig *rig = rig_cmdqv_given();

    rig_cmdqv_start(rig);
    g_assert(!rig_cmdqv_is_hardware(rig));
    rig_cmdqv_wait_give(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_free(rig);
}

/*
 * After too many errors, only a reset lets hardware have the queues again, and
 * only when these errors are a minute ago
 */
static void test_barred(void)
{
    const int64_t minutes = 2 * CMDQV_ERRORS_WITHIN_MS;
    Rig *rig = rig_cmdqv_given();

    by_errors(rig);
    for (int i = 0; i < 3; i++) {
        rig->s->cmdqv->errors_since_ms -= i % 2 * minutes;
        rig_cmdqv_start(rig);
        rig_cmdqv_wait_give(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
        g_assert(!rig_cmdqv_is_hardware(rig));
    }
    rig->s->cmdqv->errors_since_ms += minutes;
    rig_unplug(rig, 1);
    replug(rig);
    rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
    g_assert(!rig_cmdqv_is_hardware(rig));
    for (int i = 0; i < 2; i++) {
        rig_reset(rig);
        rig_cmdqv_start(rig);
        rig_cmdqv_wait_give(rig);
        rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
        g_assert(rig_cmdqv_is_hardware(rig) == i);
        rig->s->cmdqv->errors_since_ms -= minutes;
    }
    rig_free(rig);
}

/* The guest leaves arbitrary values in the page */
static void test_hostile_page(void)
{
    static const uint32_t values[] = {
        UINT32_MAX, 0x000fffff, 0x7f000001, 0x80000100, 0xaaaaaaaa, 0x1ff,
    };

    for (int reg = 0; reg < CMDQV_SLOT_REGS; reg++) {
        for (int i = 0; i < ARRAY_SIZE(values); i++) {
            Rig *rig = rig_cmdqv_given();
            unsigned l = i % 2;

            rig_hardware.dead = reg == R_VCMDQ_STATUS;
            fake_cmdqv_regs(rig->iommufd, l)[reg] = cpu_to_le32(values[i]);
            by_config(rig);
            g_assert(!rig_cmdqv_is_hardware(rig));
            g_assert_null(smmuv3_cmdqv_state_illegal(&rig->s->cmdqv->dev.regs));
            g_assert(!smmuv3_cmdqv_pending(&rig->s->cmdqv->dev.regs, l));
            rig_hardware.dead = false;
            rig_cmdqv_start(rig);
            rig_cmdqv_wait_give(rig);
            rig_cmdqv_write(rig, PAGE0(0) + A_VCMDQ_PROD, 0);
            g_assert(rig_cmdqv_is_hardware(rig));
            rig_free(rig);
        }
    }
}

/* QEMU replaces lost invalidations at a CMD_SYNC, so it must see one first */
static void test_lost(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &cmdqv_smmu);

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
    g_assert(rig_cmdqv_is_hardware(rig));

    /* The SMMU's own queue loses one while the others are in hardware */
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

/* Errors of more than a minute ago do not count */
static void test_old_errors(void)
{
    Rig *rig = rig_cmdqv_given();

    for (int i = 0; i < 20; i++) {
        rig_hardware_error(rig, 0, CMDQV_CERROR_ACCESS);
        g_assert_cmpuint(rig_cmdqv_irqs(), >=, 1);
        rig_cmdqv_repair(rig, 0);
        rig->s->cmdqv->errors_since_ms -= 61000;
    }
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_free(rig);
}

/* A file of errors that cannot be read is closed, and not read again */
static void test_unreadable(void)
{
    Rig *rig = rig_cmdqv_given();
    int fd = open("/dev/null", O_WRONLY);       /* always ready, EBADF */

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(dup2(fd, rig->s->host->queue_errors_fd), >=, 0);
    close(fd);
    rig_cmdqv_irqs();
    g_assert(!rig_cmdqv_is_hardware(rig));
    g_assert_cmpuint(rig->s->host->queue_errors_id, ==, 0);
    g_assert_cmpstr(smmuv3_accel_cmdqv_why(rig->s), ==,
                    "the host cannot report errors");
    rig_free(rig);
}

/* A device model that writes a register does not wait for the host */
static void test_by_device(void)
{
    Rig *rig = rig_cmdqv_given();

    rig_set_can_run(true);
    g_assert_cmpint(rig_cmdqv_trap(rig, A_CMDQV_CONFIG, 0, 4), ==,
                    MEMTX_ACCESS_ERROR);
    g_assert(rig_cmdqv_is_hardware(rig));
    rig_set_can_run(false);
    rig_free(rig);
}

/* The guest's memory has no page of a host that is gone */
static void test_page_leaves(void)
{
    Rig *rig = rig_cmdqv_given();
    MemoryRegion *page = smmuv3_accel_host_queue_page(rig->s->host);
    Object *owner = object_ref(page->owner);

    rig_unplug(rig, 1);
    g_assert(!page->container);
    object_unref(owner);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    for (int i = 0; i < ARRAY_SIZE(triggers); i++) {
        g_autofree char *all = g_strdup_printf(
            "/smmuv3-accel/cmdqv-take/%s", triggers[i].name);
        g_autofree char *rest = g_strdup_printf(
            "/smmuv3-accel/cmdqv-take/rest/%s", triggers[i].name);

        g_test_add_data_func(all, GINT_TO_POINTER(i), test_take_back);
        if (triggers[i].take != by_errors) {
            g_test_add_data_func(rest, GINT_TO_POINTER(i), test_take_back_rest);
        }
    }
    g_test_add_func("/smmuv3-accel/cmdqv-take/reset", test_reset);
    g_test_add_func("/smmuv3-accel/cmdqv-take/interval", test_interval);
    g_test_add_func("/smmuv3-accel/cmdqv-take/stopped", test_stopped);
    g_test_add_func("/smmuv3-accel/cmdqv-take/disabled-by-page",
                    test_disabled_by_page);
    g_test_add_func("/smmuv3-accel/cmdqv-take/start-again", test_start_again);
    g_test_add_func("/smmuv3-accel/cmdqv-take/barred", test_barred);
    g_test_add_func("/smmuv3-accel/cmdqv-take/old-errors", test_old_errors);
    g_test_add_func("/smmuv3-accel/cmdqv-take/unreadable", test_unreadable);
    g_test_add_func("/smmuv3-accel/cmdqv-take/by-device", test_by_device);
    g_test_add_func("/smmuv3-accel/cmdqv-take/page-leaves", test_page_leaves);
    g_test_add_func("/smmuv3-accel/cmdqv-take/hostile-page", test_hostile_page);
    g_test_add_func("/smmuv3-accel/cmdqv-take/lost", test_lost);
    return g_test_run();
}
