/*
 * Accelerated SMMUv3: the kernel objects one vSMMU owns
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-viommu.h"

static int alloc_abort_hwpt(SMMUv3AccelViommu *viommu, uint32_t devid,
                            Error **errp)
{
    /* V=1, Config=0b000: all transactions of the stream are aborted */
    struct iommu_hwpt_arm_smmuv3 ste = { .ste = { cpu_to_le64(1), 0 } };
    int ret = iommufd_nested_hwpt_alloc(viommu->iommufd, devid, viommu->id,
                                        IOMMU_HWPT_DATA_ARM_SMMUV3, &ste,
                                        sizeof(ste), &viommu->abort_hwpt_id,
                                        errp);

    return smmuv3_accel_count(viommu->counters, SMMU_ACCEL_IOCTL_HWPT_ALLOC,
                              ret);
}

static bool destroy(SMMUv3AccelViommu *viommu, uint32_t id, Error **errp)
{
    Error *err = NULL;
    int ret = iommufd_destroy_id(viommu->iommufd, id, &err);
    bool gone = !ret || ret == -ENOENT;

    smmuv3_accel_count(viommu->counters, SMMU_ACCEL_IOCTL_DESTROY,
                       gone ? 0 : ret);
    if (!gone) {
        error_propagate(errp, err);
        return false;
    }
    error_free(err);
    return true;
}

bool smmuv3_accel_viommu_put_id(SMMUv3AccelViommu *viommu, uint32_t id,
                                Error **errp)
{
    if (!id || destroy(viommu, id, errp)) {
        return true;
    }
    g_array_append_val(viommu->undead, id);
    return false;
}

void smmuv3_accel_viommu_reap(SMMUv3AccelViommu *viommu)
{
    guint i = 0;

    /* In the order they came: the vIOMMU, which the others pin, is last */
    while (i < viommu->undead->len) {
        uint32_t id = g_array_index(viommu->undead, uint32_t, i);

        if (destroy(viommu, id, NULL)) {
            g_array_remove_index(viommu->undead, i);
        } else {
            i++;
        }
    }
}

SMMUv3AccelViommu *smmuv3_accel_viommu_new(HostIOMMUDeviceIOMMUFD *hiodi,
                                           SMMUv3AccelCounters *counters,
                                           Error **errp)
{
    HostIOMMUDeviceIOMMUFDClass *hiodc =
        HOST_IOMMU_DEVICE_IOMMUFD_GET_CLASS(hiodi);
    SMMUv3AccelViommu *viommu = g_new0(SMMUv3AccelViommu, 1);
    int ret;

    viommu->counters = counters;
    viommu->undead = g_array_new(false, false, sizeof(uint32_t));
    viommu->iommufd = hiodi->iommufd;
    viommu->stage2_hwpt_id = hiodc->stage2_hwpt(hiodi);

    ret = iommufd_viommu_alloc(viommu->iommufd, hiodi->devid,
                               IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
                               viommu->stage2_hwpt_id, &viommu->id, errp);
    if (smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_VIOMMU_ALLOC, ret) ||
        alloc_abort_hwpt(viommu, hiodi->devid, errp)) {
        smmuv3_accel_viommu_free(viommu);
        return NULL;
    }

    trace_smmuv3_accel_viommu_new(viommu->id, viommu->stage2_hwpt_id,
                                  viommu->abort_hwpt_id);
    return viommu;
}

void smmuv3_accel_viommu_free(SMMUv3AccelViommu *viommu)
{
    trace_smmuv3_accel_viommu_free(viommu->id);
    smmuv3_accel_viommu_put_id(viommu, viommu->abort_hwpt_id, NULL);
    smmuv3_accel_viommu_put_id(viommu, viommu->id, NULL);
    /* The vIOMMU itself may have had to wait for another */
    smmuv3_accel_viommu_reap(viommu);
    if (viommu->undead->len) {
        warn_report("arm-smmuv3-accel: the host keeps %u objects of vIOMMU %u "
                    "until its iommufd is closed", viommu->undead->len,
                    viommu->id);
    }
    g_array_unref(viommu->undead);
    g_free(viommu);
}
