/*
 * arm-smmuv3-accel: unit tests of command queues in hardware, and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig-cmdqv.h"

#define NTH_MAX 32

/* Registers of the guest's CMDQV */
#define ALLOC_MAP(q)    (0x200 + 4 * (q))
#define VINTF_CONFIG    0x1000
#define SLOT(l, reg)    (0x30000 + 0x80 * (l) + (reg))
#define BASE(l)         (0x40000 + 0x80 * (l))
enum { CONS = 0x00, PROD = 0x04, CONFIG = 0x08, STATUS = 0x0c, GERROR = 0x10,
       GERRORN = 0x14 };

static Rig *rig_with_queues(void)
{
    Rig *rig = rig_new(LINUX_6_19);

    rig->smmu = &cmdqv_smmu;
    rig_cmdqv_new(rig);
    fake_cmdqv_work(rig->iommufd, true);
    return rig;
}

static void done(Rig *rig)
{
    for (int bus = 1; bus <= RIG_BUSES; bus++) {
        if (rig->dev[bus]) {
            rig_unplug(rig, bus);
        }
    }
    rig_cmdqv_free(rig);
    rig_free(rig);
}

/* As Linux does it */
static void set_up_queues(Rig *rig, unsigned nb)
{
    rig_cmdqv_write(rig, VINTF_CONFIG, 1, 4);
    for (unsigned l = 0; l < nb; l++) {
        rig_cmdqv_write(rig, ALLOC_MAP(l), 1 | l << 1, 4);
    }
    for (unsigned l = 0; l < nb; l++) {
        rig_cmdqv_write(rig, SLOT(l, CONFIG), 0, 4);
        rig_cmdqv_write(rig, SLOT(l, PROD), 0, 4);
        rig_cmdqv_write(rig, SLOT(l, CONS), 0, 4);
        rig_cmdqv_write(rig, BASE(l), (0x40000000 + 0x1000 * l) | 8, 8);
        rig_cmdqv_write(rig, SLOT(l, CONFIG), 1, 4);
    }
}

static void assert_hardware(Rig *rig, bool hardware)
{
    g_assert(smmuv3_accel_cmdqv_mode(rig->s) == (hardware ?
             SMMU_ACCEL_CMDQV_HARDWARE : SMMU_ACCEL_CMDQV_SOFTWARE));
    g_assert(rig_cmdqv_has_page(rig) == hardware);
    g_assert_cmpuint(fake_cmdqv_queues(rig->iommufd), ==, hardware ? 2 : 0);
}

/* A command, and whoever executes it does so */
static void ring(Rig *rig, unsigned l, unsigned prod)
{
    rig_cmdqv_write(rig, SLOT(l, PROD), prod, 4);
    for (int us = 0; rig_cmdqv_read(rig, SLOT(l, CONS), 4) != prod; us += 10) {
        g_assert_cmpint(us, <, 1000000);
        g_usleep(10);
    }
}

static void test_give(void)
{
    Rig *rig = rig_with_queues();

    g_assert(rig_plug(rig, 1, &error_abort));
    set_up_queues(rig, 2);
    assert_hardware(rig, false);
    g_free(fake_iommufd_calls(rig->iommufd));
    ring(rig, 0, 3);
    assert_hardware(rig, true);
    rig_assert_calls(rig, "hw-queue-alloc hw-queue-alloc");
    ring(rig, 1, 5);
    rig_assert_calls(rig, "");
    g_assert_cmpuint(fake_cmdqv_commands(rig->iommufd), ==, 8);

    /* The guest configures a queue anew: QEMU has it, as hardware left it */
    rig_cmdqv_write(rig, SLOT(1, CONFIG), 0, 4);
    g_assert(rig_cmdqv_has_page(rig));
    rig_cmdqv_write(rig, BASE(1), 0x40001008, 8);
    assert_hardware(rig, false);
    rig_assert_calls(rig, "destroy destroy");
    g_assert_cmpuint(rig_cmdqv_read(rig, SLOT(0, CONS), 4), ==, 3);
    g_assert_cmpuint(rig->s->counters.cmdqv_given, ==, 1);
    g_assert_cmpuint(rig->s->counters.cmdqv_taken_back, ==, 1);
    done(rig);
}

/* The last device goes: QEMU goes on with what hardware had */
static void test_unplug(void)
{
    Rig *rig = rig_with_queues();

    g_assert(rig_plug(rig, 1, &error_abort));
    set_up_queues(rig, 2);
    ring(rig, 0, 1);
    assert_hardware(rig, true);
    rig_unplug(rig, 1);
    assert_hardware(rig, false);
    ring(rig, 0, 2);
    g_assert_cmpuint(rig->s->cmdqv->dev.commands, ==, 1);

    g_assert(rig_plug(rig, 1, &error_abort));
    rig->s->cmdqv->next_give_ms = 0;
    ring(rig, 0, 3);
    assert_hardware(rig, true);
    done(rig);
}

/* Each call of both directions fails in turn: the guest does not notice */
static bool fail_one(unsigned nth, unsigned variant)
{
    Rig *rig = rig_with_queues();
    g_autofree char *calls = NULL;
    bool more;

    fake_iommufd_fail_nth(rig->iommufd, nth, variant);
    rig_plug(rig, 1, NULL);
    set_up_queues(rig, 2);
    ring(rig, 0, 1);
    ring(rig, 1, 1);
    smmuv3_accel_cmdqv_take_back(rig->s, "of the test");
    ring(rig, 0, 2);
    more = fake_iommufd_n_calls(rig->iommufd) >= nth;
    more = fake_iommufd_n_calls(rig->iommufd) >= nth;
    calls = fake_iommufd_calls(rig->iommufd);
    g_test_message("call %u variant %u: %s", nth, variant, calls);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);

    /* Queues that the kernel keeps are off */
    g_assert(smmuv3_accel_cmdqv_mode(rig->s) == SMMU_ACCEL_CMDQV_SOFTWARE);
    g_assert(!rig_cmdqv_has_page(rig));
    for (unsigned l = 0; l < fake_cmdqv_queues(rig->iommufd); l++) {
        g_assert(!fake_cmdqv_regs(rig->iommufd, l)[STATUS / 4]);
    }
    if (!rig->dev[1]) {
        g_assert(rig_plug(rig, 1, &error_abort));
    }
    /* Configured anew, they are given, if the vIOMMU has queues */
    set_up_queues(rig, 2);
    rig->s->cmdqv->next_give_ms = 0;
    ring(rig, 0, 1);
    assert_hardware(rig, rig->s->host->cmdqv && rig->s->host->queue_errors_id);
    done(rig);
    return more;
}

static void test_failures(void)
{
    for (unsigned variant = 0; variant < FAKE_VARIANTS; variant++) {
        unsigned nth = 1;

        while (fail_one(nth, variant)) {
            g_assert_cmpuint(++nth, <, NTH_MAX);
        }
        g_assert_cmpuint(nth, >, 12);
    }
}

/* Hardware that does not do what it is told: a message, and QEMU goes on */
static void test_does_not_enable(void)
{
    Rig *rig = rig_with_queues();
    g_autofree char *said = NULL;

    g_assert(rig_plug(rig, 1, &error_abort));
    set_up_queues(rig, 2);
    fake_cmdqv_work(rig->iommufd, false);
    g_free(rig_messages());
    ring(rig, 0, 1);
    assert_hardware(rig, false);
    said = rig_messages();
    g_assert(strstr(said, "the host's CMDQV does not enable queue 0"));
    g_assert_cmpstr(smmuv3_accel_cmdqv_why(rig->s), ==,
                    "the host's CMDQV does not enable queue 0");
    done(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/cmdqv/give", test_give);
    g_test_add_func("/smmuv3-accel/cmdqv/unplug", test_unplug);
    g_test_add_func("/smmuv3-accel/cmdqv/failures", test_failures);
    g_test_add_func("/smmuv3-accel/cmdqv/does-not-enable",
                    test_does_not_enable);
    return g_test_run();
}
