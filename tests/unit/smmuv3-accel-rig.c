/*
 * arm-smmuv3-accel in a unit test: vSMMUs without a machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-core.h"
#include "monitor/monitor.h"
#include "smmuv3-accel-rig.h"

#define HOST_INFO {                                                          \
    .idr = {                                                                 \
        /* S2P, S1P, TTF 2, COHACC, ASID16, CD2L, TTENDIAN 2, no stall */    \
        [0] = 0x1 | 0x2 | 0x8 | 0x10 | 0x1000 | 0x80000 | 0x400000 |         \
              0x1000000 | 0x8000000,                                         \
        [1] = 32 | 16 << 16 | 16 << 21,                                      \
        [3] = 0x400 | 0x1000,           /* RIL, BBML 2 */                    \
        [5] = 5 | 0x70,                 /* 48 bits, every granule */         \
    },                                                                       \
}

const FakeSMMU host_smmu = { .name = "smmu3.0", .info = HOST_INFO };
const FakeSMMU other_smmu = { .name = "smmu3.1", .info = HOST_INFO };

/* Stubs: the guest's memory, PCI, qdev, messages */

static GHashTable *stream_table;
static RigEvents events;
static GString *messages;
static uint64_t counted;    /* ioctls, by all vSMMUs of a rig */

int smmu_find_ste(SMMUv3State *s, uint32_t sid, STE *ste, SMMUEventInfo *event)
{
    STE *found = rig_ste(sid);

    g_assert(smmu_enabled(s));
    if (!found) {
        /* A trap for who uses it */
        *ste = (STE) { .word = { 1 | 5 << 1 | 0xbad000 } };
        event->type = SMMU_EVT_C_BAD_STREAMID;
        return -EINVAL;
    }
    *ste = *found;
    return 0;
}

/* Into a queue that the guest empties at once */
void smmuv3_deliver_event(SMMUv3State *s, Evt *evt)
{
    if (smmuv3_q_full(&s->eventq)) {
        smmuv3_eventq_overflow(s);
        return;
    }
    queue_prod_incr(&s->eventq);
    queue_cons_incr(&s->eventq);
    events.n++;
    events.last = *evt;
}

void smmuv3_record_event(SMMUv3State *s, SMMUEventInfo *info)
{
    Evt evt = { .word = { info->type, info->sid } };

    if (smmuv3_eventq_enabled(s) && info->type != SMMU_EVT_NONE) {
        evt.word[6] = info->u.f_ste_fetch.addr;
        smmuv3_deliver_event(s, &evt);
    }
}

void smmuv3_eventq_overflow(SMMUv3State *s)
{
    events.overflows++;
}

int pci_bus_num(PCIBus *bus)
{
    return container_of(bus, RigBus, bus)->num;
}

uint16_t pci_requester_id(PCIDevice *dev)
{
    g_assert_not_reached();     /* no emulated devices here */
}

bool phase_check(MachineInitPhase phase)
{
    return true;
}

/* A BQL that threads can wait for; the one of the tests' stubs is none */

static QemuMutex bql;
static __thread bool bql_is_mine;

bool bql_locked(void)
{
    return bql_is_mine;
}

void bql_lock_impl(const char *file, int line)
{
    qemu_mutex_lock(&bql);
    bql_is_mine = true;
}

void bql_unlock(void)
{
    g_assert(bql_is_mine);
    bql_is_mine = false;
    qemu_mutex_unlock(&bql);
}

void qemu_cond_wait_bql(QemuCond *cond)
{
    g_assert(bql_is_mine);
    qemu_cond_wait(cond, &bql);
}

int error_vprintf(const char *fmt, va_list ap)
{
    g_string_append_vprintf(messages, fmt, ap);
    return 0;
}

int error_vprintf_unless_qmp(const char *fmt, va_list ap)
{
    return error_vprintf(fmt, ap);
}

/* The guest */

STE *rig_ste(uint32_t sid)
{
    return g_hash_table_lookup(stream_table, GUINT_TO_POINTER(sid));
}

void rig_set_ste(uint32_t sid, const STE *ste)
{
    if (ste) {
        g_hash_table_insert(stream_table, GUINT_TO_POINTER(sid),
                            g_memdup2(ste, sizeof(*ste)));
    } else {
        g_hash_table_remove(stream_table, GUINT_TO_POINTER(sid));
    }
}

void rig_set_config(uint32_t sid, int config)
{
    rig_set_ste(sid, &(STE) { .word = { 1 | config << 1 } });
}

void rig_set_s1(uint32_t sid, uint64_t ctxptr)
{
    rig_set_ste(sid, &(STE) {
        .word = { 1 | 5 << 1 | (uint32_t)ctxptr, ctxptr >> 32 },
    });
}

/* As control_changed() of smmuv3-accel.c */
static void control_changed(Rig *rig)
{
    if (rig->s->viommu) {
        smmuv3_accel_evaluate(rig->s, 0, UINT32_MAX);
        smmuv3_accel_eventq_update(rig->s);
    }
}

void rig_write_cr0(Rig *rig, uint32_t value)
{
    rig->s3->cr[0] = value;
    control_changed(rig);
}

void rig_write_gbpa(Rig *rig, uint32_t value)
{
    rig->s3->gbpa = value;
    control_changed(rig);
}

void rig_write_eventq_size(Rig *rig, uint8_t log2size)
{
    rig->s3->eventq.log2size = log2size;
    control_changed(rig);
}

/* Bridges lose their bus numbers before the SMMU is reset */
void rig_reset(Rig *rig)
{
    for (int i = 1; i <= RIG_BUSES; i++) {
        rig->bus[i].num = 0;
    }
    rig->s3->cr[0] = 0;
    rig->s3->gbpa = 0;
    rig->s3->eventq.log2size = 0;
    control_changed(rig);
}

void rig_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2)
{
    Cmd cmd = { .word = { opcode, sid, word2 } };

    g_assert_cmpint(smmuv3_accel_command(rig->s3, &cmd), ==, SMMU_CERROR_NONE);
}

void rig_drained(Rig *rig)
{
    smmuv3_accel_cmdq_drained(rig->s3);
}

void rig_cfgi_ste(Rig *rig, uint32_t sid)
{
    rig_command(rig, SMMU_CMD_CFGI_STE, sid, 1);
    rig_drained(rig);
}

void rig_cfgi_all(Rig *rig)
{
    rig_command(rig, SMMU_CMD_CFGI_STE_RANGE, 0, 31);
    rig_drained(rig);
}

RigEvents rig_events(void)
{
    RigEvents ret;

    for (int i = 0; i < 8; i++) {
        main_loop_wait(true);
    }
    ret = events;
    events = (RigEvents) { 0 };
    return ret;
}

char *rig_messages(void)
{
    char *ret = g_strdup(messages->str);

    g_string_truncate(messages, 0);
    return ret;
}

/* The host */

bool rig_plug(Rig *rig, int bus, Error **errp)
{
    FakeDevice *dev = fake_vfio_bind(rig->iommufd, &host_smmu, "0000:03:00.0",
                                     rig->s);

    if (!smmuv3_accel_device_plug(rig->s, &rig->bus[bus].bus, 0,
                                  fake_vfio_hiod(dev), errp)) {
        fake_vfio_unbind(dev);
        return false;
    }
    rig->dev[bus] = dev;
    return true;
}

void rig_unplug(Rig *rig, int bus)
{
    smmuv3_accel_device_unplug(rig->s, &rig->bus[bus].bus, 0);
    fake_vfio_unbind(rig->dev[bus]);
    rig->dev[bus] = NULL;
}

void rig_assert_dma(Rig *rig, int bus, const char *want)
{
    g_autofree char *dma = fake_vfio_dma(rig->dev[bus]);

    g_assert_cmpstr(dma, ==, want);
}

void rig_assert_calls(Rig *rig, const char *want)
{
    g_autofree char *calls = fake_iommufd_calls(rig->iommufd);

    g_assert_cmpstr(calls, ==, want);
}

/* Rigs */

SMMUv3AccelState *rig_vsmmu_new(const char *id)
{
    SMMUv3AccelState *s =
        ARM_SMMUV3_ACCEL(object_new(TYPE_ARM_SMMUV3_ACCEL));

    smmuv3_accel_spec_init(&s->spec);
    QLIST_INIT(&s->devices);
    DEVICE(s)->id = g_strdup(id);
    return s;
}

void rig_vsmmu_free(SMMUv3AccelState *s)
{
    g_assert(QLIST_EMPTY(&s->devices) && !s->viommu && !s->eventq.id);
    for (int i = 0; i < SMMU_ACCEL_NR_IOCTLS; i++) {
        counted += s->counters.ioctls[i];
    }
    g_free(s->associated_smmu);
    g_free(s->inherited_from);
    g_free(DEVICE(s)->id);
    object_unref(s);
}

Rig *rig_new(FakeKernel kernel)
{
    Rig *rig = g_new0(Rig, 1);

    rig->iommufd = fake_iommufd_new(kernel, "iommufd0");
    rig->s = rig_vsmmu_new("smmu1");
    rig->s3 = ARM_SMMUV3(rig->s);
    rig->s3->strtab_base_cfg = 16;      /* LOG2SIZE: all that PCI has */
    for (int i = 0; i <= RIG_BUSES; i++) {
        rig->bus[i].num = i;
        rig->bus[i].bus.qbus.name = g_strdup_printf("bus%d", i);
    }
    rig->bus[0].bus.flags |= PCI_BUS_IS_ROOT;
    ARM_SMMU(rig->s)->primary_bus = &rig->bus[0].bus;
    return rig;
}

void rig_free(Rig *rig)
{
    for (int i = 1; i <= RIG_BUSES; i++) {
        if (rig->dev[i]) {
            rig_unplug(rig, i);
        }
    }
    rig_vsmmu_free(rig->s);
    /* No call that is not counted, whatever the test was */
    g_assert_cmpuint(counted, ==, fake_iommufd_total(rig->iommufd));
    counted = 0;
    fake_iommufd_free(rig->iommufd);
    for (int i = 0; i <= RIG_BUSES; i++) {
        g_free(rig->bus[i].bus.qbus.name);
    }
    g_hash_table_remove_all(stream_table);
    g_string_truncate(messages, 0);
    g_free(rig);
}

static void rig_init_idregs(SMMUv3State *s3)
{
    memcpy(s3->idr, ARM_SMMUV3_ACCEL(s3)->regs.reg, sizeof(s3->idr));
}

static void rig_smmuv3_class_init(ObjectClass *oc, void *data)
{
    ARM_SMMUV3_CLASS(oc)->init_idregs = rig_init_idregs;
}

static const TypeInfo types[] = {
    {
        .name = TYPE_DEVICE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(DeviceState),
        .class_size = sizeof(DeviceClass),
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMU,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(SMMUState),
        .class_size = sizeof(SMMUBaseClass),
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMUV3,
        .parent = TYPE_ARM_SMMU,
        .instance_size = sizeof(SMMUv3State),
        .class_size = sizeof(SMMUv3Class),
        .class_init = rig_smmuv3_class_init,
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMUV3_ACCEL,
        .parent = TYPE_ARM_SMMUV3,
        .instance_size = sizeof(SMMUv3AccelState),
    }
};

DEFINE_TYPES(types)

void rig_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    qemu_mutex_init(&bql);
    bql_lock();
    qemu_init_main_loop(&error_abort);
    stream_table = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    messages = g_string_new(NULL);
}
