/*
 * arm-smmuv3-accel: unit tests of the monitor command, on a fake host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-commands.h"

#include "hw/arm/smmuv3-accel-query.h"
#include "hw/arm/smmuv3-cmdqv-device.h"
#include "hw/pci/pci_device.h"
#include "qemu/units.h"

/* The calls of a plug that ask about the physical SMMU */
#define ASKED "hw-info=1 ioas-alloc=1 iova-ranges=1 "

#define F_TRANSLATION   0x10
#define BOTH            (CR0_SMMUEN | CR0_EVENTQEN)
#define NAME            "0000:03:00.0"

/* "kind=count kind=count!failed ...", without those that are 0 */
static char *commands(const SMMUv3AccelInfoCounters *c)
{
    GString *text = g_string_new("");

    for (SMMUv3AccelInfoCommandCountList *l = c->commands; l; l = l->next) {
        if (l->value->count) {
            g_string_append_printf(text, "%s%s=%" PRIu64, text->len ? " " : "",
                SMMUv3AccelCmdKind_str(l->value->command),
                l->value->count);
        }
    }
    return g_string_free(text, false);
}

static char *ioctls(const SMMUv3AccelInfoCounters *c)
{
    GString *text = g_string_new("");
    uint64_t total = 0, failed = 0;

    for (SMMUv3AccelInfoIoctlCountList *l = c->ioctls; l; l = l->next) {
        if (l->value->count) {
            g_string_append_printf(text, "%s%s=%" PRIu64, text->len ? " " : "",
                SMMUv3AccelIoctl_str(l->value->ioctl), l->value->count);
        }
        if (l->value->failed) {
            g_string_append_printf(text, "!%" PRIu64, l->value->failed);
        }
        total += l->value->count;
        failed += l->value->failed;
    }
    g_assert_cmpuint(c->ioctls_total, ==, total);
    g_assert_cmpuint(c->ioctls_failed, ==, failed);
    return g_string_free(text, false);
}

static char *attached(const SMMUv3AccelInfoCounters *c)
{
    GString *text = g_string_new("");

    for (SMMUv3AccelInfoAttachCountList *l = c->attached; l; l = l->next) {
        if (l->value->count) {
            g_string_append_printf(text, "%s%s=%" PRIu64, text->len ? " " : "",
                SMMUv3AccelTargetKind_str(l->value->target), l->value->count);
        }
    }
    return g_string_free(text, false);
}

static char *others(const SMMUv3AccelInfoCounters *c)
{
    const struct {
        const char *name;
        uint64_t count;
    } all[] = {
        { "batches", c->batches }, { "forwarded", c->forwarded },
        { "refused", c->refused }, { "fallbacks", c->fallbacks },
        { "delivered", c->events_delivered },
        { "dropped", c->events_dropped }, { "lost", c->events_lost },
        { "doorbells", c->cmdqv_doorbells },
        { "queued", c->cmdqv_commands }, { "stopped", c->cmdqv_errors },
        { "given", c->cmdqv_given }, { "taken", c->cmdqv_taken_back },
        { "complaints", c->complaints },
        { "suppressed", c->complaints_suppressed },
    };
    GString *text = g_string_new("");

    for (int i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i].count) {
            g_string_append_printf(text, "%s%s=%" PRIu64, text->len ? " " : "",
                                   all[i].name, all[i].count);
        }
    }
    return g_string_free(text, false);
}

/* "name bus slot.function sid 0x100: target: why; hwpt vdevice 0x100" */
static char *host_device(const SMMUv3AccelInfoHostDevice *dev)
{
    GString *text = g_string_new("");

    g_string_append_printf(text, "%s %s %s %u.%u", dev->name,
                           dev->id ?: "-", dev->bus, dev->slot, dev->function);
    if (dev->has_sid) {
        g_string_append_printf(text, " sid 0x%x", dev->sid);
    }
    g_string_append_printf(text, ": %s: %s",
                           SMMUv3AccelTargetKind_str(dev->target), dev->why);
    g_assert(dev->has_hwpt == (dev->target == SMMU_ACCEL_NESTED));
    g_assert(dev->has_ste == dev->has_hwpt);
    if (dev->has_ste) {
        g_string_append_printf(text, " 0x%" PRIx64 ",0x%" PRIx64,
                               dev->ste->value, dev->ste->next->value);
        g_assert(!dev->ste->next->next);
    }
    g_assert(dev->has_vdevice == dev->has_vdevice_sid);
    if (dev->has_vdevice) {
        g_string_append_printf(text, " vdevice 0x%x", dev->vdevice_sid);
    }
    return g_string_free(text, false);
}

static void assert_str(char *have, const char *want)
{
    g_assert_cmpstr(have, ==, want);
    g_free(have);
}

/* All in one call; members that are not given must be empty */
typedef struct Expected {
    const char *device, *commands, *ioctls, *attached, *others;
} Expected;

static void assert_query(Rig *rig, const Expected *want)
{
    unsigned calls = fake_iommufd_total(rig->iommufd);
    g_autoptr(SMMUv3AccelInfo) info = smmuv3_accel_query(rig->s);

    /* The query changes nothing */
    g_assert_cmpuint(fake_iommufd_total(rig->iommufd), ==, calls);
    if (want->device) {
        g_assert_nonnull(info->host_devices);
        g_assert_null(info->host_devices->next);
        assert_str(host_device(info->host_devices->value), want->device);
    } else {
        g_assert_null(info->host_devices);
    }
    assert_str(commands(info->counters), want->commands ?: "");
    assert_str(ioctls(info->counters), want->ioctls ?: "");
    assert_str(attached(info->counters), want->attached ?: "");
    assert_str(others(info->counters), want->others ?: "");
}

static void test_empty(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autoptr(SMMUv3AccelInfo) info = smmuv3_accel_query(rig->s);

    g_assert_cmpstr(info->id, ==, "smmu1");
    g_assert_cmpstr(info->bus, ==, "bus0");
    g_assert_cmpint(info->mode, ==, SMMUV3_ACCEL_INFO_MODE_UNDECIDED);
    g_assert_false(info->enabled);
    g_assert_null(info->inherited_from);
    g_assert_null(info->spec);
    g_assert_null(info->registers);
    g_assert_null(info->host_smmu_wanted);
    g_assert_null(info->host_smmu);
    g_assert_null(info->viommu);
    g_assert_false(info->event_queue->enabled);
    g_assert_false(info->event_queue->has_id);
    g_assert_false(info->event_queue->unsupported);
    g_assert_null(info->emulated_devices);
    assert_query(rig, &(Expected) { 0 });
    rig_free(rig);
}

/* The registers are the host's, and the kernel's objects have their ids */
static void test_plug(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autoptr(SMMUv3AccelInfo) info = NULL, later = NULL;
    SMMUv3AccelInfoRegisterList *reg;
    uint8_t config[PCI_CONFIG_SPACE_SIZE] = { 0 };
    PCIDevice pdev = { .qdev.id = (char *)"dev1", .config = config };

    rig->s->host_smmu = g_strdup("smmu3.0");
    rig->s3->eventq.log2size = 4;
    rig->bus[1].bus.devices[0] = &pdev;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_EVENTQEN);
    assert_query(rig, &(Expected) {
        .device = NAME " dev1 bus1 0.0 sid 0x100: bypass: "
                  "SMMUEN=0, GBPA says bypass vdevice 0x100",
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=2 "
                  "veventq-alloc=1 destroy=2",
    });

    info = smmuv3_accel_query(rig->s);
    g_assert_cmpint(info->mode, ==, SMMUV3_ACCEL_INFO_MODE_INHERITED);
    g_assert_cmpstr(info->inherited_from, ==, NAME);
    g_assert_cmpstr(info->host_smmu, ==, "smmu3.0");
    g_assert_cmpstr(info->host_smmu_wanted, ==, "smmu3.0");
    g_assert_cmpuint(info->viommu->id, ==, rig->s->host->viommu_id);
    g_assert_cmpuint(info->viommu->stage2_hwpt, ==,
                     rig->s->host->stage2_hwpt_id);
    g_assert_cmpuint(info->viommu->abort_hwpt, ==,
                     rig->s->host->abort_hwpt_id);
    g_assert_cmpuint(info->viommu->kept, ==, 0);
    g_assert_true(info->event_queue->enabled);
    g_assert_cmpuint(info->event_queue->entries, ==, 16);
    g_assert_cmpuint(info->event_queue->id, ==, rig->s->host->veventq_id);
    g_assert_cmpuint(info->event_queue->host_entries, ==, 16);

    reg = info->registers;
    g_assert_cmpstr(reg->value->name, ==, "idr0");
    g_assert_cmphex(reg->value->value, ==, rig->s3->idr[0]);
    g_assert_cmpint(reg->value->origin, ==,
                    SMMU_ACCEL_ORIGIN_INHERITED);
    g_assert_cmpint(reg->next->next->value->origin, ==,
                    SMMU_ACCEL_ORIGIN_DEFAULT);

    rig_unplug(rig, 1);
    later = smmuv3_accel_query(rig->s);
    g_assert_null(later->viommu);
    g_assert_false(later->event_queue->has_id);
    g_assert_cmpstr(later->host_smmu, ==, "smmu3.0");
    g_free(rig->s->host_smmu);
    rig_free(rig);
}

/* The counters continue after a reset and an unplug */
static void test_attach(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0 sid 0x100: abort: no STE vdevice 0x100",
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=2 "
                  "attach=1 destroy=2",
        .attached = "abort=1",
    });
    rig_set_s1(SID(1), 0x1000);
    rig_cfgi_ste(rig, SID(1));
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0 sid 0x100: nested: stage 1 0x100b,0x0 "
                  "vdevice 0x100",
        .commands = "cfgi-ste=1",
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=3 "
                  "attach=2 destroy=2",
        .attached = "abort=1 nested=1",
    });
    rig_reset(rig);
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0: bypass: SMMUEN=0, GBPA says bypass",
        .commands = "cfgi-ste=1",
        /*
         * The nested HWPT, and the vDEVICE, whose device has no StreamID any
         * more: it is on abort until the SMMU is reset, after the bridges
         */
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=3 "
                  "attach=4 destroy=4",
        .attached = "abort=2 bypass=1 nested=1",
    });
    rig_unplug(rig, 1);
    assert_query(rig, &(Expected) {
        .commands = "cfgi-ste=1",
        /* The abort HWPT and the vIOMMU */
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=3 "
                  "attach=4 detach=1 destroy=6",
        .attached = "abort=2 bypass=1 nested=1",
    });
    rig_free(rig);
}

/* The kernel has the old StreamID until the guest uses the SMMU again */
static void test_renumber(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autoptr(SMMUv3AccelInfo) info = NULL;

    g_assert(rig_plug(rig, 1, &error_abort));
    rig->bus[1].num = 7;
    info = smmuv3_accel_query(rig->s);
    assert_str(host_device(info->host_devices->value),
               NAME " - bus1 0.0 sid 0x700: bypass: SMMUEN=0, GBPA says "
               "bypass vdevice 0x100");
    rig_free(rig);
}

static void test_order(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    g_autoptr(SMMUv3AccelInfo) info = NULL;
    SMMUv3AccelInfoHostDeviceList *l;

    for (int bus = 1; bus <= 3; bus++) {
        g_assert(rig_plug(rig, bus, &error_abort));
    }
    info = smmuv3_accel_query(rig->s);
    l = info->host_devices;
    for (int bus = 1; bus <= 3; bus++) {
        g_assert_cmphex(l->value->sid, ==, SID(bus));
        l = l->next;
    }
    g_assert_null(l);
    rig_free(rig);
}

/* A device with stage 1, and all counters 0 */
static Rig *rig_new_s1(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig->s3->eventq.log2size = 4;
    rig_set_s1(SID(1), 0x1000);
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, BOTH);
    g_free(rig_messages());
    rig->s->complaints.next_ms = 0;
    return rig;
}

#define S1_DEVICE   NAME " - bus1 0.0 sid 0x100: nested: stage 1 0x100b,0x0 " \
                    "vdevice 0x100"
#define S1_IOCTLS   ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=3 " \
                    "veventq-alloc=1 attach=1"

static void test_commands(void)
{
    static const uint8_t all[] = {
        SMMU_CMD_PREFETCH_CONFIG, SMMU_CMD_CFGI_STE, SMMU_CMD_CFGI_STE_RANGE,
        SMMU_CMD_CFGI_CD, SMMU_CMD_CFGI_CD_ALL, SMMU_CMD_TLBI_NH_ALL,
        SMMU_CMD_TLBI_NH_VA, SMMU_CMD_TLBI_NSNH_ALL, SMMU_CMD_SYNC,
    };
    Rig *rig = rig_new_s1();
    Cmd illegal = { .word = { SMMU_CMD_ATC_INV, SID(1) } };

    for (int i = 0; i < ARRAY_SIZE(all); i++) {
        rig_command(rig, all[i], SID(1), 0);
    }
    g_assert_cmpint(smmuv3_accel_command(rig->s, &illegal), ==,
                    SMMU_CERROR_ILL);
    /* For an unused StreamID, or redundant: counted, but not forwarded */
    rig_command(rig, SMMU_CMD_CFGI_CD, SID(4), 0);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    assert_query(rig, &(Expected) {
        .device = S1_DEVICE,
        .commands = "illegal=1 cfgi-ste=2 cfgi-cd=3 tlbi=3 sync=2 other=1",
        .ioctls = S1_IOCTLS " invalidate=2 destroy=2",
        .attached = "nested=1",
        /* Each CFGI_STE that changes nothing sends a CFGI_CD_ALL */
        .others = "batches=2 forwarded=5",
    });
    rig_free(rig);
}

/* A vSMMU without host devices counts the guest's commands, too */
static void test_commands_unused(void)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig->s3->idr[0] = host_smmu.info.idr[0];
    rig_command(rig, SMMU_CMD_TLBI_NH_ALL, 0, 0);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    assert_query(rig, &(Expected) { .commands = "tlbi=1 sync=1" });
    rig_free(rig);
}

static void test_invalidate_fails(void)
{
    Rig *rig = rig_new_s1();

    /* EIO for the first of two: the whole TLB instead */
    fake_iommufd_fail_nth(rig->iommufd, 1, 0);
    rig_command(rig, SMMU_CMD_TLBI_NH_VA, 0, 0x1000);
    rig_command(rig, SMMU_CMD_TLBI_NH_VA, 0, 0x2000);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    assert_query(rig, &(Expected) {
        .device = S1_DEVICE,
        .commands = "tlbi=2 sync=1",
        .ioctls = S1_IOCTLS " invalidate=3!1 destroy=2",
        .attached = "nested=1",
        .others = "batches=1 forwarded=2 refused=1 fallbacks=1 complaints=1",
    });

    /* ETIMEDOUT: the whole TLB; the message is suppressed */
    fake_iommufd_fail_nth(rig->iommufd, 1, 1);
    rig_command(rig, SMMU_CMD_TLBI_NH_VA, 0, 0x1000);
    rig_command(rig, SMMU_CMD_SYNC, 0, 0);
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    assert_query(rig, &(Expected) {
        .device = S1_DEVICE,
        .commands = "tlbi=3 sync=2",
        .ioctls = S1_IOCTLS " invalidate=5!2 destroy=2",
        .attached = "nested=1",
        .others = "batches=2 forwarded=3 refused=1 fallbacks=2 complaints=2 "
                  "suppressed=1",
    });
    rig_free(rig);
}

/* A refusal is the reason of abort, as long as it lasts */
static void test_attach_fails(void)
{
    Rig *rig = rig_new_s1();

    rig_set_s1(SID(1), 0x5000);
    fake_iommufd_fail_nth(rig->iommufd, 1, 0);      /* the HWPT */
    rig_cfgi_ste(rig, SID(1));
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0 sid 0x100: abort: the host refused what "
                  "the guest configured vdevice 0x100",
        .commands = "cfgi-ste=1",
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=4!1 "
                  "veventq-alloc=1 attach=2 destroy=3",
        .attached = "abort=1 nested=1",
        .others = "complaints=1",
    });
    rig_cfgi_ste(rig, SID(1));
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0 sid 0x100: nested: stage 1 0x500b,0x0 "
                  "vdevice 0x100",
        .commands = "cfgi-ste=2",
        .ioctls = ASKED "viommu-alloc=1 vdevice-alloc=1 hwpt-alloc=5!1 "
                  "veventq-alloc=1 attach=3 destroy=3",
        .attached = "abort=1 nested=2",
        .others = "complaints=1",
    });
    rig_free(rig);
}

/* Objects that the kernel does not destroy are shown until it does */
static void test_destroy_fails(void)
{
    Rig *rig = rig_new_s1();
    g_autoptr(SMMUv3AccelInfo) info = NULL, later = NULL;

    rig_set_ste(SID(1), NULL);
    fake_iommufd_fail_nth(rig->iommufd, 2, 0);      /* attach, destroy */
    rig_cfgi_ste(rig, SID(1));
    fake_iommufd_fail_nth(rig->iommufd, 0, 0);
    info = smmuv3_accel_query(rig->s);
    g_assert_cmpuint(info->viommu->kept, ==, 1);
    assert_str(ioctls(info->counters), ASKED "viommu-alloc=1 "
               "vdevice-alloc=1 hwpt-alloc=3 veventq-alloc=1 attach=2 "
               "destroy=3!1");
    rig_cfgi_ste(rig, SID(1));
    later = smmuv3_accel_query(rig->s);
    g_assert_cmpuint(later->viommu->kept, ==, 0);
    rig_free(rig);
}

/* Linux 6.15 to 6.18 block a device without StreamID by detaching it */
static void test_detached(void)
{
    Rig *rig = rig_new(LINUX_6_15);

    rig->bus[1].num = 0;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_SMMUEN);
    assert_query(rig, &(Expected) {
        .device = NAME " - bus1 0.0: abort: no STE",
        .ioctls = ASKED "viommu-alloc=1 hwpt-alloc=2 attach=1!1 detach=1 destroy=2",
        .attached = "abort=1",
    });
    rig_free(rig);
}

static void test_no_veventq(void)
{
    Rig *rig = rig_new(LINUX_6_13);
    g_autoptr(SMMUv3AccelInfo) info = NULL;

    rig->s3->eventq.log2size = 4;
    g_assert(rig_plug(rig, 1, &error_abort));
    rig_write_cr0(rig, CR0_EVENTQEN);
    info = smmuv3_accel_query(rig->s);
    g_assert_true(info->event_queue->enabled);
    g_assert_true(info->event_queue->unsupported);
    g_assert_false(info->event_queue->has_id);
    rig_free(rig);
}

static void test_events(void)
{
    Rig *rig = rig_new_s1();
    Expected want = { S1_DEVICE, "", S1_IOCTLS " destroy=2", "nested=1", NULL };
    SMMUQueue *q = &rig->s3->eventq;

    for (int i = 0; i < 20; i++) {
        fake_vfio_fault(rig->dev[1], F_TRANSLATION, i);
    }
    fake_iommufd_deliver(rig->iommufd);     /* 16, then "lost" */
    rig_events();
    want.others = "delivered=16 lost=4";
    assert_query(rig, &want);

    /* No "lost", but 10 missing in the sequence */
    fake_iommufd_set_sequence(rig->iommufd, 30);
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    rig_events();
    want.others = "delivered=17 lost=14";
    assert_query(rig, &want);

    /* The guest's queue is full */
    q->prod ^= 1 << q->log2size;
    g_assert(fake_vfio_fault(rig->dev[1], F_TRANSLATION, 0));
    fake_iommufd_deliver(rig->iommufd);
    g_assert_cmpuint(rig_events().overflows, ==, 1);
    want.others = "delivered=17 dropped=1 lost=14";
    assert_query(rig, &want);
    rig_free(rig);
}

/* "0: 256 PROD 0x12 CONS 0x11 errors 0x0, 1: off ..." */
static char *queues(const SMMUv3AccelInfoCmdqv *cmdqv)
{
    GString *text = g_string_new("");

    for (SMMUv3AccelInfoCmdqvQueueList *l = cmdqv->queues; l; l = l->next) {
        const SMMUv3AccelInfoCmdqvQueue *q = l->value;

        g_string_append_printf(text, "%s%u:", text->len ? ", " : "", q->index);
        g_assert(q->has_log2size == q->enabled);
        if (q->enabled) {
            g_string_append_printf(text, " %u", 1U << q->log2size);
        } else {
            g_string_append(text, " off");
        }
        g_assert(q->has_prod == q->has_cons && q->has_prod == q->has_errors);
        if (q->has_prod) {
            g_string_append_printf(text, " PROD 0x%x CONS 0x%x errors 0x%x",
                                   q->prod, q->cons, q->errors);
        }
    }
    return g_string_free(text, false);
}

#define NO_HOST "there is no host device"

static SMMUv3CmdqvDevice *add_cmdqv(Rig *rig)
{
    SMMUv3AccelCmdqv *c = rig->s->cmdqv = g_new0(SMMUv3AccelCmdqv, 1);

    c->dev.regs.param = 0x4011;
    return rig->s3->cmdqv = &c->dev;
}

static void assert_cmdqv(Rig *rig, OnOffAuto wanted, SMMUv3AccelCmdqvMode mode,
                         const char *why, const char *want)
{
    g_autoptr(SMMUv3AccelInfo) info = NULL;

    rig->s3->cmdqv_wanted = wanted;
    info = smmuv3_accel_query(rig->s);
    g_assert_cmpint(info->cmdqv->wanted, ==, wanted);
    g_assert_cmpint(info->cmdqv->mode, ==, mode);
    g_assert_cmpstr(info->cmdqv->why, ==, why);
    g_assert_cmpint(info->cmdqv->has_param, ==, !!rig->s3->cmdqv);
    g_assert_cmpint(info->cmdqv->has_hardware_log2size, ==,
                    !!rig->s3->cmdqv);
    if (info->cmdqv->has_param) {
        g_assert_cmphex(info->cmdqv->param, ==, 0x4011);
        g_assert_cmpuint(info->cmdqv->hardware_log2size, ==, 8);
    }
    assert_str(queues(info->cmdqv), want);
}

static void test_cmdqv(void)
{
    Rig *rig = rig_new(LINUX_7_3);
    SMMUv3CmdqvDevice *d;
    SMMUv3Vcmdq *vcmdq;

    assert_cmdqv(rig, ON_OFF_AUTO_OFF, SMMU_ACCEL_CMDQV_NONE, NULL, "");
    /* The host has none */
    assert_cmdqv(rig, ON_OFF_AUTO_AUTO, SMMU_ACCEL_CMDQV_NONE, NULL, "");

    d = add_cmdqv(rig);
    vcmdq = d->regs.vcmdq;
    vcmdq[0].base = 0x40000000 | 8;
    assert_cmdqv(rig, ON_OFF_AUTO_ON, SMMU_ACCEL_CMDQV_SOFTWARE, NO_HOST,
                 "0: off PROD 0x0 CONS 0x0 errors 0x0, "
                 "1: off PROD 0x0 CONS 0x0 errors 0x0");

    /* The second has stopped at a command, an illegal one, with the wrap bit */
    vcmdq[0].status = vcmdq[1].status = 1;
    vcmdq[1].base = 0x50000000 | 12;
    vcmdq[1].prod = 0x1003;
    vcmdq[1].cons = 1 << 24 | 0x1002;
    vcmdq[1].gerror = 1;
    vcmdq[1].gerrorn = 4;
    assert_cmdqv(rig, ON_OFF_AUTO_ON, SMMU_ACCEL_CMDQV_SOFTWARE, NO_HOST,
                 "0: 256 PROD 0x0 CONS 0x0 errors 0x0, "
                 "1: 4096 PROD 0x1003 CONS 0x1001002 errors 0x5");

    /* What the hardware has is not to be seen from here */
    rig->s->cmdqv->hardware = true;
    assert_cmdqv(rig, ON_OFF_AUTO_AUTO, SMMU_ACCEL_CMDQV_HARDWARE, NULL,
                 "0: 256, 1: 4096");
    rig->s->cmdqv->hardware = false;

    rig->s->counters.cmdqv_doorbells = 5;
    rig->s->cmdqv->dev.commands = 4;
    rig->s->cmdqv->dev.errors = 3;
    rig->s->counters.cmdqv_given = 2;
    rig->s->counters.cmdqv_taken_back = 1;
    assert_query(rig, &(Expected) {
        .others = "doorbells=5 queued=4 stopped=3 given=2 taken=1",
    });
    rig_free(rig);
}

/* Inherited, so that queues fit into the host's pages and into its SMMU */
static void test_cmdqs(void)
{
    static const struct {
        OnOffAuto cmdqv;
        const FakeSMMU *smmu;
        long page_size;
        unsigned cmdqs;
    } cases[] = {
        { ON_OFF_AUTO_ON, &host_smmu, 4 * KiB, 8 },
        { ON_OFF_AUTO_ON, &host_smmu, 64 * KiB, 12 },
        { ON_OFF_AUTO_ON, &host_smmu, 2 * MiB, 16 },    /* the host's */
        { ON_OFF_AUTO_ON, &host_smmu, LONG_MAX, 16 },   /* no memory */
        { ON_OFF_AUTO_ON, &cmdqv_smmu, 4 * KiB, 8 },
        { ON_OFF_AUTO_AUTO, &host_smmu, 4 * KiB, 19 },
        { ON_OFF_AUTO_AUTO, &cmdqv_smmu, 4 * KiB, 8 },
        { ON_OFF_AUTO_OFF, &cmdqv_smmu, 4 * KiB, 19 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Rig *rig = rig_new(LINUX_7_3);
        g_autoptr(SMMUv3AccelInfo) info = NULL;
        bool wanted = cases[i].cmdqv != ON_OFF_AUTO_OFF;

        rig->smmu = cases[i].smmu;
        if (wanted) {
            add_cmdqv(rig);
        }
        rig->s->spec.cmdqv = cases[i].cmdqv;
        rig_set_page_size(cases[i].page_size);
        g_assert(rig_plug(rig, 1, &error_abort));
        g_test_message("case %d", i);
        g_assert_cmpuint(FIELD_EX32(rig->s->regs.reg[SMMU_ACCEL_IDR1], IDR1,
                                    CMDQS), ==, cases[i].cmdqs);

        info = smmuv3_accel_query(rig->s);
        g_assert(!!strstr(info->spec, ",cmdqv=on,cmdqv-param=0x4011") ==
                 wanted);
        if (cases[i].cmdqv == ON_OFF_AUTO_ON) {
            g_assert_cmpuint(info->cmdqv->hardware_log2size, ==,
                             cases[i].cmdqs);
        }
        rig_free(rig);
    }
    rig_set_page_size(4 * KiB);
}

int main(int argc, char **argv)
{
    rig_init(&argc, &argv);
    g_test_add_func("/smmuv3-accel/query/empty", test_empty);
    g_test_add_func("/smmuv3-accel/query/plug", test_plug);
    g_test_add_func("/smmuv3-accel/query/attach", test_attach);
    g_test_add_func("/smmuv3-accel/query/renumber", test_renumber);
    g_test_add_func("/smmuv3-accel/query/order", test_order);
    g_test_add_func("/smmuv3-accel/query/commands", test_commands);
    g_test_add_func("/smmuv3-accel/query/commands-unused",
                    test_commands_unused);
    g_test_add_func("/smmuv3-accel/query/invalidate-fails",
                    test_invalidate_fails);
    g_test_add_func("/smmuv3-accel/query/attach-fails", test_attach_fails);
    g_test_add_func("/smmuv3-accel/query/destroy-fails", test_destroy_fails);
    g_test_add_func("/smmuv3-accel/query/detached", test_detached);
    g_test_add_func("/smmuv3-accel/query/no-veventq", test_no_veventq);
    g_test_add_func("/smmuv3-accel/query/events", test_events);
    g_test_add_func("/smmuv3-accel/query/cmdqv", test_cmdqv);
    g_test_add_func("/smmuv3-accel/query/cmdqs", test_cmdqs);
    return g_test_run();
}
