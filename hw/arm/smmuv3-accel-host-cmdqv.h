/*
 * Accelerated SMMUv3: the host's Tegra241 CMDQV, for -host and -host-device
 *
 * The interface for other modules is in smmuv3-accel-host.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H
#define HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H

#include "smmuv3-accel-host.h"

/* Set the device's cmdqv; it is not present unless the kernel reports one */
void smmuv3_accel_host_ask_cmdqv(SMMUv3AccelHostDevice *dev,
                                 SMMUv3AccelCounters *counters);

/**
 * smmuv3_accel_host_cmdqv_new - allocate a vIOMMU with queues in hardware
 * @stage2: nesting parent HWPT
 * @viommu_id: (out) the vIOMMU, owned by the result
 *
 * Returns: NULL with @errp set, and nothing left in the kernel, if the host
 * refuses it.
 */
SMMUv3AccelHostCmdqv *
smmuv3_accel_host_cmdqv_new(const SMMUv3AccelHostDevice *dev, uint32_t stage2,
                            SMMUv3AccelCounters *counters,
                            uint32_t *viommu_id, Error **errp);

/* Destroy the vIOMMU. The page stays for a FlatView that has it, as memory */
void smmuv3_accel_host_cmdqv_free(SMMUv3AccelHostCmdqv *cmdqv);

#endif /* HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H */
