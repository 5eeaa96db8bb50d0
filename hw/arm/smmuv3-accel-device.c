/*
 * Accelerated SMMUv3: host devices that come and go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-core.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-device.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-eventq.h"
#include "smmuv3-accel-regs.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-stall.h"
#include "smmuv3-accel-state.h"

/* Where PCI_PASID_CAP_WIDTH starts */
#define PASID_CAP_WIDTH_SHIFT   8

SMMUv3AccelDevice *smmuv3_accel_device_find(SMMUv3AccelState *s, PCIBus *bus,
                                            int devfn)
{
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->devices, next) {
        if (dev->bus == bus && dev->devfn == devfn) {
            return dev;
        }
    }
    return NULL;
}

uint16_t smmuv3_accel_pasid_cap(SMMUv3AccelState *s,
                                const SMMUv3AccelDevice *dev)
{
    uint32_t ssidsize = FIELD_EX32(ARM_SMMUV3(s)->idr[1], IDR1, SSIDSIZE);
    uint16_t cap = MIN(dev->hdev->max_pasid_log2, ssidsize) <<
                   PASID_CAP_WIDTH_SHIFT;

    if (!cap) {
        return 0;
    }
    if (dev->hdev->caps & IOMMU_HW_CAP_PCI_PASID_EXEC) {
        cap |= PCI_PASID_CAP_EXEC;
    }
    if (dev->hdev->caps & IOMMU_HW_CAP_PCI_PASID_PRIV) {
        cap |= PCI_PASID_CAP_PRIV;
    }
    return cap;
}

static const char *smmu_id(SMMUv3AccelState *s)
{
    return DEVICE(s)->id ?: TYPE_ARM_SMMUV3_ACCEL;
}

/* The board sets no_hotplug if the guest's tables list only devices at start */
static bool check_time(SMMUv3AccelState *s, const SMMUv3AccelHostDevice *hdev,
                       Error **errp)
{
    if (!s->no_hotplug || !phase_check(PHASE_MACHINE_READY)) {
        return true;
    }
    error_setg(errp, "host device %s cannot be hot-plugged: the guest boots "
               "with a device tree, which reserves the MSI window only for "
               "devices that are present at boot. Boot with ACPI, that is with "
               "UEFI firmware (-bios QEMU_EFI.fd) and without acpi=off",
               hdev->name);
    return false;
}

static bool check_iommufd(SMMUv3AccelState *s,
                          const SMMUv3AccelHostDevice *hdev, Error **errp)
{
    if (!s->host || s->host->iommufd == hdev->hiodi->iommufd) {
        return true;
    }
    error_setg(errp, "host device %s uses another iommufd object than the "
               "devices already behind %s: use iommufd=%s", hdev->name,
               smmu_id(s),
               object_get_canonical_path_component(OBJECT(s->host->iommufd)));
    return false;
}

/*
 * One vSMMU stands for one physical SMMU until QEMU exits, because the guest's
 * invalidations reach only that one. host-smmu= or the first device selects it.
 */
static bool check_association(SMMUv3AccelState *s,
                              const SMMUv3AccelHostDevice *hdev,
                              const char *smmu, Error **errp)
{
    const char *want = s->host_smmu ?: s->associated_smmu;

    if (want && smmu && strcmp(want, smmu)) {
        error_setg(errp, "host device %s is behind the physical SMMU %s, but "
                   "%s %s%s: put the device below a root complex whose vSMMU "
                   "is for %s", hdev->name, smmu, smmu_id(s),
                   s->host_smmu ? "has host-smmu=" : "already stands for ",
                   want, smmu);
        return false;
    }
    if (s->host_smmu && !smmu) {
        error_setg(errp, "sysfs does not show the physical SMMU of host device "
                   "%s, so QEMU cannot check host-smmu=%s of %s: remove "
                   "host-smmu=", hdev->name, s->host_smmu, smmu_id(s));
        return false;
    }
    if (s->host && s->host->stage2_hwpt_id != smmuv3_accel_host_stage2(hdev)) {
        error_setg(errp, "host device %s (physical SMMU %s) has another "
                   "stage 2 than the devices already behind %s (physical SMMU "
                   "%s), as devices of two physical SMMUs do: put it below a "
                   "root complex with a vSMMU of its own", hdev->name,
                   smmu ?: "unnamed", smmu_id(s),
                   s->associated_smmu ?: "unnamed");
        return false;
    }
    return true;
}

/* Without a device behind the vSMMU, only sysfs shows whether the SMMU differs */
static void warn_unknown_smmu(SMMUv3AccelState *s,
                              const SMMUv3AccelHostDevice *hdev,
                              const char *smmu)
{
    if (s->was_associated && (!smmu || !s->associated_smmu)) {
        warn_report("QEMU cannot check whether host device %s is behind the "
                    "physical SMMU that %s stands for, because it has no "
                    "access to /sys", hdev->name, smmu_id(s));
    }
}

/* Members of one group in two slots are not isolated from each other */
static void warn_unknown_group(SMMUv3AccelState *s,
                               const SMMUv3AccelHostDevice *hdev)
{
    if (!QLIST_EMPTY(&s->devices) && smmuv3_accel_host_group_id(hdev) < 0) {
        warn_report("QEMU cannot check whether host device %s shares an IOMMU "
                    "group with another device behind %s, because it has no "
                    "access to /sys", hdev->name, smmu_id(s));
    }
}

/* The kernel attaches a group as a whole, so the guest has to do the same */
static bool check_group(SMMUv3AccelState *s, const SMMUv3AccelHostDevice *hdev,
                        PCIBus *bus, int devfn, Error **errp)
{
    SMMUv3AccelGroup *group = s->host ?
                              smmuv3_accel_host_group_of(s->host, hdev) : NULL;
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->devices, next) {
        if (group && dev->hdev->group == group &&
            (dev->bus != bus || PCI_SLOT(dev->devfn) != PCI_SLOT(devfn))) {
            error_setg(errp, "host device %s is in IOMMU group %d together "
                       "with %s, and the host cannot isolate them from each "
                       "other: make them functions of one slot "
                       "(multifunction=on, addr=%x.0 and addr=%x.1 on bus %s)",
                       hdev->name, group->id, dev->hdev->name,
                       PCI_SLOT(dev->devfn), PCI_SLOT(dev->devfn),
                       dev->bus->qbus.name);
            return false;
        }
    }
    return true;
}

static bool admit(SMMUv3AccelState *s, SMMUv3AccelHostDevice *hdev,
                  PCIBus *bus, int devfn, const char *smmu, Error **errp)
{
    return check_time(s, hdev, errp) && check_iommufd(s, hdev, errp) &&
           check_association(s, hdev, smmu, errp) &&
           check_group(s, hdev, bus, devfn, errp) &&
           smmuv3_accel_host_ask(hdev, smmuv3_accel_cmdqv_is_wanted(s),
                                 &s->counters, errp) &&
           smmuv3_accel_regs_admit(s, hdev, smmu, errp);
}

static bool ensure_host(SMMUv3AccelState *s, const SMMUv3AccelHostDevice *hdev,
                        const char *smmu, Error **errp)
{
    ERRP_GUARD();

    if (s->host) {
        return true;
    }
    warn_unknown_smmu(s, hdev, smmu);
    s->host = smmuv3_accel_host_new(hdev, smmuv3_accel_cmdqv_is_wanted(s),
                                    &s->counters, errp);
    if (!s->host) {
        error_prepend(errp, "host device %s, physical SMMU %s: ", hdev->name,
                      smmu ?: "unnamed");
        return false;
    }
    smmuv3_accel_stall_host_new(s);
    smmuv3_accel_cmdqv_host_new(s, hdev);
    return true;
}

static void put_host_if_unused(SMMUv3AccelState *s)
{
    if (s->host && QLIST_EMPTY(&s->devices)) {
        smmuv3_accel_cmdqv_host_gone(s);
        smmuv3_accel_eventq_close(s);
        smmuv3_accel_stall_host_gone(s);
        g_clear_pointer(&s->host, smmuv3_accel_host_unref);
    }
}

/* Free everything that belongs to the device */
static void device_free(SMMUv3AccelState *s, SMMUv3AccelDevice *dev)
{
    Error *err = NULL;

    if (!smmuv3_accel_host_leave(s->host, dev->hdev, &err)) {
        error_prepend(&err, "arm-smmuv3-accel: host device %s, which is being "
                      "unplugged: ", dev->hdev->name);
        smmuv3_accel_complain(s, err);
    }
    trace_smmuv3_accel_device_free(dev->hdev->name);
    QLIST_REMOVE(dev, next);
    smmuv3_accel_host_device_free(dev->hdev);
    g_free(dev);
}

static SMMUv3AccelDevice *device_new(SMMUv3AccelState *s, PCIBus *bus,
                                     int devfn, SMMUv3AccelHostDevice *hdev)
{
    SMMUv3AccelDevice *dev = g_new0(SMMUv3AccelDevice, 1);

    dev->bus = bus;
    dev->devfn = devfn;
    dev->hdev = hdev;
    dev->reported = SMMU_EVT_NONE;
    smmuv3_accel_host_join(s->host, hdev);
    QLIST_INSERT_HEAD(&s->devices, dev, next);
    return dev;
}

static void device_remove(SMMUv3AccelState *s, SMMUv3AccelDevice *dev)
{
    if (QLIST_FIRST(&s->devices) == dev && !QLIST_NEXT(dev, next)) {
        /* As long as the hardware knows its StreamID */
        smmuv3_accel_cmdqv_take_back(s, "the last host device is unplugged");
    }
    device_free(s, dev);
    put_host_if_unused(s);
    /*
     * Its StreamID may be what another device has been waiting for, and its
     * STE what kept the others of its group from what they want.
     */
    smmuv3_accel_evaluate(s, 0, UINT32_MAX);
    /* What waited for it does not any more: there is room for others */
    smmuv3_accel_stall_update(s);
}

bool smmuv3_accel_device_plug(SMMUv3AccelState *s, PCIBus *bus, int devfn,
                              HostIOMMUDevice *hiod, Error **errp)
{
    ERRP_GUARD();
    SMMUv3AccelHostDevice *hdev = smmuv3_accel_host_device_new(hiod);
    g_autofree char *smmu = smmuv3_accel_host_smmu_name(hdev);
    SMMUv3AccelDevice *dev;

    hdev->can_stall = smmuv3_accel_function_can_stall(bus->devices[devfn]);
    if (!admit(s, hdev, bus, devfn, smmu, errp) ||
        !ensure_host(s, hdev, smmu, errp)) {
        smmuv3_accel_host_device_free(hdev);
        return false;
    }
    warn_unknown_group(s, hdev);
    /* This device may have the StreamID that another one had */
    smmuv3_accel_evaluate_moved(s);
    dev = device_new(s, bus, devfn, hdev);
    if (!smmuv3_accel_evaluate_plug(s, dev, errp)) {
        error_prepend(errp, "host device %s: ", hdev->name);
        device_remove(s, dev);
        return false;
    }
    s->was_associated = true;
    if (smmu && !s->associated_smmu) {
        s->associated_smmu = g_steal_pointer(&smmu);
    }
    smmuv3_accel_eventq_update(s);
    trace_smmuv3_accel_device_plug(hdev->name, s->associated_smmu ?: "?",
                                   s->host->viommu_id);
    return true;
}

void smmuv3_accel_device_unplug(SMMUv3AccelState *s, PCIBus *bus, int devfn)
{
    SMMUv3AccelDevice *dev = smmuv3_accel_device_find(s, bus, devfn);

    if (dev) {
        device_remove(s, dev);
    }
}
