/*
 * A PCI function for tests: its DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/timer.h"
#include "hw/pci/pci_ats.h"
#include "hw/pci/pci_stall.h"
#include "system/dma.h"
#include "trace.h"
#include "pasid-testdev.h"

#define PAGE                (4 * KiB)
/* How often a stalled function asks whether it may go on */
#define STALL_POLL_US       500

static hwaddr reg_addr(PasidTestdev *s, unsigned reg)
{
    return deposit64(s->regs[reg], 32, 32, s->regs[reg + 1]);
}

static uint32_t reg_pasid(PasidTestdev *s, unsigned reg)
{
    return s->regs[reg] & PASID_VALID ? s->regs[reg] & PASID_MASK :
           PCI_NO_PASID;
}

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

/* Up to the end of the page; @buf and @done are of the whole copy */
static PCIStallResult dma_page(PasidTestdev *s, unsigned r_addr,
                               unsigned r_pasid, uint32_t *done,
                               DMADirection dir)
{
    hwaddr addr = reg_addr(s, r_addr) + *done;
    uint32_t part = MIN(s->regs[R_LENGTH] - *done, PAGE - addr % PAGE);
    bool is_write = dir == DMA_DIRECTION_FROM_DEVICE;
    IOMMUTLBEntry entry;
    PCIStallResult result = pci_stall_translate(PCI_DEVICE(s),
                                                reg_pasid(s, r_pasid), addr,
                                                is_write, &entry);

    if (result == PCI_STALL_DONE) {
        if (dma_memory_rw(entry.target_as, entry.translated_addr +
                          (addr & entry.addr_mask), s->buf + *done, part, dir,
                          MEMTXATTRS_UNSPECIFIED)) {
            return PCI_STALL_FAULT;
        }
        *done += part;
    }
    return result;
}

static PCIStallResult dma_pages(PasidTestdev *s, unsigned r_addr,
                                unsigned r_pasid, uint32_t *done,
                                DMADirection dir)
{
    PCIStallResult result = PCI_STALL_DONE;

    while (*done < s->regs[R_LENGTH] && result == PCI_STALL_DONE) {
        result = dma_page(s, r_addr, r_pasid, done, dir);
    }
    return result;
}

/* Go on with a copy; returns STATUS */
static uint32_t copy_pages(PasidTestdev *s)
{
    uint32_t fault = STATUS_READ_FAULT;
    PCIStallResult result = dma_pages(s, R_SOURCE_LO, R_SOURCE_PASID,
                                      &s->n_read, DMA_DIRECTION_TO_DEVICE);

    if (result == PCI_STALL_DONE) {
        fault = STATUS_WRITE_FAULT;
        result = dma_pages(s, R_DESTINATION_LO, R_DESTINATION_PASID,
                           &s->n_written, DMA_DIRECTION_FROM_DEVICE);
    }
    return result == PCI_STALL_DONE ? STATUS_DONE :
           result == PCI_STALL_WAIT ? STATUS_BUSY : fault;
}

void pasid_testdev_continue_copy(void *opaque)
{
    PasidTestdev *s = opaque;

    s->regs[R_STATUS] = pasid_testdev_is_master(s) ? copy_pages(s) :
                        STATUS_NOT_SENT;
    trace_pasid_testdev_copy(s->n_read, s->n_written, s->regs[R_STATUS]);
    if (s->regs[R_STATUS] == STATUS_BUSY) {
        timer_mod(s->timer, qemu_clock_get_us(QEMU_CLOCK_VIRTUAL) +
                            STALL_POLL_US);
    }
}

/* Read or write @buf, with the address and PASID of these registers */
static bool dma(PasidTestdev *s, unsigned r_addr, unsigned r_pasid,
                uint8_t *buf, DMADirection dir)
{
    hwaddr addr = reg_addr(s, r_addr);
    uint32_t pasid = reg_pasid(s, r_pasid), len = s->regs[R_LENGTH];
    bool good;

    if (pasid_testdev_has_ats(s)) {
        good = translated_dma(s, pasid, addr, buf, len, dir);
    } else {
        good = untranslated_dma(s, pasid, addr, buf, len, dir);
    }
    trace_pasid_testdev_dma(dir == DMA_DIRECTION_TO_DEVICE ? "read" : "write",
                            pasid, addr, len, good ? "done" : "fault");
    return good;
}

static uint32_t copy(PasidTestdev *s)
{
    if (!dma(s, R_SOURCE_LO, R_SOURCE_PASID, s->buf,
             DMA_DIRECTION_TO_DEVICE)) {
        return STATUS_READ_FAULT;
    }
    if (!dma(s, R_DESTINATION_LO, R_DESTINATION_PASID, s->buf,
             DMA_DIRECTION_FROM_DEVICE)) {
        return STATUS_WRITE_FAULT;
    }
    return STATUS_DONE;
}

void pasid_testdev_start_copy(PasidTestdev *s)
{
    uint32_t pasids = s->regs[R_SOURCE_PASID] | s->regs[R_DESTINATION_PASID];

    if (!pasid_testdev_is_master(s) ||
        (pasids & PASID_VALID && !pasid_testdev_has_pasid(s))) {
        s->regs[R_STATUS] = STATUS_NOT_SENT;
    } else if (s->stall) {
        s->n_read = s->n_written = 0;
        pasid_testdev_continue_copy(s);
    } else {
        s->regs[R_STATUS] = copy(s);
    }
}
