/*
 * SMMUv3: Address Translation Services (ATS) for emulated functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ATS_H
#define HW_ARM_SMMUV3_ATS_H

#include "exec/memory.h"
#include "smmuv3-internal.h"

/* The handle of a function's requests with @pasid; PCI_NO_PASID: without one */
SMMUDevice *smmuv3_find_device(SMMUState *bs, PCIBus *bus, int devfn,
                               uint32_t pasid);

/* PCIIOMMUOps::ats_translate; @opaque is the SMMUv3State */
bool smmuv3_ats_translate(PCIBus *bus, void *opaque, int devfn,
                          uint32_t pasid, hwaddr addr, bool no_write,
                          IOMMUTLBEntry *entry);

/* Execute CMD_ATC_INV (IHI 0070, 4.5): the function is done on return */
void smmuv3_ats_invalidate(SMMUv3State *s, const Cmd *cmd);

#endif /* HW_ARM_SMMUV3_ATS_H */
