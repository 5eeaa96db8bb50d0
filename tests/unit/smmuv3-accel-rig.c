/*
 * arm-smmuv3-accel in a unit test: vSMMUs without a machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "hw/pci/pci_device.h"
#include "hw/sysbus.h"
#include "monitor/monitor.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "hw/arm/smmuv3-accel-cmdqv.h"
#include "hw/arm/smmuv3-accel-commands.h"
#include "hw/arm/smmuv3-accel-hooks.h"
#include "hw/arm/smmuv3-accel-mmio.h"
#include "hw/arm/smmuv3-accel-vcpu.h"
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
const FakeSMMU cmdqv_smmu = {
    .name = "smmu3.2",
    .info = HOST_INFO,
    .cmdqv = { .version = 1, .log2vcmdqs = 1, .log2vsids = 4 },
    .interfaces = 3,
};

/* Stubs: the guest's memory, PCI, qdev, messages */

static GHashTable *stream_table;
static RigEvents events;
static GString *messages;
static uint64_t counted;    /* ioctls, by all vSMMUs of a rig */

static void (*on_ste_read)(uint32_t sid);

void rig_on_ste_read(void (*func)(uint32_t sid))
{
    on_ste_read = func;
}

int smmu_find_ste(SMMUv3State *s, uint32_t sid, STE *ste, SMMUEventInfo *event)
{
    STE *found;

    g_assert(smmu_enabled(s));
    if (on_ste_read) {
        on_ste_read(sid);
    }
    found = rig_ste(sid);
    if (!found) {
        /* A device model must not use it */
        *ste = (STE) { .word = { 1 | 5 << 1 | 0xbad000 } };
        event->type = SMMU_EVT_C_BAD_STREAMID;
        return -EINVAL;
    }
    *ste = *found;
    return 0;
}

/* No software walk here: only whether it may keep what it finds */
void smmuv3_set_unseen(SMMUv3State *s, bool unseen)
{
    g_assert(bql_locked());
    ARM_SMMU(s)->no_iotlb = unseen;
}

static void (*on_event)(void);

void rig_on_event(void (*func)(void))
{
    on_event = func;
}

static long page_size = 4096;

void rig_set_page_size(long size)
{
    page_size = size;
}

long qemu_minrampagesize(void)
{
    return page_size;
}

/* The guest empties its queue at once */
void smmuv3_deliver_event(SMMUv3State *s, Evt *evt)
{
    if (on_event) {
        on_event();
    }
    if (smmuv3_q_full(&s->eventq)) {
        smmuv3_eventq_overflow(s);
        return;
    }
    queue_prod_incr(&s->eventq);
    queue_cons_incr(&s->eventq);
    events.n++;
    events.last = *evt;
}

static void set_fault(Evt *evt, const SMMUEventInfo *info)
{
    EVT_SET_SSV(evt, info->u.f_translation.ssv);
    EVT_SET_SSID(evt, info->u.f_translation.ssid);
    EVT_SET_STALL(evt, info->u.f_translation.stall);
    EVT_SET_STAG(evt, info->u.f_translation.stag);
    EVT_SET_RNW(evt, info->u.f_translation.rnw);
    EVT_SET_PNU(evt, info->u.f_translation.pnu);
    EVT_SET_IND(evt, info->u.f_translation.ind);
    EVT_SET_CLASS(evt, info->u.f_translation.class);
    EVT_SET_ADDR(evt, info->u.f_translation.addr);
}

void smmuv3_record_event(SMMUv3State *s, SMMUEventInfo *info)
{
    Evt evt = { .word = { info->type, info->sid } };

    if (smmuv3_eventq_enabled(s) && info->type != SMMU_EVT_NONE) {
        if (info->type == SMMU_EVT_F_TRANSLATION) {
            set_fault(&evt, info);
        } else {
            evt.word[6] = info->u.f_ste_fetch.addr;
        }
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

/* There is no memory to map it into, so only the owner has the region */
void memory_region_init_ram_device_ptr(MemoryRegion *mr, Object *owner,
                                       const char *name, uint64_t size,
                                       void *ptr)
{
    static RAMBlock block;

    block = (RAMBlock) { .mr = mr, .host = ptr, .max_length = size };
    mr->owner = owner;
    mr->ram_block = &block;
}

/* A real BQL; the tests' stub does not block threads */

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

static void (*on_unlock)(void), (*on_wait)(bool forever);

void rig_on_unlock(void (*func)(void))
{
    on_unlock = func;
}

void rig_on_wait(void (*func)(bool forever))
{
    on_wait = func;
}

void bql_unlock(void)
{
    g_assert(bql_is_mine);
    bql_is_mine = false;
    qemu_mutex_unlock(&bql);
    if (on_unlock) {
        on_unlock();
    }
}

void qemu_cond_wait_bql(QemuCond *cond)
{
    g_assert(bql_is_mine);
    if (on_wait) {
        on_wait(true);
    }
    qemu_cond_wait(cond, &bql);
}

static bool patient;

void qemu_cond_timedwait_bql(QemuCond *cond, int ms)
{
    g_assert(bql_is_mine);
    if (on_wait) {
        on_wait(false);
    }
    qemu_cond_timedwait(cond, &bql, patient ? 60000 : ms);
}

void rig_set_patient(bool is_patient)
{
    patient = is_patient;
}

/* The thread that writes registers */

static __thread bool vcpu_alone;
static bool vcpu_shall_stop, vcpu_can_run;
static void (*deferred)(void *opaque, bool alone);
static void *deferred_opaque;

bool smmuv3_accel_vcpu_at(MemoryRegion *mr, hwaddr offset, unsigned size,
                          bool is_write)
{
    return vcpu_alone;
}

bool runstate_is_running(void)
{
    return !vcpu_shall_stop;
}

bool runstate_check(RunState state)
{
    return state == (runstate_is_running() ? RUN_STATE_RUNNING :
                     RUN_STATE_PAUSED);
}

bool smmuv3_accel_vcpu_shall_stop(void)
{
    return vcpu_shall_stop;
}

bool smmuv3_accel_vcpu_can_run(void)
{
    return vcpu_can_run;
}

void smmuv3_accel_vcpu_run(void (*func)(void *opaque, bool alone),
                           void *opaque)
{
    if (vcpu_can_run) {
        g_assert(!deferred);    /* each one takes memory in QEMU */
        deferred = func;
        deferred_opaque = opaque;
    } else {
        func(opaque, vcpu_alone);
    }
}

void rig_set_can_run(bool can_run)
{
    vcpu_can_run = can_run;
}

bool rig_run_deferred(void)
{
    void (*func)(void *opaque, bool alone) = deferred;

    deferred = NULL;
    if (func) {
        func(deferred_opaque, true);
    }
    return func;
}

void rig_set_alone(bool alone)
{
    vcpu_alone = alone;
}

void rig_set_shall_stop(bool shall_stop)
{
    vcpu_shall_stop = shall_stop;
}

/*
 * The base class: a queue of commands in memory. A register write consumes it
 * through the hooks of the device.
 */

static Cmd queue[1 << RIG_LOG2_CMDQ];
static unsigned int n_base_writes;
static bool any_register;
static void (*on_command)(const Cmd *cmd, int error);

void rig_on_command(void (*func)(const Cmd *cmd, int error))
{
    on_command = func;
}

void rig_command_done(const Cmd *cmd, int error)
{
    if (on_command) {
        on_command(cmd, error);
    }
}

void rig_set_any_register(bool any)
{
    any_register = any;
}

static void control_changed(SMMUv3State *s3)
{
    ARM_SMMUV3_GET_CLASS(s3)->control_changed(s3);
}

int smmuv3_cmdq_consume(SMMUv3State *s3)
{
    SMMUv3Class *c = ARM_SMMUV3_GET_CLASS(s3);
    int error = SMMU_CERROR_NONE;

    while (!smmuv3_q_empty(&s3->cmdq) && !c->cmdq_suspended(s3)) {
        const Cmd cmd = queue[Q_CONS(&s3->cmdq)];

        error = c->command(s3, &cmd);
        rig_command_done(&cmd, error);
        if (error) {
            break;
        }
        queue_cons_incr(&s3->cmdq);
    }
    c->cmdq_drained(s3);
    return error;
}

static int last_error;

MemTxResult smmuv3_write_mmio(SMMUv3State *s3, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    g_assert(bql_locked());
    n_base_writes++;
    switch (offset & ~0x10000) {
    case A_CR0:
        s3->cr[0] = data;
        control_changed(s3);
        break;
    case A_GBPA:
        s3->gbpa = data;
        control_changed(s3);
        break;
    case A_EVENTQ_BASE:
        s3->eventq.log2size = data;
        control_changed(s3);
        break;
    case A_CMDQ_PROD:
        s3->cmdq.prod = data;
        last_error = smmuv3_cmdq_consume(s3);
        break;
    default:
        g_assert(any_register);
    }
    return MEMTX_OK;
}

unsigned int rig_base_writes(void)
{
    return n_base_writes;
}

MemTxResult rig_write(Rig *rig, hwaddr offset, uint64_t data)
{
    return ARM_SMMUV3_GET_CLASS(rig->s3)->write_mmio(rig->s3, offset, data, 4,
                                                     MEMTXATTRS_UNSPECIFIED);
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

void rig_write_cr0(Rig *rig, uint32_t value)
{
    rig_write(rig, A_CR0, value);
}

void rig_write_gbpa(Rig *rig, uint32_t value)
{
    rig_write(rig, A_GBPA, value);
}

void rig_write_eventq_size(Rig *rig, uint8_t log2size)
{
    rig_write(rig, A_EVENTQ_BASE, log2size);
}

/* First the bridges report lost bus numbers, then the SMMU is reset */
void rig_reset(Rig *rig)
{
    for (int i = RIG_BUSES; i; i--) {
        if (rig->bus[i].num) {
            rig->bus[i].num = 0;
            smmuv3_accel_evaluate_moved(rig->s);
        }
    }
    smmuv3_accel_cmdqv_reset(rig->s);
    smmuv3_cmdqv_device_reset(rig->s3);
    rig->s3->cr[0] = 0;
    rig->s3->gbpa = 0;
    rig->s3->eventq.log2size = 0;
    rig->s3->cmdq.prod = rig->s3->cmdq.cons = 0;
    control_changed(rig->s3);
}

void rig_put_words(Rig *rig, uint64_t word0, uint64_t word1)
{
    SMMUQueue *q = &rig->s3->cmdq;

    g_assert(!smmuv3_q_full(q));
    queue[Q_PROD(q)] = (Cmd) {
        .word = { word0, word0 >> 32, word1, word1 >> 32 },
    };
    queue_prod_incr(q);
}

void rig_put_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2)
{
    rig_put_words(rig, opcode | (uint64_t)sid << 32, word2);
}

int rig_ring(Rig *rig)
{
    g_assert_cmpint(rig_write(rig, A_CMDQ_PROD, rig->s3->cmdq.prod), ==,
                    MEMTX_OK);
    return last_error;
}

void rig_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2)
{
    Cmd cmd = { .word = { opcode, sid, word2 } };

    g_assert_cmpint(smmuv3_accel_command(rig->s, &cmd), ==, SMMU_CERROR_NONE);
}

void rig_drained(Rig *rig)
{
    ARM_SMMUV3_GET_CLASS(rig->s3)->cmdq_drained(rig->s3);
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

/* Messages go to the log, which is compared with the manual */
char *rig_messages(void)
{
    char *ret = g_strdup(messages->str);

    if (*ret) {
        g_test_message("%s", ret);
    }
    g_string_truncate(messages, 0);
    return ret;
}

void rig_refused(Error *err)
{
    g_assert_nonnull(err);
    g_test_message("%s", error_get_pretty(err));
    error_free(err);
}

/* The host */

bool rig_plug(Rig *rig, int bus, Error **errp)
{
    rig->dev[bus] = rig_plug_in_group(rig, bus, 0, -1, errp);
    return rig->dev[bus];
}

FakeDevice *rig_plug_in_group(Rig *rig, int bus, int devfn, int group,
                              Error **errp)
{
    g_autofree char *name = g_strdup_printf("0000:03:00.%d", devfn);
    FakeDevice *dev = fake_vfio_bind_in_group(rig->iommufd, rig->smmu, name,
                                              rig->s, group);

    if (!smmuv3_accel_device_plug(rig->s, &rig->bus[bus].bus, devfn,
                                  fake_vfio_hiod(dev), errp)) {
        fake_vfio_unbind(dev);
        return NULL;
    }
    return dev;
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
    smmuv3_accel_mmio_init(s);
    s->exposed_timer = timer_new_ms(QEMU_CLOCK_REALTIME,
                                    smmuv3_accel_exposed_timer, s);
    ARM_SMMUV3(s)->cmdq.log2size = RIG_LOG2_CMDQ;
    return s;
}

void rig_vsmmu_free(SMMUv3AccelState *s)
{
    g_assert(QLIST_EMPTY(&s->devices) && !s->host && !s->mmio.busy);
    for (int i = 0; i < SMMU_ACCEL_IOCTL__MAX; i++) {
        counted += i == SMMU_ACCEL_IOCTL_DESTROY ? 0 : s->counters.ioctls[i];
    }
    timer_free(s->exposed_timer);
    if (s->cmdqv) {
        g_free(s->cmdqv->failure);
        timer_free(s->cmdqv->dev.more);
        g_free(s->cmdqv);
    }
    g_free(s->associated_smmu);
    g_free(s->inherited_from);
    /* Properties free themselves in the device, but are plain fields here */
    g_free(ARM_SMMUV3(s)->ssidsize);
    g_free(ARM_SMMUV3(s)->oas);
    g_free(DEVICE(s)->id);
    object_unref(s);
}

Rig *rig_new(FakeKernel kernel)
{
    Rig *rig = g_new0(Rig, 1);

    rig->smmu = &host_smmu;
    rig->iommufd = fake_iommufd_new(kernel, "iommufd0");
    rig->s = rig_vsmmu_new("smmu1");
    rig->s3 = ARM_SMMUV3(rig->s);
    rig->s3->strtab_base_cfg = 16;      /* LOG2SIZE: all PCI devices */
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
    /* Every call was counted, whatever the test did */
    g_assert_cmpuint(counted, ==, fake_iommufd_total(rig->iommufd));
    counted = 0;
    fake_iommufd_free(rig->iommufd);
    for (int i = 0; i <= RIG_BUSES; i++) {
        g_free(rig->bus[i].bus.qbus.name);
    }
    g_hash_table_remove_all(stream_table);
    g_free(rig_messages());
    g_free(rig);
}

static void rig_accel_class_init(ObjectClass *oc, void *data)
{
    smmuv3_accel_class_add_hooks(oc);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_DEVICE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(DeviceState),
        .class_size = sizeof(DeviceClass),
        .abstract = true,
    }, {
        .name = TYPE_SYS_BUS_DEVICE,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(SysBusDevice),
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMU,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(SMMUState),
        .class_size = sizeof(SMMUBaseClass),
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMUV3,
        .parent = TYPE_ARM_SMMU,
        .instance_size = sizeof(SMMUv3State),
        .class_size = sizeof(SMMUv3Class),
        .abstract = true,
    }, {
        .name = TYPE_ARM_SMMUV3_ACCEL,
        .parent = TYPE_ARM_SMMUV3,
        .instance_size = sizeof(SMMUv3AccelState),
        .class_init = rig_accel_class_init,
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
