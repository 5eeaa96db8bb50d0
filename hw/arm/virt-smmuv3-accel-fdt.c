/*
 * SMMUv3s of single root complexes on the virt board: the device tree
 *
 * Bindings: arm,smmu-v3.yaml, pci-iommu.txt, reserved-memory.yaml. The window
 * for the host's MSI doorbells is a reserved region with one entry in
 * iommu-addresses for each endpoint. Linux looks for them at the node of the
 * endpoint, so every device that is present at boot has a node below that of
 * its bridge. A device tree cannot describe endpoints on a pxb, nor those that
 * are plugged later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/boot.h"
#include "hw/arm/fdt.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt-smmuv3-accel.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "system/device_tree.h"

#include <libfdt.h>

#include "smmuv3-internal.h"

/* PCI bus binding, IEEE 1275: 32-bit memory space */
#define PCI_PHYS_HI_MEM32 0x02000000

typedef struct FdtBuild {
    VirtMachineState *vms;
    void *fdt;
    const char *parent;         /* node of the bus that is being described */
    uint32_t parent_phandle;
    uint32_t msi_phandle;       /* reserved region */
    GArray *iommu_addresses;    /* big-endian cells */
} FdtBuild;

static void add_cell(GArray *cells, uint32_t value)
{
    uint32_t be = cpu_to_be32(value);

    g_array_append_val(cells, be);
}

static void add_bus(FdtBuild *b, PCIBus *bus, const char *node,
                    uint32_t phandle);

/*
 * INTx of devices behind a bridge, swizzled to the bridge's own bus. Linux does
 * not swizzle if the bridge has a node. Slots repeat every four.
 */
static void add_bridge_interrupts(FdtBuild *b, int bridge_devfn,
                                  const char *node)
{
    g_autoptr(GArray) map = g_array_new(false, false, sizeof(uint32_t));

    for (int slot = 0; slot < PCI_NUM_PINS; slot++) {
        for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
            add_cell(map, PCI_DEVFN(slot, 0) << 8);
            add_cell(map, 0);
            add_cell(map, 0);
            add_cell(map, pin + 1);
            add_cell(map, b->parent_phandle);
            add_cell(map, bridge_devfn << 8);
            add_cell(map, 0);
            add_cell(map, 0);
            add_cell(map, (slot + pin) % PCI_NUM_PINS + 1);
        }
    }
    qemu_fdt_setprop_cell(b->fdt, node, "#interrupt-cells", 1);
    qemu_fdt_setprop_cells(b->fdt, node, "interrupt-map-mask",
                           PCI_DEVFN(PCI_NUM_PINS - 1, 0) << 8, 0, 0, 7);
    qemu_fdt_setprop(b->fdt, node, "interrupt-map", map->data,
                     map->len * sizeof(uint32_t));
}

static void add_bridge(FdtBuild *b, PCIDevice *pdev, const char *node,
                       uint32_t phandle)
{
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(pdev));

    qemu_fdt_setprop_string(b->fdt, node, "device_type", "pci");
    qemu_fdt_setprop_cell(b->fdt, node, "#address-cells", 3);
    qemu_fdt_setprop_cell(b->fdt, node, "#size-cells", 2);
    qemu_fdt_setprop(b->fdt, node, "ranges", NULL, 0);
    add_bridge_interrupts(b, pdev->devfn, node);
    add_bus(b, bus, node, phandle);
}

static void add_endpoint(FdtBuild *b, const char *node, uint32_t phandle)
{
    qemu_fdt_setprop_cell(b->fdt, node, "memory-region", b->msi_phandle);

    add_cell(b->iommu_addresses, phandle);
    add_cell(b->iommu_addresses, PCI_PHYS_HI_MEM32);
    add_cell(b->iommu_addresses, 0);
    add_cell(b->iommu_addresses, VIRT_SMMUV3_ACCEL_MSI_IOVA_BASE);
    add_cell(b->iommu_addresses, 0);
    add_cell(b->iommu_addresses, VIRT_SMMUV3_ACCEL_MSI_IOVA_SIZE);
}

static void add_bus(FdtBuild *b, PCIBus *bus, const char *node,
                    uint32_t phandle)
{
    FdtBuild below = *b;

    below.parent = node;
    below.parent_phandle = phandle;
    /* The host bridge's own device does no DMA */
    for (int devfn = PCI_DEVFN_MAX - 1; devfn >= 0; devfn--) {
        PCIDevice *pdev = bus->devices[devfn];
        g_autofree char *child = NULL;
        uint32_t child_phandle;

        if (!pdev || (pci_bus_is_root(bus) && !devfn)) {
            continue;
        }
        child = g_strdup_printf("%s/pci@%x,%x", node, PCI_SLOT(devfn),
                                PCI_FUNC(devfn));
        child_phandle = qemu_fdt_alloc_phandle(b->fdt);
        qemu_fdt_add_subnode(b->fdt, child);
        qemu_fdt_setprop_cells(b->fdt, child, "reg", devfn << 8, 0, 0, 0, 0);
        qemu_fdt_setprop_cell(b->fdt, child, "phandle", child_phandle);
        if (pdev->config[PCI_INTERRUPT_PIN]) {
            /* For the bridge: else Linux searches the map for its devices */
            qemu_fdt_setprop_cell(b->fdt, child, "interrupts",
                                  pdev->config[PCI_INTERRUPT_PIN]);
        }
        if (IS_PCI_BRIDGE(pdev)) {
            add_bridge(&below, pdev, child, child_phandle);
        } else {
            add_endpoint(&below, child, child_phandle);
        }
    }
}

static uint32_t node_phandle(void *fdt, const char *node)
{
    uint32_t phandle = fdt_get_phandle(fdt, fdt_path_offset(fdt, node));

    if (!phandle) {
        phandle = qemu_fdt_alloc_phandle(fdt);
        qemu_fdt_setprop_cell(fdt, node, "phandle", phandle);
    }
    return phandle;
}

static void add_msi_window(FdtBuild *b, PCIBus *root)
{
    g_autofree char *node =
        g_strdup_printf("/reserved-memory/msi-window@%x",
                        VIRT_SMMUV3_ACCEL_MSI_IOVA_BASE);

    b->iommu_addresses = g_array_new(false, false, sizeof(uint32_t));
    b->msi_phandle = qemu_fdt_alloc_phandle(b->fdt);
    add_bus(b, root, b->vms->pciehb_nodename,
            node_phandle(b->fdt, b->vms->pciehb_nodename));

    if (b->iommu_addresses->len) {
        if (fdt_path_offset(b->fdt, "/reserved-memory") < 0) {
            qemu_fdt_add_subnode(b->fdt, "/reserved-memory");
            qemu_fdt_setprop_cell(b->fdt, "/reserved-memory",
                                  "#address-cells", 2);
            qemu_fdt_setprop_cell(b->fdt, "/reserved-memory", "#size-cells", 2);
            qemu_fdt_setprop(b->fdt, "/reserved-memory", "ranges", NULL, 0);
        }
        qemu_fdt_add_subnode(b->fdt, node);
        /* The same as in iommu-addresses, for a one to one mapping */
        qemu_fdt_setprop_sized_cells(b->fdt, node, "reg",
                                     2, VIRT_SMMUV3_ACCEL_MSI_IOVA_BASE,
                                     2, VIRT_SMMUV3_ACCEL_MSI_IOVA_SIZE);
        qemu_fdt_setprop(b->fdt, node, "no-map", NULL, 0);
        qemu_fdt_setprop(b->fdt, node, "iommu-addresses",
                         b->iommu_addresses->data,
                         b->iommu_addresses->len * sizeof(uint32_t));
        qemu_fdt_setprop_cell(b->fdt, node, "phandle", b->msi_phandle);
    }
    g_array_free(b->iommu_addresses, true);
}

static void add_smmu(FdtBuild *b, SMMUState *smmu)
{
    static const char irq_names[] = "eventq\0priq\0cmdq-sync\0gerror";
    hwaddr base = virt_smmuv3_accel_base(b->vms, smmu);
    g_autofree char *node = g_strdup_printf("/smmuv3@%" PRIx64, base);
    uint32_t phandle = qemu_fdt_alloc_phandle(b->fdt);
    uint32_t irqs[4 * 3];

    for (int i = 0; i < 4; i++) {
        irqs[3 * i] = cpu_to_be32(GIC_FDT_IRQ_TYPE_SPI);
        irqs[3 * i + 1] =
            cpu_to_be32(virt_smmuv3_accel_spi(b->vms, smmu, i));
        irqs[3 * i + 2] = cpu_to_be32(GIC_FDT_IRQ_FLAGS_EDGE_LO_HI);
    }
    qemu_fdt_add_subnode(b->fdt, node);
    qemu_fdt_setprop_string(b->fdt, node, "compatible", "arm,smmu-v3");
    qemu_fdt_setprop_sized_cells(b->fdt, node, "reg", 2, base, 2, 0x20000);
    qemu_fdt_setprop(b->fdt, node, "interrupts", irqs, sizeof(irqs));
    qemu_fdt_setprop(b->fdt, node, "interrupt-names", irq_names,
                     sizeof(irq_names));
    qemu_fdt_setprop(b->fdt, node, "dma-coherent", NULL, 0);
    qemu_fdt_setprop_cell(b->fdt, node, "#iommu-cells", 1);
    qemu_fdt_setprop_cell(b->fdt, node, "phandle", phandle);
    virt_smmuv3_cmdqv_add_fdt(b->vms, smmu, node);

    qemu_fdt_setprop_cells(b->fdt, b->vms->pciehb_nodename, "iommu-map",
                           0, phandle, 0, 0x10000);
    if (FIELD_EX32(ARM_SMMUV3(smmu)->idr[0], IDR0, ATS)) {
        qemu_fdt_setprop(b->fdt, b->vms->pciehb_nodename, "ats-supported",
                         NULL, 0);
    }
}

bool virt_smmuv3_accel_add_fdt(VirtMachineState *vms, Error **errp)
{
    g_autoptr(GSList) smmus = virt_smmuv3_accel_list(vms);
    FdtBuild b = { .vms = vms, .fdt = MACHINE(vms)->fdt };
    /*
     * UEFI passes ACPI tables to the OS, which can describe everything. Other
     * firmware (U-Boot) passes the device tree: it describes what it can.
     */
    bool acpi = vms->bootinfo.firmware_loaded && virt_is_acpi_enabled(vms);

    for (GSList *l = smmus; l; l = l->next) {
        SMMUState *smmu = l->data;

        if (smmu->primary_bus == vms->bus) {
            add_smmu(&b, smmu);
            if (virt_smmuv3_accel_has_host_devices(smmu)) {
                add_msi_window(&b, vms->bus);
                object_property_set_bool(OBJECT(smmu), "x-no-hotplug", !acpi,
                                         &error_abort);
            }
        } else if (!acpi && (MACHINE(vms)->kernel_filename ||
                             vms->bootinfo.firmware_loaded)) {
            error_setg(errp, "%s on %s: a device tree cannot describe a "
                       "pxb-pcie. Boot with ACPI, that is "
                       "with UEFI firmware (-bios QEMU_EFI.fd) and without "
                       "acpi=off, or put the SMMU on pcie.0",
                       object_get_typename(OBJECT(smmu)),
                       BUS(smmu->primary_bus)->name);
            return false;
        }
    }
    return true;
}
