/*
 * Accelerated SMMUv3: who executes a guest's command queues, and why
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/boards.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "qemu/timer.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-state.h"

bool smmuv3_accel_cmdqv_is_wanted(const SMMUv3AccelState *s)
{
    return ARM_SMMUV3(s)->cmdqv;
}

/* All devices are behind one SMMU, but the host may not have told each time */
static const SMMUv3AccelHostDevice *device_with_cmdqv(const SMMUv3AccelState *s)
{
    const SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->devices, next) {
        if (dev->hdev->cmdqv.present) {
            return dev->hdev;
        }
    }
    return NULL;
}

static const char *registers_why(const SMMUv3AccelState *s)
{
    const SMMUv3AccelHostDevice *dev = device_with_cmdqv(s);
    SMMUv3AccelHostInfo host = { 0 };
    SMMUv3AccelRegs regs = s->regs;

    if (dev) {
        host = dev->smmu;
        host.cmdqv_param = smmuv3_accel_host_cmdqv_param(dev);
    }
    regs.cmdqv_param = s->cmdqv->dev.regs.param;
    return smmuv3_accel_regs_software_queues(&regs, &host);
}

/* Other root complexes may be children of pcie.0: skip them */
static bool has_ats(PCIBus *bus)
{
    PCIBus *child;

    for (int devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PCIDevice *pdev = bus->devices[devfn];

        if (pdev && pdev->exp.ats_cap &&
            !object_dynamic_cast(OBJECT(pdev), "vfio-pci")) {
            return true;
        }
    }
    QLIST_FOREACH(child, &bus->child, sibling) {
        if (!pci_bus_is_root(child) && has_ats(child)) {
            return true;
        }
    }
    return false;
}

/* In hardware, an ATC_INV for a device that the host does not have fails */
static bool has_emulated_ats(SMMUv3AccelState *s)
{
    return FIELD_EX32(ARM_SMMUV3(s)->idr[0], IDR0, ATS) &&
           has_ats(ARM_SMMU(s)->primary_bus);
}

const char *smmuv3_accel_cmdqv_kept_by_device(SMMUv3AccelState *s)
{
    if (!QLIST_EMPTY(&ARM_SMMU(s)->devices_with_notifiers)) {
        return "an emulated device uses IOMMU notifiers, as with vhost";
    }
    return has_emulated_ats(s) ? "an emulated device has ATS" : NULL;
}

static bool is_in_ram(const SMMUv3Cmdqv *regs, unsigned q)
{
    const MemoryRegion *ram = current_machine->ram;
    uint64_t size = smmuv3_cmdqv_queue_size(regs, q);
    MemoryRegionSection section =
        memory_region_find(get_system_memory(),
                           smmuv3_cmdqv_queue_addr(regs, q), size);
    bool is_ram;

    if (!section.mr) {
        return false;
    }
    /* With NUMA nodes, each node is a region within the machine's RAM */
    is_ram = ram && (section.mr == ram || section.mr->container == ram) &&
             int128_eq(section.size, int128_make64(size));
    memory_region_unref(section.mr);
    return is_ram;
}

/*
 * The kernel locks the memory of a queue. If that memory is removed while the
 * machine runs, such as a BAR or a DIMM, VFIO cannot unmap it, and ends QEMU
 * when something else is mapped there.
 */
static bool stays_in_memory(const SMMUv3Cmdqv *regs, unsigned nb)
{
    for (unsigned l = 0; l < nb; l++) {
        if (!is_in_ram(regs, smmuv3_cmdqv_find(regs, 0, l))) {
            return false;
        }
    }
    return true;
}

static const char *host_why(const SMMUv3AccelHost *host)
{
    if (!host) {
        return "there is no host device";
    }
    if (!host->cmdqv) {
        return host->cmdqv_error ? error_get_pretty(host->cmdqv_error) :
               "the host has no CMDQV, or its kernel is older than 6.17";
    }
    if (host->invalidates_twice) {
        return "the host's SMMU needs each invalidation twice (erratum "
               "T264-SMMU-3), which QEMU does and a guest does not";
    }
    return host->queue_errors_id ? NULL : "the host cannot report errors";
}

/* A guest that restarts again and again is not better than one that does not */
static bool has_recent_errors(const SMMUv3AccelCmdqv *c)
{
    return c->recent_errors >= CMDQV_ERRORS_MAX &&
           qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - c->errors_since_ms <=
           CMDQV_ERRORS_WITHIN_MS;
}

const char *smmuv3_accel_cmdqv_kept_by(SMMUv3AccelState *s, unsigned *nb)
{
    const char *why = host_why(s->host) ?:
                      smmuv3_cmdqv_givable(&s->cmdqv->dev.regs, nb);

    why = why ?: registers_why(s);
    if (why) {
        return why;
    }
    if (smmuv3_accel_host_has_lost(s->host)) {
        return "the host did not carry out invalidations; QEMU replaces them "
               "at the guest's next CMD_SYNC";
    }
    why = smmuv3_accel_cmdqv_kept_by_device(s);
    if (why) {
        return why;
    }
    if (!stays_in_memory(&s->cmdqv->dev.regs, *nb)) {
        return "a queue is not in the memory that the machine starts with";
    }
    if (s->cmdqv->barred || has_recent_errors(s->cmdqv)) {
        return "the guest's queues had too many errors; until a reset, and "
               "for a minute";
    }
    return s->cmdqv->failure;
}

SMMUv3AccelCmdqvMode smmuv3_accel_cmdqv_mode(const SMMUv3AccelState *s)
{
    return !smmuv3_accel_cmdqv_is_wanted(s) ? SMMU_ACCEL_CMDQV_NONE :
           s->cmdqv->hardware ? SMMU_ACCEL_CMDQV_HARDWARE :
           SMMU_ACCEL_CMDQV_SOFTWARE;
}

const char *smmuv3_accel_cmdqv_why(SMMUv3AccelState *s)
{
    unsigned nb;

    return smmuv3_accel_cmdqv_mode(s) == SMMU_ACCEL_CMDQV_SOFTWARE ?
           smmuv3_accel_cmdqv_kept_by(s, &nb) : NULL;
}
