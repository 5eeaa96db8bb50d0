/*
 * SMMUv3s of single root complexes on the virt board: the IORT
 *
 * Table and section numbers are those of "IO Remapping Table", DEN 0049E.d.
 * Nodes: ITS group (if any), one SMMUv3 per vSMMU, the root complex, one
 * reserved memory range per accelerated vSMMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt-smmuv3-accel.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "system/numa.h"

#include "smmuv3-internal.h"

#define ARM_SPI_BASE 32

/* The first revision with RMR nodes that Linux reads */
#define IORT_REVISION 5

#define NODE_OFFSET 48          /* of the first node, from the table's start */
#define NODE_HEADER_SIZE 16
#define ID_MAPPING_SIZE 20
#define ITS_NODE_SIZE 24
#define SMMUV3_NODE_SIZE 68     /* without mappings, as the next two */
#define RC_NODE_SIZE 36
#define RMR_NODE_SIZE 28
#define RMR_DESCRIPTOR_SIZE 20

typedef enum NodeType {
    NODE_ITS = 0,
    NODE_ROOT_COMPLEX = 2,
    NODE_SMMUV3 = 4,
    NODE_RMR = 6,
} NodeType;

/* Requester ids [first, first + count) of the PCI segment */
typedef struct RidRange {
    uint32_t first;
    uint32_t count;
    uint32_t output;            /* offset of the output node; 0: none */
} RidRange;

typedef struct Iort {
    GArray *data;
    uint32_t start;             /* of the table in @data */
    uint32_t id;                /* of the next node */
    bool its;
} Iort;

static void node_header(Iort *iort, NodeType type, uint8_t revision,
                        uint32_t size, uint32_t nb_mappings,
                        uint32_t mappings_offset)
{
    GArray *data = iort->data;

    /* Table 3: node format */
    build_append_int_noprefix(data, type, 1);
    build_append_int_noprefix(data, size, 2);
    build_append_int_noprefix(data, revision, 1);
    build_append_int_noprefix(data, iort->id++, 4);
    build_append_int_noprefix(data, nb_mappings, 4);
    build_append_int_noprefix(data, nb_mappings ? mappings_offset : 0, 4);
}

static void id_mapping(Iort *iort, const RidRange *range)
{
    /* Table 4: ID mapping; ids come out as they go in */
    build_append_int_noprefix(iort->data, range->first, 4);
    build_append_int_noprefix(iort->data, range->count - 1, 4);
    build_append_int_noprefix(iort->data, range->first, 4);
    build_append_int_noprefix(iort->data, range->output, 4);
    build_append_int_noprefix(iort->data, 0, 4); /* Flags */
}

static void its_node(Iort *iort)
{
    /* Table 12: ITS group */
    node_header(iort, NODE_ITS, 1, ITS_NODE_SIZE, 0, 0);
    build_append_int_noprefix(iort->data, 1, 4); /* Number of ITSs */
    build_append_int_noprefix(iort->data, 0, 4); /* MADT translation_id */
}

static void smmu_node(Iort *iort, VirtMachineState *vms, SMMUState *smmu)
{
    RidRange all = { .first = 0, .count = 0x10000, .output = NODE_OFFSET };
    uint16_t numa_node = pci_bus_numa_node(smmu->primary_bus);
    bool pxm_valid = numa_node != NUMA_NODE_UNASSIGNED;
    GArray *data = iort->data;

    /* Table 9: SMMUv3 */
    node_header(iort, NODE_SMMUV3, 4,
                SMMUV3_NODE_SIZE + (iort->its ? ID_MAPPING_SIZE : 0),
                iort->its, SMMUV3_NODE_SIZE);
    build_append_int_noprefix(data, virt_smmuv3_accel_base(vms, smmu), 8);
    build_append_int_noprefix(data, 1 /* COHACC override */ |
                              pxm_valid << 3, 4); /* Flags */
    build_append_int_noprefix(data, 0, 4); /* Reserved */
    build_append_int_noprefix(data, 0, 8); /* VATOS address */
    build_append_int_noprefix(data, 0 /* generic */, 4); /* Model */
    for (int i = 0; i < 4; i++) {
        static const SMMUIrq order[] = {
            SMMU_IRQ_EVTQ, SMMU_IRQ_PRIQ, SMMU_IRQ_GERROR, SMMU_IRQ_CMD_SYNC
        };

        build_append_int_noprefix(data, ARM_SPI_BASE +
                                  virt_smmuv3_accel_spi(vms, smmu, order[i]),
                                  4);
    }
    /* Proximity domain */
    build_append_int_noprefix(data, pxm_valid ? numa_node : 0, 4);
    build_append_int_noprefix(data, 0, 4); /* DeviceID mapping index, unused */
    if (iort->its) {
        id_mapping(iort, &all);
    }
}

static void rc_node(Iort *iort, GArray *ranges, bool ats)
{
    GArray *data = iort->data;
    uint32_t nb_mappings = 0;

    for (int i = 0; i < ranges->len; i++) {
        nb_mappings += !!g_array_index(ranges, RidRange, i).output;
    }

    /*
     * Table 17: root complex. One node describes all root complexes: they are
     * in PCI segment 0, and Linux uses the first node that it finds for that.
     * @ats says whether any of them may use ATS. It stays off for devices
     * behind a vSMMU without IDR0.ATS, and for devices without a vSMMU.
     */
    node_header(iort, NODE_ROOT_COMPLEX, 3,
                RC_NODE_SIZE + nb_mappings * ID_MAPPING_SIZE, nb_mappings,
                RC_NODE_SIZE);
    /* Tables 14 and 15: memory access properties */
    build_append_int_noprefix(data, 1 /* CCA */, 4);
    build_append_int_noprefix(data, 0, 1); /* No allocation hints */
    build_append_int_noprefix(data, 0, 2); /* Reserved */
    build_append_int_noprefix(data, 0x3 /* CPM, DACS */, 1);
    build_append_int_noprefix(data, ats, 4); /* ATS attribute */
    build_append_int_noprefix(data, 0, 4); /* PCI segment */
    build_append_int_noprefix(data, 64, 1); /* Memory address size limit */
    build_append_int_noprefix(data, 0, 3); /* Reserved */
    for (int i = 0; i < ranges->len; i++) {
        RidRange *range = &g_array_index(ranges, RidRange, i);

        if (range->output) {
            id_mapping(iort, range);
        }
    }
}

static void rmr_node(Iort *iort, const RidRange *range)
{
    GArray *data = iort->data;

    /*
     * Table 18: reserved memory range. Without "remapping permitted" the OS
     * has to keep the one to one mapping as long as it runs. Therefore the
     * guest's own VFIO cannot assign such a device, which would get no MSIs.
     */
    node_header(iort, NODE_RMR, 3,
                RMR_NODE_SIZE + ID_MAPPING_SIZE + RMR_DESCRIPTOR_SIZE, 1,
                RMR_NODE_SIZE);
    build_append_int_noprefix(data, 0, 4); /* Flags: device nGnRnE */
    build_append_int_noprefix(data, 1, 4); /* Number of descriptors */
    build_append_int_noprefix(data, RMR_NODE_SIZE + ID_MAPPING_SIZE, 4);
    id_mapping(iort, range);
    /* Table 19: memory range descriptor */
    build_append_int_noprefix(data, VIRT_SMMUV3_ACCEL_MSI_IOVA_BASE, 8);
    build_append_int_noprefix(data, VIRT_SMMUV3_ACCEL_MSI_IOVA_SIZE, 8);
    build_append_int_noprefix(data, 0, 4); /* Reserved */
}

static int by_first(gconstpointer a, gconstpointer b)
{
    return ((const RidRange *)a)->first < ((const RidRange *)b)->first ? -1 : 1;
}

/*
 * The buses of a root complex: its own, and those below it that firmware has
 * numbered. pci_bus_range() would treat a bridge without numbers as bus 0.
 */
static RidRange rids_below(PCIBus *root, uint32_t output)
{
    int first_bus = pci_bus_num(root);
    int last_bus = first_bus;

    for (int devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *pdev = root->devices[devfn];

        if (pdev && IS_PCI_BRIDGE(pdev)) {
            last_bus = MAX(last_bus, pdev->config[PCI_SUBORDINATE_BUS]);
        }
    }
    return (RidRange) {
        .first = first_bus << 8,
        .count = (last_bus - first_bus + 1) << 8,
        .output = output,
    };
}

/* Sort @ranges; ids between them are not translated and go to @its */
static void fill_gaps(GArray *ranges, uint32_t its)
{
    uint32_t next = 0;
    int n = ranges->len;

    g_array_sort(ranges, by_first);
    for (int i = 0; i < n; i++) {
        RidRange range = g_array_index(ranges, RidRange, i);

        if (next < range.first) {
            RidRange gap = { next, range.first - next, its };

            g_array_append_val(ranges, gap);
        }
        next = range.first + range.count;
    }
    if (next < 0x10000) {
        RidRange gap = { next, 0x10000 - next, its };

        g_array_append_val(ranges, gap);
    }
    g_array_sort(ranges, by_first);
}

static uint32_t nb_accelerated(GSList *smmus)
{
    uint32_t n = 0;

    for (GSList *l = smmus; l; l = l->next) {
        n += virt_smmuv3_accel_has_host_devices(l->data);
    }
    return n;
}

static bool has_its(VirtMachineState *vms)
{
    return vms->msi_controller == VIRT_MSI_CTRL_ITS;
}

uint32_t virt_smmuv3_accel_iort_id(VirtMachineState *vms, SMMUState *smmu)
{
    g_autoptr(GSList) smmus = virt_smmuv3_accel_list(vms);

    return has_its(vms) + g_slist_index(smmus, smmu);
}

void virt_smmuv3_accel_build_iort(GArray *table_data, BIOSLinker *linker,
                                  VirtMachineState *vms)
{
    g_autoptr(GSList) smmus = virt_smmuv3_accel_list(vms);
    g_autoptr(GArray) ranges = g_array_new(false, true, sizeof(RidRange));
    g_autoptr(GArray) reserved = g_array_new(false, true, sizeof(RidRange));
    AcpiTable table = { .sig = "IORT", .rev = IORT_REVISION,
                        .oem_id = vms->oem_id,
                        .oem_table_id = vms->oem_table_id };
    Iort iort = {
        .data = table_data,
        .its = has_its(vms),
    };
    bool ats = false;

    acpi_table_begin(&table, table_data);
    iort.start = table.table_offset;

    /* Table 2: IORT */
    build_append_int_noprefix(table_data, iort.its + g_slist_length(smmus) + 1 +
                             nb_accelerated(smmus), 4);
    build_append_int_noprefix(table_data, NODE_OFFSET, 4);
    build_append_int_noprefix(table_data, 0, 4); /* Reserved */

    if (iort.its) {
        its_node(&iort);
    }
    for (GSList *l = smmus; l; l = l->next) {
        SMMUState *smmu = l->data;
        RidRange range = rids_below(smmu->primary_bus,
                                    table_data->len - iort.start);

        g_array_append_val(ranges, range);
        if (virt_smmuv3_accel_has_host_devices(smmu)) {
            g_array_append_val(reserved, range);
        }
        ats |= FIELD_EX32(ARM_SMMUV3(smmu)->idr[0], IDR0, ATS);
        assert(iort.id == virt_smmuv3_accel_iort_id(vms, smmu));
        smmu_node(&iort, vms, smmu);
    }

    fill_gaps(ranges, iort.its ? NODE_OFFSET : 0);
    rc_node(&iort, ranges, ats);
    for (int i = 0; i < reserved->len; i++) {
        rmr_node(&iort, &g_array_index(reserved, RidRange, i));
    }

    acpi_table_end(linker, &table);
}
