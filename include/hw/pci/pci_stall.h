/*
 * DMA of emulated PCI functions that an IOMMU may stall
 *
 * PCI Express has no stalls, but functions of some systems on chip look like PCI
 * functions and can wait until software has mapped a page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_PCI_PCI_STALL_H
#define HW_PCI_PCI_STALL_H

#include "exec/memory.h"

typedef enum PCIStallResult {
    PCI_STALL_DONE,             /* there is a translation */
    PCI_STALL_FAULT,            /* the transaction is terminated */
    PCI_STALL_WAIT,             /* it is stalled: ask again later */
} PCIStallResult;

/**
 * pci_stall_translate: translate an address for a transaction that may stall
 * @dev: a function that can wait
 * @pasid: the PASID of the transaction, or PCI_NO_PASID
 * @addr: the untranslated address
 * @is_write: the transaction writes
 * @entry: (out) the translation if the result is PCI_STALL_DONE. It must be used
 * at once and only once
 *
 * A function has one such transaction at a time for an address. It asks again
 * with the same arguments until the result is another one.
 */
PCIStallResult pci_stall_translate(PCIDevice *dev, uint32_t pasid, hwaddr addr,
                                   bool is_write, IOMMUTLBEntry *entry);

#endif /* HW_PCI_PCI_STALL_H */
