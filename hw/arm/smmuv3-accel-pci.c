/*
 * Accelerated SMMUv3: the IOMMU of a PCI root complex
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_host.h"
#include "trace.h"

#include "smmuv3-accel-device.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-pci.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-ats.h"
#include "smmuv3-stall.h"

/*
 * Stage 2 of every host device maps all guest memory, so all vSMMUs of a VM,
 * and devices without one, share a VFIO container and its IOAS.
 */
static AddressSpace *get_host_address_space(PCIBus *bus, void *opaque,
                                            int devfn)
{
    return &address_space_memory;
}

static bool get_msi_doorbell(PCIBus *bus, void *opaque, int devfn, hwaddr *gpa)
{
    SMMUv3AccelState *s = opaque;

    if (!s->msi_doorbell || !smmuv3_accel_device_find(s, bus, devfn)) {
        return false;
    }
    *gpa = s->msi_doorbell;
    return true;
}

static uint16_t get_pasid_cap(PCIBus *bus, void *opaque, int devfn)
{
    SMMUv3AccelDevice *dev = smmuv3_accel_device_find(opaque, bus, devfn);

    return dev ? smmuv3_accel_pasid_cap(opaque, dev) : 0;
}

static bool set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                             HostIOMMUDevice *hiod, Error **errp)
{
    if (!object_dynamic_cast(OBJECT(hiod), TYPE_HOST_IOMMU_DEVICE_IOMMUFD)) {
        error_setg(errp, "host device %s is behind an arm-smmuv3-accel and "
                   "needs iommufd: add -object iommufd,id=iommufd0 and "
                   "iommufd=iommufd0 to this device", hiod->name);
        return false;
    }
    if (hiod->aliased_bus != bus || hiod->aliased_devfn != devfn) {
        error_setg(errp, "host device %s is behind a PCIe-to-PCI bridge, which "
                   "hides its StreamID: put it on a pcie-root-port below the "
                   "same root complex", hiod->name);
        return false;
    }
    return smmuv3_accel_device_plug(opaque, bus, devfn, hiod, errp);
}

static void unset_iommu_device(PCIBus *bus, void *opaque, int devfn)
{
    smmuv3_accel_device_unplug(opaque, bus, devfn);
}

static void bus_renumbered(PCIBus *bus, void *opaque)
{
    smmuv3_accel_evaluate_moved(opaque);
}

static const PCIIOMMUOps smmuv3_accel_ops = {
    .get_address_space = smmu_find_add_as,
    .get_pasid_address_space = smmu_find_add_pasid_as,
    .ats_translate = smmuv3_ats_translate,
    .stall_translate = smmuv3_stall_translate,
    .get_host_address_space = get_host_address_space,
    .get_msi_doorbell = get_msi_doorbell,
    .get_pasid_cap = get_pasid_cap,
    .set_iommu_device = set_iommu_device,
    .unset_iommu_device = unset_iommu_device,
    .bus_renumbered = bus_renumbered,
};

/* VFIO devices choose a container and look for a vIOMMU when realized */
static void find_host_device(PCIBus *bus, PCIDevice *pdev, void *opaque)
{
    PCIDevice **found = opaque;

    if (object_dynamic_cast(OBJECT(pdev), "vfio-pci")) {
        *found = pdev;
    }
}

static PCIDevice *host_device_below(PCIBus *bus)
{
    PCIDevice *found = NULL;
    PCIBus *child;

    pci_for_each_device_under_bus(bus, find_host_device, &found);
    QLIST_FOREACH(child, &bus->child, sibling) {
        if (!found && !pci_bus_is_root(child)) {
            found = host_device_below(child);
        }
    }
    return found;
}

static bool check_bus(PCIBus *bus, Error **errp)
{
    PCIDevice *pdev;

    if (!smmu_check_root_complex(bus, errp)) {
        return false;
    }
    pdev = host_device_below(bus);
    if (pdev) {
        error_setg(errp, "VFIO device %s was created on %s before its SMMU, "
                   "and would not be behind it: give -device arm-smmuv3-accel "
                   "before every -device vfio-pci below that root complex",
                   DEVICE(pdev)->id ?: pdev->name, BUS(bus)->name);
        return false;
    }
    return true;
}

bool smmuv3_accel_setup_pci_iommu(SMMUState *bs, Error **errp)
{
    if (!check_bus(bs->primary_bus, errp) ||
        !pci_setup_iommu_per_bus(bs->primary_bus, &smmuv3_accel_ops, bs,
                                 errp)) {
        return false;
    }
    trace_smmuv3_accel_setup_pci_iommu(BUS(bs->primary_bus)->name);
    return true;
}
