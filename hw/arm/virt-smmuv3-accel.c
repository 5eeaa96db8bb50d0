/*
 * SMMUv3s of single root complexes on the virt board: plugging
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-accel.h"
#include "hw/arm/virt-smmuv3-accel.h"
#include "hw/platform-bus.h"

#define NUM_IRQS 4

static int by_address(gconstpointer a, gconstpointer b)
{
    PlatformBusDevice *pbus = PLATFORM_BUS_DEVICE(
        qdev_find_recursive(sysbus_get_default(), TYPE_PLATFORM_BUS_DEVICE));

    return platform_bus_get_mmio_addr(pbus, SYS_BUS_DEVICE(a), 0) <
           platform_bus_get_mmio_addr(pbus, SYS_BUS_DEVICE(b), 0) ? -1 : 1;
}

static int collect(Object *obj, void *opaque)
{
    GSList **list = opaque;

    if (object_dynamic_cast(obj, TYPE_ARM_SMMUV3) &&
        ARM_SMMU(obj)->smmu_per_bus && DEVICE(obj)->realized) {
        *list = g_slist_insert_sorted(*list, obj, by_address);
    }
    return 0;
}

GSList *virt_smmuv3_accel_list(VirtMachineState *vms)
{
    GSList *list = NULL;

    if (vms->iommu == VIRT_IOMMU_SMMUV3) {
        return NULL;            /* the machine's own is the only one */
    }
    object_child_foreach_recursive(OBJECT(vms), collect, &list);
    return list;
}

bool virt_smmuv3_accel_present(VirtMachineState *vms)
{
    g_autoptr(GSList) list = virt_smmuv3_accel_list(vms);

    return list;
}

bool virt_smmuv3_accel_has_host_devices(SMMUState *smmu)
{
    return object_dynamic_cast(OBJECT(smmu), TYPE_ARM_SMMUV3_ACCEL);
}

bool virt_smmuv3_accel_serves(PCIBus *root)
{
    g_autoptr(GSList) list =
        virt_smmuv3_accel_list(VIRT_MACHINE(qdev_get_machine()));

    for (GSList *l = list; l; l = l->next) {
        SMMUState *smmu = l->data;

        if (smmu->primary_bus == root) {
            return virt_smmuv3_accel_has_host_devices(smmu);
        }
    }
    return false;
}

hwaddr virt_smmuv3_accel_base(VirtMachineState *vms, SMMUState *smmu)
{
    return vms->memmap[VIRT_PLATFORM_BUS].base +
        platform_bus_get_mmio_addr(PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
                                   SYS_BUS_DEVICE(smmu), 0);
}

int virt_smmuv3_accel_spi(VirtMachineState *vms, SMMUState *smmu, SMMUIrq irq)
{
    return vms->irqmap[VIRT_PLATFORM_BUS] +
        platform_bus_get_irqn(PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
                              SYS_BUS_DEVICE(smmu), irq);
}

static hwaddr msi_doorbell(VirtMachineState *vms)
{
    switch (vms->msi_controller) {
    case VIRT_MSI_CTRL_ITS:
        /* GITS_TRANSLATER, in the second 64 KiB frame */
        return vms->memmap[VIRT_GIC_ITS].base + 0x10000 + 0x40;
    case VIRT_MSI_CTRL_GICV2M:
        /* MSI_SETSPI_NS */
        return vms->memmap[VIRT_GIC_V2M].base + 0x40;
    default:
        return 0;
    }
}

/* Includes those of a CMDQV even if cmdqv=auto does not create one later */
static bool has_cmdqv_irq(const SMMUv3State *s)
{
    return s->cmdqv_vintfs || s->cmdqv_wanted != ON_OFF_AUTO_OFF;
}

void virt_smmuv3_accel_pre_plug(VirtMachineState *vms, DeviceState *dev,
                                Error **errp)
{
    const char *type = object_get_typename(OBJECT(dev));
    PlatformBusDevice *pbus;
    unsigned irqs;

    if (!vms->platform_bus_dev) {
        return;                 /* the machine's own, of iommu=smmuv3 */
    }
    if (vms->iommu != VIRT_IOMMU_NONE) {
        error_setg(errp, "the machine has an IOMMU already (%s): an "
                   "%s cannot be added to it",
                   vms->iommu == VIRT_IOMMU_SMMUV3 ?
                   "remove iommu=smmuv3 from -machine" :
                   "remove virtio-iommu-pci", type);
        return;
    }
    if (!ARM_SMMU(dev)->primary_bus) {
        error_setg(errp, "%s needs the root complex it serves: bus=pcie.0, or "
                   "bus= with the id of a pxb-pcie", type);
        return;
    }
    pbus = PLATFORM_BUS_DEVICE(vms->platform_bus_dev);
    irqs = NUM_IRQS + has_cmdqv_irq(ARM_SMMUV3(dev));
    if (bitmap_count_one(pbus->used_irqs, pbus->num_irqs) + irqs >
        pbus->num_irqs) {
        error_setg(errp, "no interrupts left on the platform bus: a machine "
                   "has room for %u %s%s", pbus->num_irqs / irqs, type,
                   irqs > NUM_IRQS ? " with a CMDQV each, and for more without"
                   : "");
        return;
    }
    object_property_set_bool(OBJECT(dev), "smmu_per_bus", true, &error_abort);
    if (virt_smmuv3_accel_has_host_devices(ARM_SMMU(dev))) {
        smmuv3_accel_set_msi_doorbell(ARM_SMMUV3_ACCEL(dev),
                                      msi_doorbell(vms));
    } else if (!ARM_SMMUV3(dev)->stage &&
               !VIRT_MACHINE_GET_CLASS(vms)->no_nested_smmu) {
        object_property_set_str(OBJECT(dev), "stage", "nested", &error_abort);
    }
}
