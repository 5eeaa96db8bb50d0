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
 * With stall=on it is an accelerator of HiSilicon for Linux, which lets such a
 * function stall. The copy is then executed page by page, and STATUS says that
 * it is busy while a page has to be mapped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "hw/pci/pci_ats.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "trace.h"
#include "pasid-testdev.h"

#define DEVICE_ID           0x11ea
/* The ids that Linux looks for, see quirk_huawei_pcie_sva() */
#define STALL_VENDOR_ID     0x19e5
#define STALL_DEVICE_ID     0xa250
#define STALL_REVISION      0x21
#define BAR_SIZE            0x1000
#define EXPRESS             0x80
#define PASID_CAP           0x100
#define ATS_CAP             0x110

#define ID_VALUE            0x44495350  /* "PSID" */

#define COMMAND_COPY        1

#define ENABLED_PASID       BIT(0)
#define ENABLED_ATS         BIT(1)
#define ENABLED_MASTER      BIT(2)

static bool is_enabled(PasidTestdev *s, unsigned reg, unsigned bit)
{
    return pci_get_word(PCI_DEVICE(s)->config + reg) & bit;
}

bool pasid_testdev_has_pasid(PasidTestdev *s)
{
    return is_enabled(s, PASID_CAP + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}

bool pasid_testdev_has_ats(PasidTestdev *s)
{
    return !s->stall &&
           is_enabled(s, ATS_CAP + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

bool pasid_testdev_is_master(PasidTestdev *s)
{
    return is_enabled(s, PCI_COMMAND, PCI_COMMAND_MASTER);
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
        return (pasid_testdev_has_pasid(s) ? ENABLED_PASID : 0) |
               (pasid_testdev_has_ats(s) ? ENABLED_ATS : 0) |
               (pasid_testdev_is_master(s) ? ENABLED_MASTER : 0);
    case R_CACHED:
        return pasid_testdev_cache_count(&s->cache);
    default:
        return addr / 4 < N_REGS ? s->regs[addr / 4] : 0;
    }
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PasidTestdev *s = opaque;

    if (s->regs[R_STATUS] & STATUS_BUSY) {
        return;
    }
    switch (addr / 4) {
    case R_SOURCE_LO ... R_DESTINATION_PASID:
        s->regs[addr / 4] = value;
        break;
    case R_LENGTH:
        s->regs[R_LENGTH] = MIN(value, LENGTH_MAX);
        break;
    case R_COMMAND:
        if (value == COMMAND_COPY) {
            pasid_testdev_start_copy(s);
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
                                   inv->last, pasid_testdev_has_ats(s));
    if (pasid_testdev_has_ats(s)) {     /* else it is an Unsupported Request */
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
    if (!pasid_testdev_has_ats(s)) {
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
    if (s->stall) {
        pci_config_set_vendor_id(dev->config, STALL_VENDOR_ID);
        pci_config_set_device_id(dev->config, STALL_DEVICE_ID);
        pci_config_set_revision(dev->config, STALL_REVISION);
    }
    s->timer = timer_new_us(QEMU_CLOCK_VIRTUAL, pasid_testdev_continue_copy, s);
    pcie_cap_flr_init(dev);
    add_pasid_capability(s);
    if (!s->stall) {
        pcie_ats_init(dev, ATS_CAP, true);
    }
    memory_region_init_io(&s->bar, OBJECT(s), &bar_ops, s, TYPE_PASID_TESTDEV,
                          BAR_SIZE);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar);
}

static void pasid_testdev_exit(PCIDevice *dev)
{
    timer_free(PASID_TESTDEV(dev)->timer);
    pcie_cap_exit(dev);
}

static void pasid_testdev_reset_hold(Object *obj, ResetType type)
{
    PasidTestdev *s = PASID_TESTDEV(obj);
    PCIDevice *dev = PCI_DEVICE(s);

    timer_del(s->timer);
    memset(s->regs, 0, sizeof(s->regs));
    pci_set_word(dev->config + PASID_CAP + PCI_PASID_CTRL, 0);
    if (!s->stall) {
        pci_set_word(dev->config + ATS_CAP + PCI_ATS_CTRL, 0);
    }
    pasid_testdev_cache_clear(&s->cache);
}

static const VMStateDescription vmstate_pasid_testdev = {
    .name = TYPE_PASID_TESTDEV,
    .unmigratable = 1,
};

static const Property pasid_testdev_properties[] = {
    DEFINE_PROP_UINT8("pasid-bits", PasidTestdev, pasid_bits, 10),
    DEFINE_PROP_BOOL("stall", PasidTestdev, stall, false),
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
    dc->desc = "PCI function for tests of PASIDs, ATS and stalls";
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
