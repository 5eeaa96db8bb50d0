/*
 * Accelerated SMMUv3: query-smmuv3-accel, and the same for people
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci.h"
#include "hw/qdev-core.h"
#include "monitor/hmp.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-misc-target.h"
#include "qapi/util.h"

#include "smmuv3-accel-line.h"
#include "smmuv3-accel-query.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-cmdqv.h"

static int bus_num(const void *smmu)
{
    return pci_bus_num(ARM_SMMU(smmu)->primary_bus);
}

static gint by_bus_num(gconstpointer a, gconstpointer b)
{
    return bus_num(a) - bus_num(b);
}

static int add_vsmmu(Object *obj, void *opaque)
{
    GSList **list = opaque;

    if (object_dynamic_cast(obj, TYPE_ARM_SMMUV3_ACCEL) &&
        DEVICE(obj)->realized) {
        *list = g_slist_insert_sorted(*list, obj, by_bus_num);
    }
    return 0;
}

SMMUv3AccelInfoList *qmp_query_smmuv3_accel(Error **errp)
{
    SMMUv3AccelInfoList *infos = NULL, **tail = &infos;
    g_autoptr(GSList) vsmmus = NULL;

    object_child_foreach_recursive(object_get_root(), add_vsmmu, &vsmmus);
    for (GSList *l = vsmmus; l; l = l->next) {
        QAPI_LIST_APPEND(tail, smmuv3_accel_query(l->data));
    }
    return infos;
}

static void print_register(Monitor *mon, const SMMUv3AccelInfoRegister *reg)
{
    const char *origin = SMMUv3AccelOrigin_str(reg->origin);
    Line line = line_start(mon, "", "  %s 0x%08x %-9s  ", reg->name,
                           reg->value, origin);

    for (SMMUv3AccelInfoFieldList *l = reg->fields; l; l = l->next) {
        /* 0 is nothing there, but for OAS, where it is 32 bits */
        if (l->value->value || g_str_equal(l->value->name, "OAS")) {
            line_add(&line, "%s=%s", l->value->name, l->value->text);
        }
    }
    if (!line.column) {
        monitor_printf(mon, "  %s 0x%08x %s", reg->name, reg->value, origin);
    }
    monitor_printf(mon, "\n");
}

static void print_registers(Monitor *mon, const SMMUv3AccelInfo *info)
{
    for (SMMUv3AccelInfoRegisterList *l = info->registers; l; l = l->next) {
        print_register(mon, l->value);
    }
    if (info->spec) {
        monitor_printf(mon, "  spec %s\n", info->spec);
    }
}

static void print_host(Monitor *mon, const SMMUv3AccelInfo *info)
{
    const SMMUv3AccelInfoViommu *viommu = info->viommu;
    Line line = line_start(mon, ",", "  host SMMU   ");

    line_add(&line, "%s", info->host_smmu ?:
                          viommu ? "without a name" : "none yet");
    if (info->host_smmu_wanted) {
        line_add(&line, "host-smmu=%s", info->host_smmu_wanted);
    }
    if (viommu) {
        line_add(&line, "vIOMMU %u", viommu->id);
        line_add(&line, "stage 2 HWPT %u", viommu->stage2_hwpt);
        line_add(&line, "abort HWPT %u", viommu->abort_hwpt);
    }
    if (viommu && viommu->kept) {
        line_add(&line, "%u objects kept by the kernel", viommu->kept);
    }
    if (viommu && viommu->invalidations_lost) {
        line_add(&line, "INVALIDATIONS LOST");
    }
    line_end(&line);
}

static void print_event_queue(Monitor *mon, const SMMUv3AccelInfoEventQueue *q)
{
    Line line = line_start(mon, ",", "  event queue ");

    if (q->enabled) {
        line_add(&line, "%u entries", q->entries);
    } else {
        line_add(&line, "off");
    }
    if (q->has_id) {
        line_add(&line, "vEVENTQ %u of %u entries", q->id, q->host_entries);
    }
    if (q->unsupported) {
        line_add(&line, "the host's kernel has none");
    }
    line_end(&line);
}

static void print_vcmdq(Monitor *mon, const SMMUv3AccelInfoCmdqvQueue *q)
{
    Line line = line_start(mon, ",", "      queue %u ", q->index);

    if (!q->enabled) {
        line_add(&line, "off");
    } else {
        line_add(&line, "%u entries", 1U << q->log2size);
    }
    if (q->enabled && q->has_prod) {
        line_add(&line, "PROD 0x%x", q->prod);
        line_add(&line, "CONS 0x%x",
                 FIELD_EX32(q->cons, VCMDQ_CONS, INDEX));
    }
    if (q->errors) {
        line_add(&line, "STOPPED BY ERROR %u",
                 FIELD_EX32(q->cons, VCMDQ_CONS, ERR));
    }
    line_end(&line);
}

static void print_cmdqv(Monitor *mon, const SMMUv3AccelInfoCmdqv *cmdqv)
{
    Line line = line_start(mon, ",", "  CMDQV       ");

    if (cmdqv->wanted == ON_OFF_AUTO_OFF) {
        return;                 /* the default is not printed */
    }
    line_add(&line, "cmdqv=%s", OnOffAuto_str(cmdqv->wanted));
    if (cmdqv->has_param) {
        line_add(&line, "PARAM 0x%x", cmdqv->param);
    }
    line_add(&line, "%s", SMMUv3AccelCmdqvMode_str(cmdqv->mode));
    if (cmdqv->has_hardware_log2size) {
        line_add(&line, "%u entries fit in hardware",
                 1U << cmdqv->hardware_log2size);
    }
    line_end(&line);
    if (cmdqv->why) {
        monitor_printf(mon, "      why %s: %s\n",
                       SMMUv3AccelCmdqvMode_str(cmdqv->mode), cmdqv->why);
    }
    for (SMMUv3AccelInfoCmdqvQueueList *l = cmdqv->queues; l; l = l->next) {
        print_vcmdq(mon, l->value);
    }
}

/* "host device 0000:01:00.0 (dev1) on rp1 00.0, StreamID 0x900 (09:00.0)" */
static void print_place(Monitor *mon, const char *what, const char *name,
                        const char *id, const char *bus, unsigned slot,
                        unsigned function, bool has_sid, uint32_t sid)
{
    monitor_printf(mon, "  %s %s%s%s%s on %s %02x.%x, ", what, name,
                   id ? " (" : "", id ?: "", id ? ")" : "", bus, slot,
                   function);
    if (has_sid) {
        monitor_printf(mon, "StreamID 0x%x (%02x:%02x.%x)\n", sid,
                       PCI_BUS_NUM(sid), PCI_SLOT(sid), PCI_FUNC(sid));
    } else {
        monitor_printf(mon, "no StreamID yet\n");
    }
}

static void print_host_device(Monitor *mon,
                              const SMMUv3AccelInfoHostDevice *dev)
{
    Line line = line_start(mon, ",", "      ");

    print_place(mon, "host device", dev->name, dev->id, dev->bus, dev->slot,
                dev->function, dev->has_sid, dev->sid);
    line_add(&line, "%s: %s", SMMUv3AccelTargetKind_str(dev->target),
             dev->why);
    if (dev->exposed) {
        line_add(&line, "AGAINST THE GUEST'S WILL");
    }
    if (dev->has_hwpt) {
        line_add(&line, "HWPT %u", dev->hwpt);
    }
    if (dev->has_ste) {
        line_add(&line, "STE 0x%" PRIx64 " 0x%" PRIx64, dev->ste->value,
                 dev->ste->next->value);
    }
    if (dev->has_group) {
        line_add(&line, "IOMMU group %" PRId64, dev->group);
    }
    if (dev->has_vdevice && dev->has_sid && dev->sid == dev->vdevice_sid) {
        line_add(&line, "vDEVICE %u", dev->vdevice);
    } else if (dev->has_vdevice) {
        line_add(&line, "vDEVICE %u of StreamID 0x%x", dev->vdevice,
                 dev->vdevice_sid);
    }
    line_end(&line);
}

static void print_devices(Monitor *mon, const SMMUv3AccelInfo *info)
{
    SMMUv3AccelInfoHostDeviceList *h;
    SMMUv3AccelInfoEmulatedDeviceList *e;

    for (h = info->host_devices; h; h = h->next) {
        print_host_device(mon, h->value);
    }
    for (e = info->emulated_devices; e; e = e->next) {
        const SMMUv3AccelInfoEmulatedDevice *dev = e->value;

        print_place(mon, "emulated", dev->driver, dev->id, dev->bus,
                    dev->slot, dev->function, dev->has_sid, dev->sid);
    }
}

static void print_ioctls(Monitor *mon, SMMUv3AccelInfoIoctlCountList *list)
{
    Line line = line_start(mon, ",", "  ioctls      ");

    for (; list; list = list->next) {
        const char *name = SMMUv3AccelIoctl_str(list->value->ioctl);

        if (list->value->failed) {
            line_add(&line, "%s %" PRIu64 " (%" PRIu64 " failed)", name,
                     list->value->count, list->value->failed);
        } else {
            line_count(&line, name, list->value->count);
        }
    }
    line_end(&line);
}

static void print_counters(Monitor *mon, const SMMUv3AccelInfoCounters *c)
{
    SMMUv3AccelInfoCommandCountList *command;
    SMMUv3AccelInfoAttachCountList *attach;
    Line line = line_start(mon, ",", "  commands    ");

    for (command = c->commands; command; command = command->next) {
        line_count(&line, SMMUv3AccelCmdKind_str(command->value->command),
                   command->value->count);
    }
    line_end(&line);

    line = line_start(mon, ",", "  forwarded   ");
    line_count(&line, "commands", c->forwarded);
    line_count(&line, "batches", c->batches);
    line_count(&line, "refused", c->refused);
    line_count(&line, "whole TLB", c->fallbacks);
    line_count(&line, "lost", c->lost);
    line_end(&line);

    print_ioctls(mon, c->ioctls);

    line = line_start(mon, ",", "  attached    ");
    for (attach = c->attached; attach; attach = attach->next) {
        line_count(&line, SMMUv3AccelTargetKind_str(attach->value->target),
                   attach->value->count);
    }
    line_end(&line);

    line = line_start(mon, ",", "  events      ");
    line_count(&line, "delivered", c->events_delivered);
    line_count(&line, "dropped", c->events_dropped);
    line_count(&line, "lost", c->events_lost);
    line_end(&line);

    line = line_start(mon, ",", "  stalls      ");
    line_count(&line, "all", c->stalled);
    line_count(&line, "resumed", c->stalls_resumed);
    line_count(&line, "terminated", c->stalls_terminated);
    line_count(&line, "expired", c->stalls_expired);
    line_end(&line);

    line = line_start(mon, ",", "  by CMDQV    ");
    line_count(&line, "doorbells", c->cmdqv_doorbells);
    line_count(&line, "commands", c->cmdqv_commands);
    line_count(&line, "errors", c->cmdqv_errors);
    line_count(&line, "given to hardware", c->cmdqv_given);
    line_count(&line, "taken back", c->cmdqv_taken_back);
    line_end(&line);

    line = line_start(mon, ",", "  complaints  ");
    line_count(&line, "all", c->complaints);
    line_count(&line, "held back", c->complaints_suppressed);
    line_end(&line);
}

static void print_vsmmu(Monitor *mon, const SMMUv3AccelInfo *info)
{
    monitor_printf(mon, "%s on %s: translation %s, registers %s",
                   info->id ?: info->qom_path, info->bus,
                   info->enabled ? "on" : "off",
                   SMMUv3AccelInfoMode_str(info->mode));
    if (info->inherited_from) {
        monitor_printf(mon, " from %s", info->inherited_from);
    }
    monitor_printf(mon, "\n");
    print_registers(mon, info);
    print_host(mon, info);
    print_event_queue(mon, info->event_queue);
    print_cmdqv(mon, info->cmdqv);
    print_devices(mon, info);
    print_counters(mon, info->counters);
}

void hmp_info_smmuv3_accel(Monitor *mon, const QDict *qdict)
{
    g_autoptr(SMMUv3AccelInfoList) infos = qmp_query_smmuv3_accel(NULL);

    if (!infos) {
        monitor_printf(mon, "no arm-smmuv3-accel\n");
    }
    for (SMMUv3AccelInfoList *l = infos; l; l = l->next) {
        print_vsmmu(mon, l->value);
    }
}
