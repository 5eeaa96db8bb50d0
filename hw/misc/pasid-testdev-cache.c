/*
 * The address translation cache of the PCI function for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "pasid-testdev-cache.h"

#define SIZE PASID_TESTDEV_CACHE_SIZE

const IOMMUTLBEntry *pasid_testdev_cache_find(const PasidTestdevCache *cache,
                                              uint32_t pasid, hwaddr addr,
                                              IOMMUAccessFlags perm)
{
    for (int i = 0; i < SIZE; i++) {
        const IOMMUTLBEntry *entry = &cache->slots[i].entry;

        if (cache->slots[i].pasid == pasid && (entry->perm & perm) &&
            (addr & ~entry->addr_mask) == entry->iova) {
            return entry;
        }
    }
    return NULL;
}

const IOMMUTLBEntry *pasid_testdev_cache_add(PasidTestdevCache *cache,
                                             uint32_t pasid,
                                             const IOMMUTLBEntry *entry)
{
    unsigned i = cache->next;

    cache->slots[i].pasid = pasid;
    cache->slots[i].entry = *entry;
    cache->next = (i + 1) % SIZE;
    return &cache->slots[i].entry;
}

void pasid_testdev_cache_invalidate(PasidTestdevCache *cache,
                                    const PCIATSInvalidation *inv)
{
    for (int i = 0; i < SIZE; i++) {
        IOMMUTLBEntry *entry = &cache->slots[i].entry;
        uint32_t pasid = cache->slots[i].pasid;
        bool match = inv->global ? pasid != PCI_NO_PASID : pasid == inv->pasid;

        if (match && entry->iova <= inv->last &&
            entry->iova + entry->addr_mask >= inv->first) {
            entry->perm = IOMMU_NONE;
        }
    }
}

void pasid_testdev_cache_clear(PasidTestdevCache *cache)
{
    memset(cache, 0, sizeof(*cache));
}

unsigned pasid_testdev_cache_count(const PasidTestdevCache *cache)
{
    unsigned n = 0;

    for (int i = 0; i < SIZE; i++) {
        n += cache->slots[i].entry.perm != IOMMU_NONE;
    }
    return n;
}
