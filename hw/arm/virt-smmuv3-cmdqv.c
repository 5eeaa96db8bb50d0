/*
 * SMMUv3s of single root complexes on the virt board: their CMDQVs
 *
 * How Linux finds the Tegra241 CMDQV of an SMMU: by ACPI it is a device whose
 * _UID is the identifier of the SMMU's node in the IORT; in a device tree the
 * SMMU's node has a phandle, see nvidia,tegra264-cmdqv.yaml.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/arm/fdt.h"
#include "hw/arm/virt-smmuv3-accel.h"
#include "hw/platform-bus.h"
#include "system/device_tree.h"

#include "smmuv3-cmdqv-device.h"

#define ARM_SPI_BASE 32

static hwaddr cmdqv_base(VirtMachineState *vms, SMMUState *smmu)
{
    return vms->memmap[VIRT_PLATFORM_BUS].base +
        platform_bus_get_mmio_addr(PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
                                   SYS_BUS_DEVICE(smmu), SMMUV3_CMDQV_MMIO);
}

static uint64_t cmdqv_size(SMMUState *smmu)
{
    return smmuv3_cmdqv_size(&ARM_SMMUV3(smmu)->cmdqv->regs);
}

void virt_smmuv3_cmdqv_add_dsdt(Aml *scope, VirtMachineState *vms)
{
    g_autoptr(GSList) smmus = virt_smmuv3_accel_list(vms);

    for (GSList *l = smmus; l; l = l->next) {
        SMMUState *smmu = l->data;
        uint32_t uid = virt_smmuv3_accel_iort_id(vms, smmu);
        Aml *dev, *crs;
        uint32_t irq;

        if (!ARM_SMMUV3(smmu)->cmdqv) {
            continue;
        }
        dev = aml_device("CQ%.02X", uid);
        crs = aml_resource_template();
        irq = ARM_SPI_BASE + virt_smmuv3_accel_spi(vms, smmu, SMMUV3_CMDQV_IRQ);
        aml_append(dev, aml_name_decl("_HID", aml_string("NVDA200C")));
        aml_append(dev, aml_name_decl("_UID", aml_int(uid)));
        aml_append(dev, aml_name_decl("_CCA", aml_int(1)));
        aml_append(crs, aml_memory32_fixed(cmdqv_base(vms, smmu),
                                           cmdqv_size(smmu), AML_READ_WRITE));
        /* It is pulsed for each error, and stays up for none */
        aml_append(crs, aml_interrupt(AML_CONSUMER, AML_EDGE, AML_ACTIVE_HIGH,
                                      AML_EXCLUSIVE, &irq, 1));
        aml_append(dev, aml_name_decl("_CRS", crs));
        aml_append(scope, dev);
    }
}

void virt_smmuv3_cmdqv_add_fdt(VirtMachineState *vms, SMMUState *smmu,
                               const char *smmu_node)
{
    static const char compatible[] = "nvidia,tegra264-smmu\0arm,smmu-v3";
    void *fdt = MACHINE(vms)->fdt;
    g_autofree char *node = NULL;
    uint32_t phandle;

    if (!ARM_SMMUV3(smmu)->cmdqv) {
        return;
    }
    node = g_strdup_printf("/cmdqv@%" PRIx64, cmdqv_base(vms, smmu));
    phandle = qemu_fdt_alloc_phandle(fdt);
    qemu_fdt_add_subnode(fdt, node);
    qemu_fdt_setprop_string(fdt, node, "compatible", "nvidia,tegra264-cmdqv");
    qemu_fdt_setprop_sized_cells(fdt, node, "reg", 2, cmdqv_base(vms, smmu),
                                 2, cmdqv_size(smmu));
    qemu_fdt_setprop_cells(fdt, node, "interrupts", GIC_FDT_IRQ_TYPE_SPI,
                           virt_smmuv3_accel_spi(vms, smmu, SMMUV3_CMDQV_IRQ),
                           GIC_FDT_IRQ_FLAGS_EDGE_LO_HI);
    qemu_fdt_setprop_cell(fdt, node, "phandle", phandle);

    qemu_fdt_setprop(fdt, smmu_node, "compatible", compatible,
                     sizeof(compatible));
    qemu_fdt_setprop_cell(fdt, smmu_node, "nvidia,cmdqv", phandle);
}
