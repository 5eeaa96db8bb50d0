/*
 * An arm-smmuv3 without a machine, with memory in an array
 *
 * The SMMU itself may only read memory, write events to its event queue, and
 * write MSIs to memory. Each of its accesses is checked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "exec/page-vary.h"
#include "hw/irq.h"
#include "hw/pci/pci_bus.h"
#include "hw/resettable.h"
#include "hw/sysbus.h"
#include "system/dma.h"
#include "hw/arm/smmuv3-cmdqv-device.h"
#include "hw/arm/smmuv3-internal.h"
#include "smmu-rig.h"
#include "stream.h"

static SMMUv3State *smmu;
static PCIBus bus;
static SMMUDevice *devices[SMMU_RIG_DEVICES];
static void (*on_read)(hwaddr addr);

/* Stubs: memory */

AddressSpace address_space_memory;
const TargetPageBits target_page = {
    .decided = true, .bits = 12, .mask = -1LL << 12,
};
uint8_t smmu_rig_ram[SMMU_RIG_RAM_SIZE];
static MemoryRegion ram = { .ram = true }, mmio;

static uint8_t *at(hwaddr addr, hwaddr len)
{
    hwaddr offset = addr - SMMU_RIG_RAM;

    return offset < SMMU_RIG_RAM_SIZE && len <= SMMU_RIG_RAM_SIZE - offset ?
           &smmu_rig_ram[offset] : NULL;
}

static void check_event(hwaddr addr, hwaddr len)
{
    const SMMUQueue *q = &smmu->eventq;
    hwaddr base = smmuv3_queue_addr(q->base, q->log2size, q->entry_size);

    g_assert_cmpuint(len, ==, q->entry_size);
    g_assert_cmphex(addr, >=, base);
    g_assert_cmphex(addr - base, <, (hwaddr)q->entry_size << q->log2size);
}

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    uint8_t *p = at(addr, len);

    /* Without this, the access could reach a device model */
    g_assert(attrs.memory);
    if (is_write) {
        check_event(addr, len);
    }
    if (!p) {
        return MEMTX_DECODE_ERROR;
    }
    memcpy(is_write ? p : buf, is_write ? buf : p, len);
    if (!is_write && on_read) {
        on_read(addr);
    }
    return MEMTX_OK;
}

void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t value,
                          MemTxAttrs attrs, MemTxResult *result)
{
    uint8_t *p = at(addr, sizeof(value));

    /* There is no doorbell: an MSI goes to memory */
    g_assert_nonnull(p);
    stl_le_p(p, value);
    if (result) {
        *result = MEMTX_OK;
    }
}

MemoryRegion *flatview_translate(FlatView *fv, hwaddr addr, hwaddr *xlat,
                                 hwaddr *plen, bool is_write, MemTxAttrs attrs)
{
    return at(addr, *plen) ? &ram : &mmio;
}

bool memory_region_is_ram_device(MemoryRegion *mr)
{
    return false;
}

void memory_region_init_io(MemoryRegion *mr, Object *owner,
                           const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size)
{
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_iommu(void *mr, size_t size, const char *type,
                              Object *owner, const char *name, uint64_t bytes)
{
    object_initialize(mr, size, type);
}

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
}

/* No device has IOMMU notifiers */

void memory_region_notify_iommu_one(IOMMUNotifier *notifier,
                                    const IOMMUTLBEvent *event)
{
    g_assert_not_reached();
}

void memory_region_unmap_iommu_notifier_range(IOMMUNotifier *notifier)
{
    g_assert_not_reached();
}

uint64_t dma_aligned_pow2_mask(uint64_t start, uint64_t end, int max_addr_bits)
{
    g_assert_not_reached();
}

/* Stubs: buses and interrupts */

void sysbus_init_mmio(SysBusDevice *dev, MemoryRegion *memory)
{
}

void sysbus_init_irq(SysBusDevice *dev, qemu_irq *p)
{
}

BusState *sysbus_get_default(void)
{
    static BusState root = {
        .children = QTAILQ_HEAD_INITIALIZER(root.children),
    };

    return &root;
}

int pci_bus_num(PCIBus *b)
{
    return 0;
}

bool pci_bus_is_express(const PCIBus *b)
{
    return true;
}

bool pci_bus_bypass_iommu(PCIBus *b)
{
    return false;
}

void pci_setup_iommu(PCIBus *b, const PCIIOMMUOps *ops, void *opaque)
{
}

bool pci_setup_iommu_per_bus(PCIBus *b, const PCIIOMMUOps *ops, void *opaque,
                             Error **errp)
{
    return true;
}

/* No CMDQV */

bool smmuv3_cmdqv_realize(SMMUv3State *s, Error **errp)
{
    return true;
}

void smmuv3_cmdqv_device_reset(SMMUv3State *s)
{
}

static bool never(void *opaque)
{
    return false;
}

const VMStateDescription vmstate_smmuv3_cmdqv = {
    .name = "smmuv3/cmdqv",
    .needed = never,
    .fields = (const VMStateField[]) { VMSTATE_END_OF_LIST() },
};

/* Types that are not linked */

static void sysbus_realize_stub(DeviceState *dev, Error **errp)
{
}

static void sysbus_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->realize = sysbus_realize_stub;
}

static const TypeInfo types[] = {
    {
        .name = TYPE_SYS_BUS_DEVICE,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(SysBusDevice),
        .class_size = sizeof(SysBusDeviceClass),
        .class_init = sysbus_class_init,
        .abstract = true,
    }, {
        .name = TYPE_MEMORY_REGION,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(MemoryRegion),
        .class_size = sizeof(MemoryRegionClass),
    }, {
        .name = TYPE_IOMMU_MEMORY_REGION,
        .parent = TYPE_MEMORY_REGION,
        .instance_size = sizeof(IOMMUMemoryRegion),
        .class_size = sizeof(IOMMUMemoryRegionClass),
        .abstract = true,
    }
};

DEFINE_TYPES(types)

/* The rig */

void smmu_rig_on_read(void (*func)(hwaddr addr))
{
    on_read = func;
}

uint64_t smmu_rig_read(hwaddr offset, unsigned size)
{
    MemoryRegion *mr = &ARM_SMMU(smmu)->iomem;
    uint64_t value = 0;

    g_assert_cmpint(mr->ops->read_with_attrs(mr->opaque, offset, &value, size,
                                             MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_OK);
    return value;
}

void smmu_rig_write(hwaddr offset, uint64_t value, unsigned size)
{
    MemoryRegion *mr = &ARM_SMMU(smmu)->iomem;

    g_assert_cmpint(mr->ops->write_with_attrs(mr->opaque, offset, value, size,
                                              MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_OK);
}

IOMMUTLBEntry smmu_rig_translate(unsigned devfn, hwaddr addr,
                                 IOMMUAccessFlags flags)
{
    ObjectClass *oc = object_class_by_name(TYPE_SMMUV3_IOMMU_MEMORY_REGION);

    return IOMMU_MEMORY_REGION_CLASS(oc)->translate(&devices[devfn]->iommu,
                                                    addr, flags, 0);
}

void smmu_rig_poll(void)
{
    main_loop_wait(true);
}

GByteArray *smmu_rig_save(void)
{
    return stream_save(DEVICE_GET_CLASS(smmu)->vmsd, smmu);
}

int smmu_rig_load(const GByteArray *stream)
{
    return stream_load(DEVICE_GET_CLASS(smmu)->vmsd, smmu, stream);
}

static void reset(void)
{
    RESETTABLE_GET_CLASS(smmu)->phases.exit(OBJECT(smmu), RESET_TYPE_COLD);
}

SMMUv3State *smmu_rig_new(const char *stage)
{
    on_read = NULL;
    memset(smmu_rig_ram, 0, sizeof(smmu_rig_ram));
    g_free(smmu->stage);
    smmu->stage = g_strdup(stage);
    /* What a reset leaves alone */
    smmu->strtab_base = smmu->strtab_base_cfg = 0;
    smmu->gerror_irq_cfg0 = smmu->eventq_irq_cfg0 = 0;
    smmu->cr[1] = smmu->cr[2] = 0;
    reset();
    return smmu;
}

void fuzz_init(void)
{
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    smmu = ARM_SMMUV3(object_new(TYPE_ARM_SMMUV3));
    ARM_SMMU(smmu)->primary_bus = &bus;
    DEVICE_GET_CLASS(smmu)->realize(DEVICE(smmu), &error_abort);
    for (int i = 0; i < SMMU_RIG_DEVICES; i++) {
        AddressSpace *as = smmu_find_add_as(&bus, smmu, i);

        devices[i] = container_of(as, SMMUDevice, as);
    }
}
