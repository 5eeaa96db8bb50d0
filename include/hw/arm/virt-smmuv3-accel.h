/*
 * SMMUv3s of single root complexes on the virt board
 *
 * The devices, emulated or accelerated, are on the platform bus, one for each
 * PCIe root complex. These functions do the board's part. They are not for the
 * SMMU of iommu=smmuv3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_SMMUV3_ACCEL_H
#define HW_ARM_VIRT_SMMUV3_ACCEL_H

#include "hw/acpi/aml-build.h"
#include "hw/acpi/bios-linker-loader.h"
#include "hw/arm/smmu-common.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"

/*
 * IOVAs at which Linux's SMMUv3 driver puts the doorbells of the host's MSI
 * controllers. The guest's stage 1 must map them one to one for host devices.
 */
#define VIRT_SMMUV3_ACCEL_MSI_IOVA_BASE 0x8000000
#define VIRT_SMMUV3_ACCEL_MSI_IOVA_SIZE 0x100000

/**
 * virt_smmuv3_accel_list - the vSMMUs of a machine
 *
 * Called when tables for the guest are built. Returns: a list of SMMUState *,
 * in order of their MMIO addresses; free it with g_slist_free().
 */
GSList *virt_smmuv3_accel_list(VirtMachineState *vms);

/* Whether there is any; other IOMMUs are refused then */
bool virt_smmuv3_accel_present(VirtMachineState *vms);

/* Whether @smmu is accelerated, so that the guest has to map a MSI window */
bool virt_smmuv3_accel_has_host_devices(SMMUState *smmu);

/* Whether the root complex of bus @root has an accelerated one; for gpex */
bool virt_smmuv3_accel_serves(PCIBus *root);

/* The guest physical address of a vSMMU, and the SPI of an interrupt */
hwaddr virt_smmuv3_accel_base(VirtMachineState *vms, SMMUState *smmu);
int virt_smmuv3_accel_spi(VirtMachineState *vms, SMMUState *smmu, SMMUIrq irq);

/* Hotplug handler before realize: check whether the board can take one more */
void virt_smmuv3_accel_pre_plug(VirtMachineState *vms, DeviceState *dev,
                                Error **errp);

/**
 * virt_smmuv3_accel_build_iort - build the IORT of a machine with vSMMUs
 *
 * Called instead of the function for other machines, when the guest's firmware
 * reads the tables and has assigned bus numbers.
 */
void virt_smmuv3_accel_build_iort(GArray *table_data, BIOSLinker *linker,
                                  VirtMachineState *vms);

/* The identifier of a vSMMU's node in that IORT */
uint32_t virt_smmuv3_accel_iort_id(VirtMachineState *vms, SMMUState *smmu);

/* Describe the CMDQVs that SMMUs may have in the DSDT and the device tree */
void virt_smmuv3_cmdqv_add_dsdt(Aml *scope, VirtMachineState *vms);
void virt_smmuv3_cmdqv_add_fdt(VirtMachineState *vms, SMMUState *smmu,
                               const char *smmu_node);

/**
 * virt_smmuv3_accel_add_fdt - describe the vSMMUs in the device tree
 *
 * Called when the machine is done. Returns: false with @errp set if there is
 * neither firmware nor ACPI and the device tree cannot describe a vSMMU.
 */
bool virt_smmuv3_accel_add_fdt(VirtMachineState *vms, Error **errp);

#endif /* HW_ARM_VIRT_SMMUV3_ACCEL_H */
