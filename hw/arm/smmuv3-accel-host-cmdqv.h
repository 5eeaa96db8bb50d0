/*
 * Accelerated SMMUv3: the host's Tegra241 CMDQV, for -host and -host-device
 *
 * What others use is in smmuv3-accel-host.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H
#define HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H

#include "smmuv3-accel-host.h"

/* Fill in the device's cmdqv: there is none if the kernel does not say so */
void smmuv3_accel_host_ask_cmdqv(SMMUv3AccelHostDevice *dev,
                                 SMMUv3AccelCounters *counters);

/**
 * smmuv3_accel_host_cmdqv_new - make a vIOMMU that has queues in hardware
 * @stage2: nesting parent HWPT
 * @viommu_id: (out) the vIOMMU, owned by the result
 *
 * Returns: an object with one reference, or NULL with @errp set and nothing
 * left in the kernel. The vIOMMU goes with its last reference, but not before
 * the last FlatView has forgotten the page.
 */
SMMUv3AccelHostCmdqv *
smmuv3_accel_host_cmdqv_new(const SMMUv3AccelHostDevice *dev, uint32_t stage2,
                            SMMUv3AccelCounters *counters,
                            uint32_t *viommu_id, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_HOST_CMDQV_H */
