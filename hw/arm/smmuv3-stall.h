/*
 * SMMUv3: transactions of emulated functions that stall
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_STALL_H
#define HW_ARM_SMMUV3_STALL_H

#include "exec/memory.h"
#include "hw/pci/pci_stall.h"
#include "smmuv3-internal.h"

/* PCIIOMMUOps::stall_translate; @opaque is the SMMUv3State */
PCIStallResult smmuv3_stall_translate(PCIBus *bus, void *opaque, int devfn,
                                      uint32_t pasid, hwaddr addr,
                                      bool is_write, IOMMUTLBEntry *entry);

/*
 * Execute CMD_RESUME and CMD_STALL_TERM (IHI 0070, 4.6). Called with the mutex
 * of @s held. Functions learn the result when they ask again.
 */
void smmuv3_stall_resume(SMMUv3State *s, const Cmd *cmd);
void smmuv3_stall_terminate(SMMUv3State *s, const Cmd *cmd);

/* Called by a reset: nothing is stalled any more */
void smmuv3_stall_reset(SMMUv3State *s);

#endif /* HW_ARM_SMMUV3_STALL_H */
