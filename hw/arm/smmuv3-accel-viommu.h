/*
 * Accelerated SMMUv3: the kernel objects one vSMMU owns
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_VIOMMU_H
#define HW_ARM_SMMUV3_ACCEL_VIOMMU_H

#include "system/iommufd.h"
#include "smmuv3-accel-counters.h"

/*
 * The kernel vIOMMU of a vSMMU. It comes with the first host device and goes
 * with the last. Three things a device can be attached to stand on it: stage 2
 * alone, which is bypass; the abort HWPT; and a nested HWPT per device.
 */
typedef struct SMMUv3AccelViommu {
    IOMMUFDBackend *iommufd;    /* kept connected by the VFIO devices */
    uint32_t id;
    uint32_t stage2_hwpt_id;    /* nesting parent; owned by VFIO */
    uint32_t abort_hwpt_id;
    GArray *undead;             /* ids that the kernel would not destroy */
    SMMUv3AccelCounters *counters;  /* of the vSMMU */
} SMMUv3AccelViommu;

/**
 * smmuv3_accel_viommu_new - make a vIOMMU on the physical SMMU of @hiodi
 * @hiodi: host device, bound and attached by VFIO to its nesting parent HWPT
 * @counters: of the vSMMU, which outlives the vIOMMU
 *
 * Called when the first host device is plugged below a vSMMU.
 *
 * Returns: the vIOMMU, to be freed with smmuv3_accel_viommu_free(), or NULL
 * with @errp set and nothing left behind in the kernel.
 */
SMMUv3AccelViommu *smmuv3_accel_viommu_new(HostIOMMUDeviceIOMMUFD *hiodi,
                                           SMMUv3AccelCounters *counters,
                                           Error **errp);

/**
 * smmuv3_accel_viommu_put_id - destroy an object that stands on the vIOMMU
 * @id: the object, the caller's no longer whatever happens; 0: none
 *
 * One that the kernel refuses to destroy is kept, to be tried again by
 * smmuv3_accel_viommu_reap(). One that is gone already is no error.
 *
 * Returns: false with @errp set if the object is still there.
 */
bool smmuv3_accel_viommu_put_id(SMMUv3AccelViommu *viommu, uint32_t id,
                                Error **errp);

/* Destroy now what could not be destroyed before */
void smmuv3_accel_viommu_reap(SMMUv3AccelViommu *viommu);

/**
 * smmuv3_accel_viommu_free - destroy a vIOMMU and its HWPTs
 * @viommu: the vIOMMU; no device may be attached to its HWPTs, and vDEVICEs
 *          and event queue must have been put
 */
void smmuv3_accel_viommu_free(SMMUv3AccelViommu *viommu);

#endif /* HW_ARM_SMMUV3_ACCEL_VIOMMU_H */
