/*
 * Accelerated SMMUv3: host devices that come and go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "system/iommufd-viommu.h"
#include "trace.h"

#include "smmuv3-accel-internal.h"

void smmuv3_accel_put_id(SMMUv3AccelState *s, uint32_t id)
{
    Error *err = NULL;

    if (!smmuv3_accel_viommu_put_id(s->viommu, id, &err)) {
        error_prepend(&err, "arm-smmuv3-accel: the host keeps what is not "
                      "needed any more, for now: ");
        smmuv3_accel_complain(s, err);
    }
}

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

SMMUv3AccelDevice *smmuv3_accel_device_by_vsid(SMMUv3AccelState *s,
                                               uint32_t vsid)
{
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->devices, next) {
        if (dev->vdevice_id && dev->vsid == vsid) {
            return dev;
        }
    }
    return NULL;
}

static void device_free(SMMUv3AccelDevice *dev)
{
    object_unref(OBJECT(dev->hiodi));
    g_free(dev->name);
    g_free(dev);
}

/* Everything of ours that hangs on the device; leaves its DMA blocked */
static void release(SMMUv3AccelDevice *dev)
{
    SMMUv3AccelState *s = dev->smmu;

    smmuv3_accel_attach_end(dev);
    QLIST_REMOVE(dev, next);
    if (QLIST_EMPTY(&s->devices)) {
        smmuv3_accel_eventq_free(s);
        g_clear_pointer(&s->viommu, smmuv3_accel_viommu_free);
    }
    trace_smmuv3_accel_device_release(dev->name);
    device_free(dev);
}

static SMMUv3AccelDevice *device_new(SMMUv3AccelState *s, PCIBus *bus,
                                     int devfn, HostIOMMUDevice *hiod)
{
    SMMUv3AccelDevice *dev = g_new0(SMMUv3AccelDevice, 1);

    dev->smmu = s;
    dev->bus = bus;
    dev->devfn = devfn;
    dev->hiodi = HOST_IOMMU_DEVICE_IOMMUFD(object_ref(OBJECT(hiod)));
    dev->name = accel_hiodc(dev)->host_name(dev->hiodi) ?:
                g_strdup(hiod->name);
    smmuv3_accel_attach_begin(dev);
    return dev;
}

/* The board says so if the guest cannot be told of a device that comes late */
static bool check_time(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                       Error **errp)
{
    if (!s->no_hotplug || !phase_check(PHASE_MACHINE_READY)) {
        return true;
    }
    error_setg(errp, "host device %s cannot be hot-plugged: the guest boots "
               "with a device tree, which reserves the MSI window for devices "
               "present at boot only. Boot with ACPI, that is with UEFI "
               "firmware (-bios QEMU_EFI.fd) and without acpi=off", dev->name);
    return false;
}

/*
 * One vSMMU is one physical SMMU, chosen by host-smmu= or by the first device
 * and kept for good: invalidations of the guest reach no other.
 */
static bool check_association(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                              const char *smmu, Error **errp)
{
    const char *want = s->host_smmu ?: s->associated_smmu;
    const char *id = DEVICE(s)->id ?: TYPE_ARM_SMMUV3_ACCEL;

    if (s->viommu && s->viommu->iommufd != dev->hiodi->iommufd) {
        const char *have =
            object_get_canonical_path_component(OBJECT(s->viommu->iommufd));

        error_setg(errp, "host device %s uses another iommufd object than the "
                   "devices already behind %s: use iommufd=%s", dev->name, id,
                   have);
        return false;
    }
    if (want && smmu && strcmp(want, smmu)) {
        error_setg(errp, "host device %s is behind the physical SMMU %s, but "
                   "%s %s%s: put the device below a root complex whose vSMMU "
                   "is for %s", dev->name, smmu, id,
                   s->host_smmu ? "has host-smmu=" : "already stands for ",
                   want, smmu);
        return false;
    }
    if (s->host_smmu && !smmu) {
        error_setg(errp, "the physical SMMU of host device %s cannot be told "
                   "from sysfs, so that host-smmu=%s of %s cannot be checked: "
                   "leave host-smmu out", dev->name, s->host_smmu, id);
        return false;
    }
    if (s->viommu && s->viommu->stage2_hwpt_id !=
                     accel_hiodc(dev)->stage2_hwpt(dev->hiodi)) {
        error_setg(errp, "host device %s (physical SMMU %s) has another "
                   "stage 2 than the devices already behind %s (physical SMMU "
                   "%s), as devices of two physical SMMUs do: put it below a "
                   "root complex with a vSMMU of its own", dev->name,
                   smmu ?: "unnamed", id, s->associated_smmu ?: "unnamed");
        return false;
    }
    return true;
}

bool smmuv3_accel_device_plug(SMMUv3AccelState *s, PCIBus *bus, int devfn,
                              HostIOMMUDevice *hiod, Error **errp)
{
    SMMUv3AccelDevice *dev = device_new(s, bus, devfn, hiod);
    g_autofree char *smmu = accel_hiodc(dev)->iommu_name(dev->hiodi);

    if (!check_time(s, dev, errp) ||
        !check_association(s, dev, smmu, errp) ||
        !smmuv3_accel_regs_admit(s, dev, smmu, errp)) {
        device_free(dev);
        return false;
    }

    if (!s->viommu) {
        s->viommu = smmuv3_accel_viommu_new(dev->hiodi, &s->counters, errp);
        if (!s->viommu) {
            error_prepend(errp, "host device %s, physical SMMU %s: ",
                          dev->name, smmu ?: "unnamed");
            device_free(dev);
            return false;
        }
    }

    /* This device may have the StreamID that another one had */
    smmuv3_accel_evaluate_moved(s);
    QLIST_INSERT_HEAD(&s->devices, dev, next);
    if (!smmuv3_accel_attach(dev, errp)) {
        error_prepend(errp, "host device %s: ", dev->name);
        release(dev);
        return false;
    }
    if (smmu && !s->associated_smmu) {
        s->associated_smmu = g_steal_pointer(&smmu);
    }
    smmuv3_accel_eventq_update(s);
    trace_smmuv3_accel_device_plug(dev->name, s->associated_smmu ?: "?",
                                   s->viommu->id);
    return true;
}

void smmuv3_accel_device_unplug(SMMUv3AccelState *s, PCIBus *bus, int devfn)
{
    SMMUv3AccelDevice *dev;

    /* Invalidations may be on their way to the vIOMMU and the device */
    smmuv3_accel_mmio_wait(s);
    dev = smmuv3_accel_device_find(s, bus, devfn);
    if (dev) {
        release(dev);
    }
}
