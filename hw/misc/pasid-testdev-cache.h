/*
 * The address translation cache of the PCI function for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_PASID_TESTDEV_CACHE_H
#define HW_MISC_PASID_TESTDEV_CACHE_H

#include "hw/pci/pci_ats.h"

#define PASID_TESTDEV_CACHE_SIZE 64

/* A slot whose entry has no permissions is free */
typedef struct PasidTestdevCache {
    struct {
        uint32_t pasid;         /* PCI_NO_PASID: of requests without one */
        IOMMUTLBEntry entry;
    } slots[PASID_TESTDEV_CACHE_SIZE];
    unsigned next;              /* the slot to replace next */
} PasidTestdevCache;

const IOMMUTLBEntry *pasid_testdev_cache_find(const PasidTestdevCache *cache,
                                              uint32_t pasid, hwaddr addr,
                                              IOMMUAccessFlags perm);
const IOMMUTLBEntry *pasid_testdev_cache_add(PasidTestdevCache *cache,
                                             uint32_t pasid,
                                             const IOMMUTLBEntry *entry);
void pasid_testdev_cache_invalidate(PasidTestdevCache *cache,
                                    const PCIATSInvalidation *inv);
void pasid_testdev_cache_clear(PasidTestdevCache *cache);
unsigned pasid_testdev_cache_count(const PasidTestdevCache *cache);

#endif /* HW_MISC_PASID_TESTDEV_CACHE_H */
