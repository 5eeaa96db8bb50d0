/*
 * PCI Address Translation Services (ATS) of emulated functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_PCI_PCI_ATS_H
#define HW_PCI_PCI_ATS_H

#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "qom/object.h"

/* An Invalidate Request that an IOMMU sends to a function */
typedef struct PCIATSInvalidation {
    uint32_t pasid;             /* PCI_NO_PASID: the request has none */
    bool global;                /* all PASIDs, whatever @pasid is */
    hwaddr first;               /* the addresses from @first to @last */
    hwaddr last;
} PCIATSInvalidation;

#define TYPE_PCI_ATS_FUNCTION "pci-ats-function"

/**
 * PCIATSFunctionClass: a function that can have an address translation cache
 * @invalidate: forget translations. After the return, none of them is used.
 * The IOMMU calls it under a lock of its own, so it must not translate.
 */
typedef struct PCIATSFunctionClass {
    InterfaceClass parent_class;

    void (*invalidate)(PCIDevice *dev, const PCIATSInvalidation *inv);
} PCIATSFunctionClass;

DECLARE_CLASS_CHECKERS(PCIATSFunctionClass, PCI_ATS_FUNCTION,
                       TYPE_PCI_ATS_FUNCTION)

/**
 * pci_ats_translate: send a Translation Request
 * @dev: a function whose ATS is enabled
 * @pasid: the PASID of the request, or PCI_NO_PASID
 * @addr: the untranslated address
 * @no_write: the function does not ask for write permission
 * @entry: (out) the translation; without permissions if there is none, and
 * then it must not be cached
 *
 * Returns: false if the request was not successful, as without an IOMMU that
 * supports ATS
 */
bool pci_ats_translate(PCIDevice *dev, uint32_t pasid, hwaddr addr,
                       bool no_write, IOMMUTLBEntry *entry);

/**
 * pci_ats_invalidate: send an Invalidate Request
 * @dev: any function; without an address translation cache, nothing happens
 * @inv: what to forget
 */
void pci_ats_invalidate(PCIDevice *dev, const PCIATSInvalidation *inv);

#endif /* HW_PCI_PCI_ATS_H */
