/*
 * arm-smmuv3-accel: unit tests of memory that devices must not reach, and of
 * confirmations that the guest must not get
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "qemu/main-loop.h"

#define BOTH    (CR0_SMMUEN | CR0_EVENTQEN)
#define WORD0_S1(ctxptr)    (1 | 5 << 1 | (uint32_t)(ctxptr))
#define WORD2_EATS  (1U << 28)      /* of the upper half of the STE's word 1 */

/* Two devices that do DMA */
static Rig *rig_new_two(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig->s3->eventq.log2size = 4;
    rig_set_s1(SID(1), 0x1000);
    rig_set_s1(SID(2), 0x2000);
    g_assert(rig_plug(rig, 1, &error_abort));
    g_assert(rig_plug(rig, 2, &error_abort));
    rig_write_cr0(rig, BOTH);
    g_free(fake_iommufd_calls(rig->iommufd));
    return rig;
}

static unsigned n_invalidates(Rig *rig)
{
    return rig->s->counters.ioctls[SMMU_ACCEL_IOCTL_INVALIDATE];
}

/* End the time in which a stuck host is not called */
static void let_recover(Rig *rig)
{
    fake_iommufd_set_stuck(rig->iommufd, false);
    rig->s->host->stuck_until_ms = 1;
}

/* TLB invalidations are lost: none is nested when SYNC completes */
static void test_lost_tlbi(void)
{
    Rig *rig = rig_new_two();
    g_autofree char *messages = NULL;

    rig_set_config(SID(3), 4);          /* bypass does not depend on a TLBI */
    g_assert(rig_plug(rig, 3, &error_abort));
    fake_iommufd_set_stuck(rig->iommufd, true);
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ASID, 0, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "abort");
    rig_assert_dma(rig, 2, "abort");
    rig_assert_dma(rig, 3, "stage2");
    messages = rig_messages();
    g_assert(strstr(messages, "of all host devices is blocked until"));

    /* No action of the guest makes them nested */
    rig_cfgi_all(rig);
    rig_write_cr0(rig, CR0_EVENTQEN);
    rig_assert_dma(rig, 1, "stage2");
    rig_write_cr0(rig, BOTH);
    rig_assert_dma(rig, 1, "abort");
    g_assert(rig_plug(rig, 4, &error_abort));
    rig_set_s1(SID(4), 0x4000);
    rig_cfgi_ste(rig, SID(4));
    rig_assert_dma(rig, 4, "abort");

    /* When the host works again, the next SYNC is sufficient */
    let_recover(rig);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_assert_dma(rig, 2, "s1 2000 sid 200");
    rig_assert_dma(rig, 4, "s1 4000 sid 400");
    rig_free(rig);
}

/* So is a write of CR0, for a guest that starts its driver again */
static void test_recover_by_register(void)
{
    Rig *rig = rig_new_two();
    unsigned before;

    fake_iommufd_set_stuck(rig->iommufd, true);
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_ring(rig);
    rig_assert_dma(rig, 1, "abort");
    /* But the machine does not wait for the host to stop */
    before = n_invalidates(rig);
    rig_set_shall_stop(true);
    rig_write_cr0(rig, BOTH);
    g_assert_cmpuint(n_invalidates(rig), ==, before);
    rig_set_shall_stop(false);
    let_recover(rig);
    rig_write_cr0(rig, BOTH);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_free(rig);
}

/* A lost command for one device blocks only that device */
static void test_lost_cfgi_cd(void)
{
    Rig *rig = rig_new_two();
    g_autofree char *messages = NULL;

    rig_put_command(rig, SMMU_CMD_CFGI_CD, SID(1), 1);
    fake_iommufd_fail_nth(rig->iommufd, 1, 0);          /* EIO: refused */
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    rig_assert_dma(rig, 1, "abort");
    rig_assert_dma(rig, 2, "s1 2000 sid 200");
    messages = rig_messages();
    g_assert(strstr(messages, "StreamID 0x100, is blocked until"));
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_free(rig);
}

/* If neither it nor a block is carried out, it is not confirmed */
static void test_not_confirmed(void)
{
    Rig *rig = rig_new_two();
    uint32_t cons;

    rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    cons = rig->s3->cmdq.prod;
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    fake_iommufd_fail_from(rig->iommufd, 1, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_ABT);
    g_assert_cmpuint(rig->s3->cmdq.cons, ==, cons);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    /* The guest acknowledges the error, and the command is read again */
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_ABT);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    g_assert(!smmuv3_accel_is_exposed(rig->s));
    rig_free(rig);
}

/* An isolation failure is always reported, repeatedly */
static void test_exposed_is_said(void)
{
    Rig *rig = rig_new_two();
    g_autofree char *first = NULL, *again = NULL, *over = NULL;

    rig->s->complaints.next_ms = INT64_MAX;     /* a harmless message before */
    fake_iommufd_fail_from(rig->iommufd, 1, 0);
    rig_set_s1(SID(1), 0x5000);
    rig_cfgi_ste(rig, SID(1));
    first = rig_messages();
    g_assert(strstr(first, "0000:03:00.0, StreamID 0x100, "));
    g_assert(strstr(first, "and its DMA goes on as before"));
    g_assert(timer_pending(rig->s->exposed_timer));

    rig->s->exposures.next_ms = 0;
    smmuv3_accel_exposed_timer(rig->s);
    again = rig_messages();
    g_assert(strstr(again, "and its DMA goes on as before"));
    g_assert(timer_pending(rig->s->exposed_timer));

    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    timer_del(rig->s->exposed_timer);
    rig->s->exposures.next_ms = 0;
    smmuv3_accel_exposed_timer(rig->s);
    over = rig_messages();
    g_assert_cmpstr(over, ==, "");
    g_assert(!timer_pending(rig->s->exposed_timer));
    rig_assert_dma(rig, 1, "abort");
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "s1 5000 sid 100");
    rig_free(rig);
}

/* A stuck host costs the time of two calls, however many commands */
static void test_stuck_is_bounded(void)
{
    Rig *rig = rig_new_two();
    unsigned before = n_invalidates(rig);

    fake_iommufd_set_stuck(rig->iommufd, true);
    for (int i = 0; i < 2000; i++) {
        rig_put_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
        rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    }
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    g_assert(smmuv3_q_empty(&rig->s3->cmdq));
    g_assert_cmpuint(n_invalidates(rig) - before, ==, 2);
    rig_assert_dma(rig, 1, "abort");
    rig_reset(rig);
    rig_assert_dma(rig, 1, "stage2");
    g_assert_cmpuint(n_invalidates(rig) - before, ==, 2);
    rig_free(rig);
}

/* So does one that refuses each command, but takes its time for it */
static void test_slow_is_bounded(void)
{
    Rig *rig = rig_new_two();
    unsigned before = n_invalidates(rig);

    for (int i = 0; i < SMMU_ACCEL_BATCH_MAX; i++) {
        rig_put_command(rig, SMMU_CMD_CFGI_CD, SID(1), 1);
    }
    fake_iommufd_set_slow(rig->iommufd, 200);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    g_assert_cmpuint(n_invalidates(rig) - before, <=, 8000 / 200 + 2);
    rig_assert_dma(rig, 1, "abort");
    rig_assert_dma(rig, 2, "s1 2000 sid 200");
    fake_iommufd_set_slow(rig->iommufd, 0);
    let_recover(rig);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_free(rig);
}

/* CFGI_STE invalidates CDs, also if the STE does not change */
static void test_cfgi_ste_forgets_cds(void)
{
    Rig *rig = rig_new_two();
    const GArray *commands = fake_iommufd_commands(rig->iommufd);
    uint64_t want = SMMU_CMD_CFGI_CD_ALL |
                    (uint64_t)fake_vfio_psid(rig->dev[1]) << 32;

    rig_cfgi_ste(rig, SID(1));
    rig_assert_calls(rig, "invalidate");
    g_assert_cmpuint(commands->len, ==, 1);
    g_assert_cmphex(g_array_index(commands, FakeCommand, 0).cmd[0], ==, want);

    rig_set_s1(SID(1), 0x5000);         /* the kernel does it at the attach */
    rig_cfgi_ste(rig, SID(1));
    rig_assert_calls(rig, "nested-alloc attach destroy");
    rig_set_config(SID(1), 0);          /* no CDs */
    rig_cfgi_ste(rig, SID(1));
    rig_cfgi_ste(rig, SID(1));
    rig_assert_calls(rig, "attach destroy");
    rig_cfgi_ste(rig, SID(4));          /* not in use */
    rig_assert_calls(rig, "");
    rig_free(rig);
}

/* The range of stage 2 is that of each device's own SMMU */
static void test_oas_of_each(void)
{
    const FakeSMMU small = {
        .name = "small", .info = host_smmu.info, .oas_bits = 40,
    };
    Rig *rig = rig_new(LINUX_7_3);
    SMMUv3AccelState *s2 = rig_vsmmu_new("smmu2");
    FakeDevice *dev;

    ARM_SMMU(s2)->primary_bus = &rig->bus[0].bus;
    for (int first = 0; first < 2; first++) {
        dev = fake_vfio_bind(rig->iommufd, &small, "dev", s2);
        g_assert(smmuv3_accel_device_plug(s2, &rig->bus[9].bus, 0,
                                          fake_vfio_hiod(dev), &error_abort));
        g_assert(rig_plug(rig, 1, &error_abort));
        g_assert_cmpuint(rig->s->devices.lh_first->hdev->smmu.oas_bits, ==, 48);
        g_assert_cmpuint(s2->devices.lh_first->hdev->smmu.oas_bits, ==, 40);
        g_assert_cmpuint(FIELD_EX32(s2->regs.reg[SMMU_ACCEL_IDR5], IDR5, OAS),
                         ==, 2);
        g_assert_cmpuint(FIELD_EX32(rig->s->regs.reg[SMMU_ACCEL_IDR5], IDR5,
                                    OAS), ==, 5);
        smmuv3_accel_device_unplug(s2, &rig->bus[9].bus, 0);
        fake_vfio_unbind(dev);
        rig_unplug(rig, 1);
    }
    rig_vsmmu_free(s2);
    rig_free(rig);
}

/* A device gets its StreamID when another one releases it */
static void test_collision_ends(void)
{
    Rig *rig = rig_new_two();

    rig->bus[2].num = 1;
    smmuv3_accel_evaluate_moved(rig->s);
    rig_assert_dma(rig, 1, "s1 1000 sid 100");
    rig_assert_dma(rig, 2, "abort");
    rig_unplug(rig, 1);
    rig_assert_dma(rig, 2, "s1 1000 sid 100");
    rig_free(rig);
}

/* Without sysfs the SMMU is unknown, which is reported each time */
static void test_unknown_smmu(void)
{
    const FakeSMMU unnamed = { .info = host_smmu.info };
    Rig *rig = rig_new(LINUX_7_3);

    for (int i = 0; i < 3; i++) {
        FakeDevice *dev = fake_vfio_bind(rig->iommufd, &unnamed, "dev", rig->s);
        g_autofree char *messages = NULL;

        g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, 0,
                                          fake_vfio_hiod(dev), &error_abort));
        messages = rig_messages();
        g_assert_cmpint(!!strstr(messages, "QEMU cannot check whether host "
                                 "device dev is behind the physical SMMU"), ==,
                        i > 0);
        smmuv3_accel_device_unplug(rig->s, &rig->bus[1].bus, 0);
        fake_vfio_unbind(dev);
    }
    rig_free(rig);
}

/* A device that the guest wants to use ATS, behind an SMMU that has it */
static FakeDevice *plug_ats(Rig *rig, const FakeSMMU *ats_smmu)
{
    FakeDevice *dev;

    rig_set_ste(SID(1), &(STE) {
        .word = { WORD0_S1(0x1000), 0, WORD2_EATS },
    });
    rig->s->spec.ats = ON_OFF_AUTO_ON;
    dev = fake_vfio_bind(rig->iommufd, ats_smmu, "dev", rig->s);
    g_assert(smmuv3_accel_device_plug(rig->s, &rig->bus[1].bus, 0,
                                      fake_vfio_hiod(dev), &error_abort));
    return dev;
}

/* ATS only if the host and the STE have it */
static void test_ats(void)
{
    FakeSMMU ats_smmu = host_smmu;

    ats_smmu.info.idr[0] |= R_IDR0_ATS_MASK;
    for (int supported = 0; supported < 2; supported++) {
        Rig *rig = rig_new(LINUX_7_3);
        FakeDevice *dev;

        ats_smmu.caps = supported ? 0 : IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
        dev = plug_ats(rig, &ats_smmu);
        g_assert(FIELD_EX32(rig->s3->idr[0], IDR0, ATS));
        rig_write_cr0(rig, CR0_SMMUEN);
        g_assert_cmphex(fake_vfio_ste(dev)[1], ==, supported ? WORD2_EATS : 0);
        g_free(fake_iommufd_calls(rig->iommufd));
        rig_put_command(rig, SMMU_CMD_ATC_INV, SID(1), 52);
        rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
        g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
        rig_assert_calls(rig, supported ? "invalidate" : "");

        rig_set_s1(SID(1), 0x1000);         /* EATS=0 */
        rig_cfgi_ste(rig, SID(1));
        g_free(fake_iommufd_calls(rig->iommufd));
        rig_put_command(rig, SMMU_CMD_ATC_INV, SID(1), 52);
        g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
        rig_assert_calls(rig, "");
        smmuv3_accel_device_unplug(rig->s, &rig->bus[1].bus, 0);
        fake_vfio_unbind(dev);
        rig_free(rig);
    }
}

/* A device that an event unplugs is not used again */
static Rig *unplugging;

static void unplug_by_event(void)
{
    if (unplugging && unplugging->dev[2]) {
        rig_unplug(unplugging, 2);
    }
}

static void test_event_unplugs(void)
{
    Rig *rig = rig_new_two();
    RigEvents events;

    unplugging = rig;
    rig_on_event(unplug_by_event);
    rig_set_config(SID(1), 6);          /* illegal for both */
    rig_set_config(SID(2), 6);
    rig_cfgi_all(rig);
    events = rig_events();
    g_assert_cmpuint(events.n, ==, 2);
    rig_assert_dma(rig, 1, "abort");
    g_assert_null(rig->dev[2]);
    rig_on_event(NULL);
    unplugging = NULL;
    rig_free(rig);
}

/* Groups */

#define FN(n) PCI_DEVFN(0, n)

static void unplug_fn(Rig *rig, FakeDevice *dev, int bus, int devfn)
{
    smmuv3_accel_device_unplug(rig->s, &rig->bus[bus].bus, devfn);
    fake_vfio_unbind(dev);
}

static void assert_dma_of(FakeDevice *dev, const char *want)
{
    g_autofree char *dma = fake_vfio_dma(dev);

    g_assert_cmpstr(dma, ==, want);
}

/* Members must be functions of one slot: the guest could not isolate others */
static void test_group_slot(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *dev = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
    Error *err = NULL;

    g_assert_null(rig_plug_in_group(rig, 2, FN(1), 7, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "host device 0000:03:00.1 is in IOMMU group 7 together "
                    "with 0000:03:00.0, and the host cannot isolate them from "
                    "each other: make them functions of one slot "
                    "(multifunction=on, addr=0.0 and addr=0.1 on bus bus1)");
    rig_refused(err);
    err = NULL;
    g_assert_null(rig_plug_in_group(rig, 1, PCI_DEVFN(3, 1), 7, &err));
    g_assert(strstr(error_get_pretty(err), "IOMMU group 7"));
    error_free(err);
    unplug_fn(rig, dev, 1, FN(0));
    rig_free(rig);
}

/* One target for all: nested if all agree, otherwise blocked */
static void test_group_decision(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *a = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
    FakeDevice *b = rig_plug_in_group(rig, 1, FN(1), 7, &error_abort);

    assert_dma_of(a, "stage2");
    rig_set_s1(SID(1), 0x1000);
    rig_set_s1(SID(1) + 1, 0x1000);
    rig_write_cr0(rig, CR0_SMMUEN);
    assert_dma_of(a, "s1 1000 sid 100");
    assert_dma_of(b, "s1 1000 sid 101");
    g_free(fake_iommufd_calls(rig->iommufd));
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_assert_calls(rig, "");

    rig_set_config(SID(1) + 1, 0);      /* abort for one blocks both */
    rig_cfgi_ste(rig, SID(1) + 1);
    assert_dma_of(a, "abort");
    assert_dma_of(b, "abort");
    rig_set_config(SID(1) + 1, 4);      /* bypass for one */
    rig_cfgi_ste(rig, SID(1) + 1);
    assert_dma_of(a, "abort");
    /* Linux has a table for each StreamID: the lowest one is used */
    rig_set_s1(SID(1) + 1, 0x2000);
    rig_cfgi_ste(rig, SID(1) + 1);
    assert_dma_of(a, "s1 1000 sid 100");
    assert_dma_of(b, "s1 1000 sid 101");
    rig_set_s1(SID(1), 0x3000);
    rig_cfgi_ste(rig, SID(1));
    assert_dma_of(b, "s1 3000 sid 101");
    /* The kernel requires a vDEVICE for each member, also for one that left */
    unplug_fn(rig, a, 1, FN(0));
    assert_dma_of(b, "abort");
    a = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
    assert_dma_of(b, "s1 3000 sid 101");
    rig_set_config(SID(1), 4);
    rig_set_config(SID(1) + 1, 4);
    rig_cfgi_all(rig);
    assert_dma_of(a, "stage2");
    assert_dma_of(b, "stage2");
    rig_reset(rig);
    assert_dma_of(b, "stage2");
    unplug_fn(rig, a, 1, FN(0));
    unplug_fn(rig, b, 1, FN(1));
    rig_free(rig);
}

/*
 * The other function of the group is missing, and the host does not block the
 * DMA either: the plug is accepted, and the timer repeats the report.
 */
static void test_exposed_by_plug(void)
{
    unsigned n_exposed = 0;

    for (unsigned nth = 1; nth < 32; nth++) {
        Rig *rig = rig_new(LINUX_6_15);
        FakeDevice *dev;
        Error *err = NULL;

        fake_iommufd_set_group(rig->iommufd, rig->smmu, 7, 2);
        rig_set_s1(SID(1), 0x1000);
        rig_write_cr0(rig, CR0_SMMUEN);
        fake_iommufd_fail_from(rig->iommufd, nth, 0);
        dev = rig_plug_in_group(rig, 1, 0, 7, &err);
        if (dev && smmuv3_accel_is_exposed(rig->s)) {
            g_assert(timer_pending(rig->s->exposed_timer));
            n_exposed++;
        }
        error_free(err);
        fake_iommufd_fail_nth(rig->iommufd, 0, 0);
        if (!dev) {
            /* Objects that the host did not destroy go with those of others */
            dev = rig_plug_in_group(rig, 1, 0, 7, &error_abort);
        }
        unplug_fn(rig, dev, 1, 0);
        rig_free(rig);
    }
    g_assert_cmpuint(n_exposed, >, 0);
}

/* Entries cached from the common table are invalidated for each StreamID */
static void test_group_cds(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    FakeDevice *a = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
    FakeDevice *b = rig_plug_in_group(rig, 1, FN(1), 7, &error_abort);
    guint before;

    rig_set_s1(SID(1), 0x1000);
    rig_set_s1(SID(1) + 1, 0x2000);
    rig_write_cr0(rig, CR0_SMMUEN);
    assert_dma_of(b, "s1 1000 sid 101");
    before = fake_iommufd_commands(rig->iommufd)->len;
    rig_put_command(rig, SMMU_CMD_CFGI_CD, SID(1), 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==,
                     before + 2);
    rig_cfgi_ste(rig, SID(1) + 1);
    rig_drained(rig);
    g_assert_cmpuint(fake_iommufd_commands(rig->iommufd)->len, ==,
                     before + 4);
    unplug_fn(rig, a, 1, FN(0));
    unplug_fn(rig, b, 1, FN(1));
    rig_free(rig);
}

/* One is plugged while the other has an attachment unknown to VFIO */
static void test_group_hotplug(void)
{
    for (FakeKernel kernel = LINUX_6_13; kernel < LINUX_END; kernel++) {
        Rig *rig = rig_new(kernel);
        FakeDevice *a, *b;

        rig_write_cr0(rig, CR0_SMMUEN);
        b = rig_plug_in_group(rig, 1, FN(1), 7, &error_abort);
        assert_dma_of(b, "abort");
        a = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
        assert_dma_of(a, "abort");
        rig_set_s1(SID(1), 0x1000);
        rig_set_s1(SID(1) + 1, 0x1000);
        rig_cfgi_all(rig);
        assert_dma_of(a, kernel < LINUX_6_15 ? "s1 1000" : "s1 1000 sid 100");
        unplug_fn(rig, a, 1, FN(0));
        assert_dma_of(b, kernel < LINUX_6_15 ? "s1 1000" : "s1 1000 sid 101");
        a = rig_plug_in_group(rig, 1, FN(0), 7, &error_abort);
        assert_dma_of(a, kernel < LINUX_6_15 ? "s1 1000" : "s1 1000 sid 100");
        assert_dma_of(b, kernel < LINUX_6_15 ? "s1 1000" : "s1 1000 sid 101");
        unplug_fn(rig, b, 1, FN(1));
        unplug_fn(rig, a, 1, FN(0));
        rig_free(rig);
    }
}

/* An ATC may have been filled from the stale TLB: it is invalidated after it */
static void test_lost_with_ats(void)
{
    FakeSMMU ats_smmu = host_smmu;
    Rig *rig = rig_new(LINUX_7_3);
    const GArray *commands = fake_iommufd_commands(rig->iommufd);
    g_autofree char *blocked = NULL, *recovered = NULL;
    g_autoptr(GString) sent = g_string_new(NULL);
    FakeDevice *dev;

    ats_smmu.info.idr[0] |= R_IDR0_ATS_MASK;
    dev = plug_ats(rig, &ats_smmu);
    rig_write_cr0(rig, CR0_SMMUEN);
    fake_iommufd_set_stuck(rig->iommufd, true);
    rig_put_command(rig, SMMU_CMD_TLBI_NH_ASID, 0, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    blocked = fake_vfio_dma(dev);
    g_assert_cmpstr(blocked, ==, "abort");

    let_recover(rig);
    g_assert_cmpuint(commands->len, ==, 0);
    rig_put_command(rig, SMMU_CMD_SYNC, 0, 0);
    g_assert_cmpint(rig_ring(rig), ==, SMMU_CERROR_NONE);
    for (guint i = 0; i < commands->len; i++) {
        g_string_append_printf(sent, "%x ", (unsigned)
            g_array_index(commands, FakeCommand, i).cmd[0] & 0xff);
    }
    g_assert_cmpstr(sent->str, ==, "10 6 40 ");
    recovered = fake_vfio_dma(dev);
    g_assert(g_str_has_prefix(recovered, "s1 1000"));
    smmuv3_accel_device_unplug(rig->s, &rig->bus[1].bus, 0);
    fake_vfio_unbind(dev);
    rig_free(rig);
}

static bool is_lost(Rig *rig, int bus)
{
    return smmuv3_accel_host_find(rig->s->host, SID(bus))->group->lost;
}

/* The guest swaps the StreamIDs of buses 1 and 2 */
static void swap(Rig *rig)
{
    int num = rig->bus[1].num;

    rig->bus[1].num = rig->bus[2].num;
    rig->bus[2].num = num;
    smmuv3_accel_evaluate_moved(rig->s);
}

/* StreamIDs move while the host works: nobody knows whom its answer concerns */
static void test_moved_meanwhile(void)
{
    Rig *rig = rig_new_two();
    SMMUv3AccelHost *host = rig->s->host;
    const SMMUv3AccelHostCmd one = smmuv3_accel_host_cmd_cfgi_cd_all(SID(1));
    SMMUv3AccelSubmitResult lost = { .err = -EIO }, done = { 0 };
    SMMUv3AccelBatch batch;

    smmuv3_accel_batch_reset(&batch);
    smmuv3_accel_batch_push(&batch, &one);
    set_bit(0, lost.lost);

    smmuv3_accel_host_begin(host);
    swap(rig);
    smmuv3_accel_host_invalidated(host, &batch, &lost);
    g_assert(is_lost(rig, 1) && is_lost(rig, 2));

    smmuv3_accel_host_begin(host);
    swap(rig);
    smmuv3_accel_host_recovered(host, &batch, &done);
    g_assert(is_lost(rig, 1) && is_lost(rig, 2));

    smmuv3_accel_host_begin(host);
    smmuv3_accel_host_recovered(host, &batch, &done);
    g_assert(!is_lost(rig, 1) && is_lost(rig, 2));
    rig_free(rig);
}

/* A batch without room for all of a group has nothing of it */
static void test_recovery_room(void)
{
    enum { SINGLE = SMMU_ACCEL_BATCH_MAX - 1, ALL = SINGLE + 2 };
    Rig *rig = rig_new_two();
    SMMUv3AccelHost *host = rig->s->host;
    const SMMUv3AccelSubmitResult done = { 0 };
    SMMUv3AccelHostDevice *dev[ALL];
    FakeDevice *vfio[ALL];
    SMMUv3AccelBatch batch;

    for (int i = 0; i < ALL; i++) {
        vfio[i] = fake_vfio_bind_in_group(rig->iommufd, &host_smmu, "dev",
                                          rig->s, i < SINGLE ? -1 : 500);
        dev[i] = smmuv3_accel_host_device_new(fake_vfio_hiod(vfio[i]));
        smmuv3_accel_host_join(host, dev[i]);
        g_assert(smmuv3_accel_host_set_sid(host, dev[i], 0x1000 + i,
                                           &error_abort));
        dev[i]->group->lost = true;
    }
    g_assert(dev[SINGLE]->group == dev[SINGLE + 1]->group);

    smmuv3_accel_host_recovery(host, &batch);
    g_assert_cmpuint(batch.n, ==, SINGLE);
    smmuv3_accel_host_begin(host);
    smmuv3_accel_host_recovered(host, &batch, &done);
    g_assert(!dev[0]->group->lost && !dev[SINGLE - 1]->group->lost);
    g_assert(dev[SINGLE]->group->lost);
    smmuv3_accel_host_recovery(host, &batch);
    g_assert_cmpuint(batch.n, ==, 2);

    for (int i = 0; i < ALL; i++) {
        g_assert(smmuv3_accel_host_leave(host, dev[i], &error_abort));
        smmuv3_accel_host_device_free(dev[i]);
        fake_vfio_unbind(vfio[i]);
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/isolation/lost-tlbi", test_lost_tlbi);
    g_test_add_func("/smmuv3-accel/isolation/recover-by-register",
                    test_recover_by_register);
    g_test_add_func("/smmuv3-accel/isolation/lost-with-ats",
                    test_lost_with_ats);
    g_test_add_func("/smmuv3-accel/isolation/moved-meanwhile",
                    test_moved_meanwhile);
    g_test_add_func("/smmuv3-accel/isolation/recovery-room",
                    test_recovery_room);
    g_test_add_func("/smmuv3-accel/isolation/lost-cfgi-cd", test_lost_cfgi_cd);
    g_test_add_func("/smmuv3-accel/isolation/not-confirmed",
                    test_not_confirmed);
    g_test_add_func("/smmuv3-accel/isolation/exposed-is-said",
                    test_exposed_is_said);
    g_test_add_func("/smmuv3-accel/isolation/stuck-is-bounded",
                    test_stuck_is_bounded);
    g_test_add_func("/smmuv3-accel/isolation/slow-is-bounded",
                    test_slow_is_bounded);
    g_test_add_func("/smmuv3-accel/isolation/cfgi-ste-forgets-cds",
                    test_cfgi_ste_forgets_cds);
    g_test_add_func("/smmuv3-accel/isolation/oas-of-each", test_oas_of_each);
    g_test_add_func("/smmuv3-accel/isolation/collision-ends",
                    test_collision_ends);
    g_test_add_func("/smmuv3-accel/isolation/unknown-smmu", test_unknown_smmu);
    g_test_add_func("/smmuv3-accel/isolation/ats", test_ats);
    g_test_add_func("/smmuv3-accel/isolation/event-unplugs",
                    test_event_unplugs);
    g_test_add_func("/smmuv3-accel/group/slot", test_group_slot);
    g_test_add_func("/smmuv3-accel/group/decision", test_group_decision);
    g_test_add_func("/smmuv3-accel/group/cds", test_group_cds);
    g_test_add_func("/smmuv3-accel/group/exposed-by-plug",
                    test_exposed_by_plug);
    g_test_add_func("/smmuv3-accel/group/hotplug", test_group_hotplug);
    return g_test_run();
}
