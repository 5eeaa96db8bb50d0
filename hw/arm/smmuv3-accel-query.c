/*
 * Accelerated SMMUv3: what a vSMMU is and does, for the monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_ids.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-device.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-query.h"
#include "smmuv3-accel-regs.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-cmdqv-device.h"

static SMMUv3AccelInfoFieldList *query_fields(SMMUv3AccelReg reg,
                                              uint32_t value)
{
    SMMUv3AccelInfoFieldList *list = NULL, **tail = &list;
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        SMMUv3AccelInfoField *field;

        if (rules[i].reg != reg) {
            continue;
        }
        field = g_new0(SMMUv3AccelInfoField, 1);
        field->name = g_strdup(rules[i].name);
        field->value = smmuv3_accel_field_value(&rules[i], value);
        field->text = smmuv3_accel_field_text(&rules[i], value);
        QAPI_LIST_APPEND(tail, field);
    }
    return list;
}

static SMMUv3AccelInfoRegisterList *query_registers(const SMMUv3AccelState *s)
{
    SMMUv3AccelInfoRegisterList *list = NULL, **tail = &list;

    for (int reg = 0; s->regs_fixed && reg < SMMU_ACCEL_NR_REGS; reg++) {
        SMMUv3AccelInfoRegister *info = g_new0(SMMUv3AccelInfoRegister, 1);

        info->name = g_strdup(smmuv3_accel_reg_name(reg));
        info->value = s->regs.reg[reg];
        info->origin = s->regs.origin[reg];
        info->fields = query_fields(reg, s->regs.reg[reg]);
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static SMMUv3AccelInfoViommu *query_viommu(const SMMUv3AccelHost *host)
{
    SMMUv3AccelInfoViommu *info;

    if (!host) {
        return NULL;
    }
    info = g_new0(SMMUv3AccelInfoViommu, 1);
    info->id = host->viommu_id;
    info->stage2_hwpt = host->stage2_hwpt_id;
    info->abort_hwpt = host->abort_hwpt_id;
    info->kept = host->iommufd->kept->len;
    info->invalidations_lost = smmuv3_accel_host_has_lost(host);
    return info;
}

static SMMUv3AccelInfoEventQueue *query_eventq(SMMUv3AccelState *s)
{
    SMMUv3AccelInfoEventQueue *info = g_new0(SMMUv3AccelInfoEventQueue, 1);
    SMMUv3State *s3 = ARM_SMMUV3(s);

    info->enabled = smmuv3_eventq_enabled(s3);
    info->entries = 1U << s3->eventq.log2size;
    info->unsupported = s->eventq.unsupported;
    if (s->host && s->host->veventq_id) {
        info->has_id = info->has_host_entries = true;
        info->id = s->host->veventq_id;
        info->host_entries = 1U << s->host->veventq_log2size;
    }
    return info;
}

static SMMUv3AccelInfoCmdqvQueue *query_vcmdq(const SMMUv3Vcmdq *vcmdq,
                                              unsigned q, bool in_hardware)
{
    SMMUv3AccelInfoCmdqvQueue *info = g_new0(SMMUv3AccelInfoCmdqvQueue, 1);

    info->index = q;
    info->enabled = vcmdq->status;
    info->has_log2size = info->enabled;
    info->log2size = FIELD_EX64(vcmdq->base, VCMDQ_BASE, LOG2SIZE);
    info->has_prod = info->has_cons = info->has_errors = !in_hardware;
    info->prod = vcmdq->prod;
    info->cons = vcmdq->cons;
    info->errors = smmuv3_vcmdq_errors(vcmdq);
    return info;
}

static SMMUv3AccelInfoCmdqv *query_cmdqv(SMMUv3AccelState *s)
{
    const SMMUv3State *s3 = ARM_SMMUV3(s);
    SMMUv3AccelInfoCmdqv *info = g_new0(SMMUv3AccelInfoCmdqv, 1);
    SMMUv3AccelInfoCmdqvQueueList **tail = &info->queues;
    const SMMUv3Cmdqv *regs;

    info->wanted = s3->cmdqv_wanted;
    info->mode = smmuv3_accel_cmdqv_mode(s);
    info->why = g_strdup(smmuv3_accel_cmdqv_why(s));
    if (!s3->cmdqv) {
        return info;
    }
    regs = &s3->cmdqv->regs;
    info->has_param = info->has_hardware_log2size = true;
    info->param = regs->param;
    info->hardware_log2size = smmuv3_accel_regs_hardware_cmdqs(s);
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(regs); q++) {
        QAPI_LIST_APPEND(tail, query_vcmdq(&regs->vcmdq[q], q, info->mode ==
                                           SMMU_ACCEL_CMDQV_HARDWARE));
    }
    return info;
}

static void query_attachment(const SMMUv3AccelGroup *group,
                             SMMUv3AccelInfoHostDevice *info)
{
    info->target = group->target.kind;
    info->why = g_strdup(group->target.why);
    info->exposed = group->exposed;
    info->has_group = group->id >= 0;
    info->group = group->id;
    if (group->target.kind == SMMU_ACCEL_NESTED) {
        info->has_hwpt = info->has_ste = true;
        info->hwpt = group->hwpt_id;
        QAPI_LIST_PREPEND(info->ste, group->target.ste[1]);
        QAPI_LIST_PREPEND(info->ste, group->target.ste[0]);
    }
}

static SMMUv3AccelInfoHostDevice *query_host_device(SMMUv3AccelDevice *dev)
{
    SMMUv3AccelInfoHostDevice *info = g_new0(SMMUv3AccelInfoHostDevice, 1);
    PCIDevice *pdev = dev->bus->devices[dev->devfn];

    info->name = g_strdup(dev->hdev->name);
    info->id = pdev ? g_strdup(pdev->qdev.id) : NULL;
    info->bus = g_strdup(dev->bus->qbus.name);
    info->slot = PCI_SLOT(dev->devfn);
    info->function = PCI_FUNC(dev->devfn);
    info->has_sid = smmuv3_accel_device_sid(dev, &info->sid);
    info->has_vdevice = info->has_vdevice_sid = dev->hdev->vdevice_id;
    info->vdevice = dev->hdev->vdevice_id;
    info->vdevice_sid = dev->hdev->vsid;
    info->can_stall = dev->hdev->can_stall;
    query_attachment(dev->hdev->group, info);
    return info;
}

static SMMUv3AccelInfoHostDeviceList *query_host_devices(SMMUv3AccelState *s)
{
    SMMUv3AccelInfoHostDeviceList *list = NULL;
    SMMUv3AccelDevice *dev;

    /* The one that was plugged last is the first of the vSMMU */
    QLIST_FOREACH(dev, &s->devices, next) {
        QAPI_LIST_PREPEND(list, query_host_device(dev));
    }
    return list;
}

static SMMUv3AccelInfoEmulatedDevice *query_emulated_device(PCIBus *bus,
                                                            PCIDevice *pdev)
{
    SMMUv3AccelInfoEmulatedDevice *info =
        g_new0(SMMUv3AccelInfoEmulatedDevice, 1);

    info->driver = g_strdup(object_get_typename(OBJECT(pdev)));
    info->id = g_strdup(pdev->qdev.id);
    info->bus = g_strdup(bus->qbus.name);
    info->slot = PCI_SLOT(pdev->devfn);
    info->function = PCI_FUNC(pdev->devfn);
    if (pci_bus_is_root(bus) || pci_bus_num(bus)) {
        info->has_sid = true;
        info->sid = pci_requester_id(pdev);
    }
    return info;
}

/* One that stands for a root complex, and does no DMA */
static bool is_host_bridge(PCIDevice *pdev)
{
    return pci_get_word(pdev->config + PCI_CLASS_DEVICE) ==
           PCI_CLASS_BRIDGE_HOST;
}

/* Those below @bus, a bridge before what is behind it, go to *@tail */
static SMMUv3AccelInfoEmulatedDeviceList **
query_emulated_devices(SMMUv3AccelState *s, PCIBus *bus,
                       SMMUv3AccelInfoEmulatedDeviceList **tail)
{
    PCIBus *child;

    for (int devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PCIDevice *pdev = bus->devices[devfn];

        if (!pdev || is_host_bridge(pdev) ||
            smmuv3_accel_device_find(s, bus, devfn)) {
            continue;
        }
        QAPI_LIST_APPEND(tail, query_emulated_device(bus, pdev));
        QLIST_FOREACH(child, &bus->child, sibling) {
            if (child->parent_dev == pdev) {
                tail = query_emulated_devices(s, child, tail);
            }
        }
    }
    return tail;
}

static SMMUv3AccelInfoCommandCountList *
query_commands(const SMMUv3AccelCounters *counters)
{
    SMMUv3AccelInfoCommandCountList *list = NULL, **tail = &list;

    for (int i = 0; i < SMMU_ACCEL_CMD_KIND__MAX; i++) {
        SMMUv3AccelInfoCommandCount *info =
            g_new0(SMMUv3AccelInfoCommandCount, 1);

        info->command = i;
        info->count = counters->commands[i];
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static SMMUv3AccelInfoIoctlCountList *
query_ioctls(const SMMUv3AccelCounters *counters)
{
    SMMUv3AccelInfoIoctlCountList *list = NULL, **tail = &list;

    for (int i = 0; i < SMMU_ACCEL_IOCTL__MAX; i++) {
        SMMUv3AccelInfoIoctlCount *info = g_new0(SMMUv3AccelInfoIoctlCount, 1);

        info->ioctl = i;
        info->count = counters->ioctls[i];
        info->failed = counters->ioctls_failed[i];
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static SMMUv3AccelInfoAttachCountList *
query_attached(const SMMUv3AccelCounters *counters)
{
    SMMUv3AccelInfoAttachCountList *list = NULL, **tail = &list;

    for (int i = 0; i < SMMU_ACCEL__MAX; i++) {
        SMMUv3AccelInfoAttachCount *info =
            g_new0(SMMUv3AccelInfoAttachCount, 1);

        info->target = i;
        info->count = counters->attached[i];
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static SMMUv3AccelInfoCounters *query_counters(const SMMUv3AccelState *s)
{
    SMMUv3AccelInfoCounters *info = g_new0(SMMUv3AccelInfoCounters, 1);
    const SMMUv3AccelCounters *counters = &s->counters;

    info->commands = query_commands(counters);
    info->batches = counters->batches;
    info->forwarded = counters->forwarded;
    info->refused = counters->refused;
    info->fallbacks = counters->fallbacks;
    info->lost = counters->lost;
    info->ioctls = query_ioctls(counters);
    for (int i = 0; i < SMMU_ACCEL_IOCTL__MAX; i++) {
        info->ioctls_total += counters->ioctls[i];
        info->ioctls_failed += counters->ioctls_failed[i];
    }
    info->attached = query_attached(counters);
    info->events_delivered = counters->events_delivered;
    info->events_dropped = counters->events_dropped;
    info->events_lost = counters->events_lost;
    info->stalled = counters->stalled;
    info->stalls_resumed = counters->stalls_resumed;
    info->stalls_terminated = counters->stalls_terminated;
    info->stalls_expired = counters->stalls_expired;
    info->cmdqv_doorbells = counters->cmdqv_doorbells;
    if (s->cmdqv) {
        info->cmdqv_commands = s->cmdqv->dev.commands;
        info->cmdqv_errors = s->cmdqv->dev.errors;
    }
    info->cmdqv_given = counters->cmdqv_given;
    info->cmdqv_taken_back = counters->cmdqv_taken_back;
    info->complaints = counters->complaints;
    info->complaints_suppressed = counters->complaints_suppressed;
    return info;
}

SMMUv3AccelInfo *smmuv3_accel_query(SMMUv3AccelState *s)
{
    SMMUv3AccelInfo *info = g_new0(SMMUv3AccelInfo, 1);
    PCIBus *bus = ARM_SMMU(s)->primary_bus;

    info->qom_path = object_get_canonical_path(OBJECT(s));
    info->id = g_strdup(DEVICE(s)->id);
    info->bus = g_strdup(bus->qbus.name);
    info->enabled = smmu_enabled(ARM_SMMUV3(s));
    info->mode = smmuv3_accel_regs_mode(s);
    info->inherited_from = g_strdup(s->inherited_from);
    info->spec = s->regs_fixed ? smmuv3_accel_regs_to_paste(s) : NULL;
    info->registers = query_registers(s);
    info->host_smmu_wanted = g_strdup(s->host_smmu);
    info->host_smmu = g_strdup(s->associated_smmu);
    info->viommu = query_viommu(s->host);
    info->event_queue = query_eventq(s);
    info->cmdqv = query_cmdqv(s);
    info->host_devices = query_host_devices(s);
    query_emulated_devices(s, bus, &info->emulated_devices);
    info->counters = query_counters(s);
    return info;
}
