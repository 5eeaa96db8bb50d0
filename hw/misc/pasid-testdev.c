/*
 * A PCI function for tests: DMA with PASIDs and an address translation cache
 *
 * The registers of BAR 0 describe one copy. Source and destination each have
 * an address and, optionally, a PASID. A write to COMMAND executes the copy
 * before it returns; STATUS has the result. Requests with a PASID are sent only
 * while the PASID capability is enabled. While ATS is enabled, the function
 * translates all addresses, caches the translations, and uses them until it is
 * told to forget them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "hw/pci/pci_ats.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/dma.h"
#include "trace.h"
#include "pasid-testdev-cache.h"

#define TYPE_PASID_TESTDEV "pasid-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(PasidTestdev, PASID_TESTDEV)

#define DEVICE_ID           0x11ea
#define BAR_SIZE            0x1000
#define EXPRESS             0x80
#define PASID_CAP           0x100
#define ATS_CAP             0x110

/* Registers, of 32 bits each; addresses have two of them */
enum {
    R_ID,                       /* read-only: ID_VALUE */
    R_STATUS,                   /* read-only: the result of the last copy */
    R_SOURCE_LO,
    R_SOURCE_HI,
    R_DESTINATION_LO,
    R_DESTINATION_HI,
    R_SOURCE_PASID,             /* PASID_VALID, and the PASID */
    R_DESTINATION_PASID,
    R_LENGTH,                   /* in bytes */
    R_COMMAND,                  /* write-only: COMMAND_COPY */
    R_ENABLED,                  /* read-only: what software has enabled */
    R_CACHED,                   /* read-only: number of translations */
    R_INVALIDATIONS,            /* read-only: number of Invalidate Requests */
    N_REGS,
};

#define ID_VALUE            0x44495350  /* "PSID" */

#define STATUS_DONE         BIT(0)
#define STATUS_READ_FAULT   BIT(1)
#define STATUS_WRITE_FAULT  BIT(2)
#define STATUS_NOT_SENT     BIT(3)      /* PASIDs or DMA are not enabled */

#define PASID_VALID         BIT(31)
#define PASID_MASK          MAKE_64BIT_MASK(0, 20)

#define COMMAND_COPY        1

#define ENABLED_PASID       BIT(0)
#define ENABLED_ATS         BIT(1)
#define ENABLED_MASTER      BIT(2)

#define LENGTH_MAX          (64 * KiB)
#define PAGE                (4 * KiB)

struct PasidTestdev {
    PCIDevice parent_obj;

    MemoryRegion bar;
    uint8_t pasid_bits;
    uint32_t regs[N_REGS];
    PasidTestdevCache cache;
};

static bool is_enabled(PasidTestdev *s, unsigned reg, unsigned bit)
{
    return pci_get_word(PCI_DEVICE(s)->config + reg) & bit;
}

static bool has_pasid(PasidTestdev *s)
{
    return is_enabled(s, PASID_CAP + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}

static bool has_ats(PasidTestdev *s)
{
    return is_enabled(s, ATS_CAP + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

static bool is_master(PasidTestdev *s)
{
    return is_enabled(s, PCI_COMMAND, PCI_COMMAND_MASTER);
}

/* --------------------------------------------------------------- the DMA */

static const IOMMUTLBEntry *translate(PasidTestdev *s, uint32_t pasid,
                                      hwaddr addr, IOMMUAccessFlags perm)
{
    const IOMMUTLBEntry *cached = pasid_testdev_cache_find(&s->cache, pasid,
                                                           addr, perm);
    IOMMUTLBEntry entry;

    trace_pasid_testdev_translate(pasid, addr, cached ? "cached" : "requested");
    if (cached) {
        return cached;
    }
    if (!pci_ats_translate(PCI_DEVICE(s), pasid, addr, perm == IOMMU_RO,
                           &entry) || !(entry.perm & perm)) {
        return NULL;
    }
    return pasid_testdev_cache_add(&s->cache, pasid, &entry);
}

static bool translated_dma(PasidTestdev *s, uint32_t pasid, hwaddr addr,
                           uint8_t *buf, uint32_t len, DMADirection dir)
{
    IOMMUAccessFlags perm = dir == DMA_DIRECTION_TO_DEVICE ? IOMMU_RO :
                            IOMMU_WO;

    while (len) {
        const IOMMUTLBEntry *entry = translate(s, pasid, addr, perm);
        hwaddr offset, part;

        if (!entry) {
            return false;
        }
        offset = addr & entry->addr_mask;
        part = MIN(len, entry->addr_mask - offset + 1);
        if (dma_memory_rw(entry->target_as, entry->translated_addr + offset,
                          buf, part, dir, MEMTXATTRS_UNSPECIFIED)) {
            return false;
        }
        addr += part;
        buf += part;
        len -= part;
    }
    return true;
}

/* By pages, and up to the first fault, for which there is one event only */
static bool untranslated_dma(PasidTestdev *s, uint32_t pasid, hwaddr addr,
                             uint8_t *buf, uint32_t len, DMADirection dir)
{
    PCIDevice *dev = PCI_DEVICE(s);
    AddressSpace *as = pasid == PCI_NO_PASID ? pci_get_address_space(dev) :
                       pci_device_pasid_address_space(dev, pasid);

    while (as && len) {
        uint32_t part = MIN(len, PAGE - addr % PAGE);

        if (!dma_memory_valid(as, addr, part, dir, MEMTXATTRS_UNSPECIFIED) ||
            dma_memory_rw(as, addr, buf, part, dir, MEMTXATTRS_UNSPECIFIED)) {
            return false;
        }
        addr += part;
        buf += part;
        len -= part;
    }
    return as;
}

/* Read or write @buf, with the address and PASID of these registers */
static bool dma(PasidTestdev *s, unsigned r_addr, unsigned r_pasid,
                uint8_t *buf, DMADirection dir)
{
    hwaddr addr = deposit64(s->regs[r_addr], 32, 32, s->regs[r_addr + 1]);
    uint32_t reg = s->regs[r_pasid], len = s->regs[R_LENGTH];
    uint32_t pasid = reg & PASID_VALID ? reg & PASID_MASK : PCI_NO_PASID;
    bool good = has_ats(s) ? translated_dma(s, pasid, addr, buf, len, dir) :
                untranslated_dma(s, pasid, addr, buf, len, dir);

    trace_pasid_testdev_dma(dir == DMA_DIRECTION_TO_DEVICE ? "read" : "write",
                            pasid, addr, len, good ? "done" : "fault");
    return good;
}

static uint32_t copy(PasidTestdev *s)
{
    uint32_t pasids = s->regs[R_SOURCE_PASID] | s->regs[R_DESTINATION_PASID];
    g_autofree uint8_t *buf = NULL;

    if (!is_master(s) || (pasids & PASID_VALID && !has_pasid(s))) {
        return STATUS_NOT_SENT;
    }
    buf = g_malloc(s->regs[R_LENGTH]);
    if (!dma(s, R_SOURCE_LO, R_SOURCE_PASID, buf, DMA_DIRECTION_TO_DEVICE)) {
        return STATUS_READ_FAULT;
    }
    if (!dma(s, R_DESTINATION_LO, R_DESTINATION_PASID, buf,
             DMA_DIRECTION_FROM_DEVICE)) {
        return STATUS_WRITE_FAULT;
    }
    return STATUS_DONE;
}

/* --------------------------------------------------------- the registers */

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    PasidTestdev *s = opaque;

    switch (addr / 4) {
    case R_ID:
        return ID_VALUE;
    case R_COMMAND:
        return 0;
    case R_ENABLED:
        return (has_pasid(s) ? ENABLED_PASID : 0) |
               (has_ats(s) ? ENABLED_ATS : 0) |
               (is_master(s) ? ENABLED_MASTER : 0);
    case R_CACHED:
        return pasid_testdev_cache_count(&s->cache);
    default:
        return addr / 4 < N_REGS ? s->regs[addr / 4] : 0;
    }
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PasidTestdev *s = opaque;

    switch (addr / 4) {
    case R_SOURCE_LO ... R_DESTINATION_PASID:
        s->regs[addr / 4] = value;
        break;
    case R_LENGTH:
        s->regs[R_LENGTH] = MIN(value, LENGTH_MAX);
        break;
    case R_COMMAND:
        if (value == COMMAND_COPY) {
            s->regs[R_STATUS] = copy(s);
        }
        break;
    }
}

static const MemoryRegionOps bar_ops = {
    .read = bar_read,
    .write = bar_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* ---------------------------------------------------------- the function */

static void invalidate(PCIDevice *dev, const PCIATSInvalidation *inv)
{
    PasidTestdev *s = PASID_TESTDEV(dev);

    trace_pasid_testdev_invalidate(inv->pasid, inv->global, inv->first,
                                   inv->last, has_ats(s));
    if (has_ats(s)) {           /* otherwise it is an Unsupported Request */
        pasid_testdev_cache_invalidate(&s->cache, inv);
        s->regs[R_INVALIDATIONS]++;
    }
}

static void config_write(PCIDevice *dev, uint32_t addr, uint32_t value, int len)
{
    PasidTestdev *s = PASID_TESTDEV(dev);

    pci_default_write_config(dev, addr, value, len);
    pcie_cap_flr_write_config(dev, addr, value, len);
    /* A function whose ATS is off has no translations */
    if (!has_ats(s)) {
        pasid_testdev_cache_clear(&s->cache);
    }
}

static void add_pasid_capability(PasidTestdev *s)
{
    PCIDevice *dev = PCI_DEVICE(s);

    pcie_add_capability(dev, PCI_EXT_CAP_ID_PASID, 1, PASID_CAP,
                        PCI_EXT_CAP_PASID_SIZEOF);
    pci_set_word(dev->config + PASID_CAP + PCI_PASID_CAP, s->pasid_bits << 8);
    pci_set_word(dev->wmask + PASID_CAP + PCI_PASID_CTRL,
                 PCI_PASID_CTRL_ENABLE);
}

static void pasid_testdev_realize(PCIDevice *dev, Error **errp)
{
    PasidTestdev *s = PASID_TESTDEV(dev);

    if (s->pasid_bits > 20) {
        error_setg(errp, "pasid-bits=%u: a PASID has 20 bits at most",
                   s->pasid_bits);
        return;
    }
    if (!pci_bus_is_express(pci_get_bus(dev))) {
        error_setg(errp, "PASIDs need PCI Express: add a pcie-root-port, and "
                   "its name as bus=");
        return;
    }
    if (pcie_endpoint_cap_init(dev, EXPRESS) < 0) {
        error_setg(errp, "there is no room for a PCI Express capability");
        return;
    }
    pcie_cap_flr_init(dev);
    add_pasid_capability(s);
    pcie_ats_init(dev, ATS_CAP, true);
    memory_region_init_io(&s->bar, OBJECT(s), &bar_ops, s, TYPE_PASID_TESTDEV,
                          BAR_SIZE);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar);
}

static void pasid_testdev_exit(PCIDevice *dev)
{
    pcie_cap_exit(dev);
}

static void pasid_testdev_reset_hold(Object *obj, ResetType type)
{
    PasidTestdev *s = PASID_TESTDEV(obj);
    PCIDevice *dev = PCI_DEVICE(s);

    memset(s->regs, 0, sizeof(s->regs));
    pci_set_word(dev->config + PASID_CAP + PCI_PASID_CTRL, 0);
    pci_set_word(dev->config + ATS_CAP + PCI_ATS_CTRL, 0);
    pasid_testdev_cache_clear(&s->cache);
}

static const VMStateDescription vmstate_pasid_testdev = {
    .name = TYPE_PASID_TESTDEV,
    .unmigratable = 1,
};

static const Property pasid_testdev_properties[] = {
    DEFINE_PROP_UINT8("pasid-bits", PasidTestdev, pasid_bits, 10),
};

static void pasid_testdev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    pc->realize = pasid_testdev_realize;
    pc->exit = pasid_testdev_exit;
    pc->config_write = config_write;
    pc->vendor_id = PCI_VENDOR_ID_QEMU;
    pc->device_id = DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
    PCI_ATS_FUNCTION_CLASS(klass)->invalidate = invalidate;
    RESETTABLE_CLASS(klass)->phases.hold = pasid_testdev_reset_hold;
    dc->desc = "PCI function for tests of PASIDs and ATS";
    dc->vmsd = &vmstate_pasid_testdev;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, pasid_testdev_properties);
}

static const TypeInfo pasid_testdev_info = {
    .name = TYPE_PASID_TESTDEV,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PasidTestdev),
    .class_init = pasid_testdev_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { TYPE_PCI_ATS_FUNCTION },
        { },
    },
};

static void pasid_testdev_register_types(void)
{
    type_register_static(&pasid_testdev_info);
}

type_init(pasid_testdev_register_types)
