/*
 * Accelerated SMMUv3: stalled transactions, and the guest's answers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_STALL_H
#define HW_ARM_SMMUV3_ACCEL_STALL_H

#include "hw/arm/smmuv3-accel.h"
#include "hw/pci/pci_device.h"
#include "smmuv3-internal.h"

/*
 * Whether the kernel of an Arm host lets this function stall; NULL: it does not
 */
bool smmuv3_accel_function_can_stall(const PCIDevice *pdev);

/* There is a host, whose devices are not attached yet; and it is about to go */
void smmuv3_accel_stall_host_new(SMMUv3AccelState *s);
void smmuv3_accel_stall_host_gone(SMMUv3AccelState *s);

/*
 * Take faults from the kernel as long as the guest's queue has room for them.
 * Called when the guest has written a register
 */
void smmuv3_accel_stall_update(SMMUv3AccelState *s);

/* CMD_RESUME and CMD_STALL_TERM for host devices; there is a host */
void smmuv3_accel_stall_command(SMMUv3AccelState *s, const Cmd *cmd);

#endif /* HW_ARM_SMMUV3_ACCEL_STALL_H */
