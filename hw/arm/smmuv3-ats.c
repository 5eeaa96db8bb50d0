/*
 * SMMUv3: Address Translation Services (ATS) for emulated functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/arm/smmuv3.h"
#include "hw/pci/pci_ats.h"
#include "trace.h"
#include "smmuv3-ats.h"

/* CMD_ATC_INV: bits of its words, and the reserved sizes above 2^52 pages */
#define ATC_INV_GLOBAL(cmd)     extract32((cmd)->word[0], 9, 1)
#define ATC_INV_SIZE(cmd)       extract32((cmd)->word[2], 0, 6)
#define ATC_INV_SIZE_ALL        52
#define ATC_INV_PAGE_BITS       12

SMMUDevice *smmuv3_find_device(SMMUState *bs, PCIBus *bus, int devfn,
                               uint32_t pasid)
{
    AddressSpace *as = pasid == PCI_NO_PASID ?
                       smmu_find_add_as(bus, bs, devfn) :
                       smmu_find_add_pasid_as(bus, bs, devfn, pasid);

    return container_of(as, SMMUDevice, as);
}

/*
 * Faults of the translation itself are not recorded: the response then has no
 * permissions, and the function may request the page, or send an untranslated
 * request, which is. Neither are configuration faults, without IDR0.ATSRECERR.
 */
static bool translate(SMMUv3State *s, SMMUDevice *sdev, hwaddr addr,
                      bool no_write, IOMMUTLBEntry *entry, bool *forbidden)
{
    SMMUEventInfo event = { .inval_ste_allowed = true };
    SMMUTransCfg *cfg;
    SMMUTLBEntry *found;

    if (!smmu_enabled(s)) {
        return false;
    }
    cfg = smmuv3_get_config(sdev, &event);
    if (!cfg || cfg->aborted) {
        return false;
    }
    if (!cfg->ats) {
        *forbidden = true;
        return false;
    }

    *entry = (IOMMUTLBEntry) {
        .target_as = &address_space_memory,
        .iova = addr & ~0xfffULL,
        .translated_addr = addr & ~0xfffULL,
        .addr_mask = 0xfff,
        .perm = IOMMU_NONE,
    };
    if (cfg->bypassed) {        /* by S1DSS, for requests without a PASID */
        entry->perm = no_write ? IOMMU_RO : IOMMU_RW;
        return true;
    }
    if (smmuv3_do_translate(s, addr, cfg, &event, IOMMU_RO, &found,
                            SMMU_CLASS_IN) == SMMU_TRANS_SUCCESS) {
        entry->iova = addr & ~found->entry.addr_mask;
        entry->translated_addr = CACHED_ENTRY_TO_ADDR(found, entry->iova);
        entry->addr_mask = found->entry.addr_mask;
        entry->perm = found->entry.perm & found->parent_perm;
        if (no_write) {
            entry->perm &= ~IOMMU_WO;
        }
    }
    return true;
}

bool smmuv3_ats_translate(PCIBus *bus, void *opaque, int devfn,
                          uint32_t pasid, hwaddr addr, bool no_write,
                          IOMMUTLBEntry *entry)
{
    SMMUv3State *s = opaque;
    SMMUDevice *sdev = smmuv3_find_device(ARM_SMMU(s), bus, devfn, pasid);
    uint32_t sid = smmu_get_sid(sdev);
    bool forbidden = false, done;

    WITH_QEMU_LOCK_GUARD(&s->mutex) {
        done = translate(s, sdev, addr, no_write, entry, &forbidden);
    }
    trace_smmuv3_ats_translate(sid, pasid, addr, done,
                               done ? entry->translated_addr : 0,
                               done ? entry->perm : 0);
    if (forbidden) {
        SMMUEventInfo event = {
            .type = SMMU_EVT_F_BAD_ATS_TREQ,
            .sid = sid,
            .u.f_bad_ats_treq = {
                .ssv = sdev->ss.valid,
                .ssid = sdev->ss.id,
                .addr = addr,
                .rnw = no_write,
            },
        };

        smmuv3_record_event(s, &event);
    }
    return done;
}

static PCIDevice *find_function(SMMUState *bs, uint32_t sid)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, bs->smmu_pcibus_by_busptr);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        PCIBus *bus = key;

        if (pci_bus_num(bus) == sid >> 8) {
            return bus->devices[sid & 0xff];
        }
    }
    return NULL;
}

void smmuv3_ats_invalidate(SMMUv3State *s, const Cmd *cmd)
{
    uint32_t size = ATC_INV_SIZE(cmd), sid = CMD_SID(cmd);
    PCIDevice *dev = find_function(ARM_SMMU(s), sid);
    PCIATSInvalidation inv = {
        .pasid = CMD_SSV(cmd) ? CMD_SSID(cmd) : PCI_NO_PASID,
        .global = CMD_SSV(cmd) && ATC_INV_GLOBAL(cmd),
        .last = UINT64_MAX,
    };

    if (size < ATC_INV_SIZE_ALL) {
        uint64_t mask = BIT_ULL(size + ATC_INV_PAGE_BITS) - 1;

        inv.first = CMD_ADDR(cmd) & ~mask;
        inv.last = inv.first | mask;
    }
    trace_smmuv3_ats_invalidate(sid, inv.pasid, inv.global, inv.first,
                                inv.last, dev != NULL);
    if (dev) {
        pci_ats_invalidate(dev, &inv);
    }
}
