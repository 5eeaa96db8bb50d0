/*
 * smmuv3-spec: explain in one line why a host cannot nest or be asked
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "system/iommufd-errno.h"
#include "smmuv3-spec.h"

/* The call of each step, as in backends/iommufd-errno.h.inc */
static const char *const step_names[SPEC_NR_STEPS] = {
    [SPEC_OPEN_IOMMU] = "opening /dev/iommu",
    [SPEC_OPEN_CDEV] = "opening the device's file in /dev/vfio/devices",
    [SPEC_BIND] = "VFIO_DEVICE_BIND_IOMMUFD",
    [SPEC_HW_INFO] = "IOMMU_GET_HW_INFO",
    [SPEC_HW_TYPE] = "IOMMU_GET_HW_INFO",
    [SPEC_IOAS_ALLOC] = "IOMMU_IOAS_ALLOC",
    [SPEC_HWPT_ALLOC] = "IOMMU_HWPT_ALLOC",
    [SPEC_IOVA_RANGES] = "IOMMU_IOAS_IOVA_RANGES",
    [SPEC_VIOMMU_ALLOC] = "IOMMU_VIOMMU_ALLOC",
};

/* Reasons other than ioctls, and errors that mean that the host never nests */
typedef struct Reason {
    SpecStep step;
    int err;
    SpecStatus status;
    const char *text;       /* NULL: that of the table of errnos */
} Reason;

static const Reason reasons[] = {
    { SPEC_OPEN_IOMMU, ENOENT, SPEC_NO,
      "there is no /dev/iommu: type modprobe iommufd; if that fails, this "
      "kernel has no CONFIG_IOMMUFD" },
    { SPEC_OPEN_IOMMU, ENODEV, SPEC_NO,
      "nothing is behind /dev/iommu: type modprobe iommufd; if that fails, "
      "this kernel has no CONFIG_IOMMUFD" },
    { SPEC_OPEN_IOMMU, EACCES, SPEC_SETUP,
      "no permission for /dev/iommu: run this as root" },
    { SPEC_OPEN_CDEV, EACCES, SPEC_SETUP,
      "no permission for its file in /dev/vfio/devices: run this as root" },
    { SPEC_HW_INFO, ENOTTY, SPEC_NO },
    { SPEC_HW_TYPE, 0, SPEC_NO,
      "the kernel does not nest on SMMUv3: it is older than 6.13, or has no "
      "CONFIG_ARM_SMMU_V3_IOMMUFD" },
    { SPEC_HWPT_ALLOC, EOPNOTSUPP, SPEC_NO },
    { SPEC_VIOMMU_ALLOC, ENOTTY, SPEC_NO },
    { SPEC_VIOMMU_ALLOC, EOPNOTSUPP, SPEC_NO },
};

/*
 * Linux does not nest on an SMMU with one of these errata (as of 7.2); which
 * call it refuses depends on its version. IHI 0070 6.3.7 has the fields.
 */
static const char *erratum(uint32_t iidr)
{
    unsigned implementer = extract32(iidr, 0, 12);
    unsigned revision = extract32(iidr, 12, 4);
    unsigned variant = extract32(iidr, 16, 4);
    unsigned product = extract32(iidr, 20, 12);

    if (implementer == 0x43b && product == 0x483 && variant < 2) {
        return "the SMMU has an erratum: Linux does not nest on an MMU-600 "
               "before r2p0";
    }
    if (implementer == 0x43b && product == 0x487) {
        return variant < 1 || revision < 1 ?
               "the SMMU has an erratum: Linux does not nest on an MMU-700 "
               "before r1p1" :
               "the kernel is older than 7.1, which takes every MMU-700 for "
               "one with an erratum";
    }
    return NULL;
}

SpecStatus spec_explain(SpecStep step, int err, const SpecHost *host,
                        uint32_t iidr, Error **errp)
{
    const char *why = err == EOPNOTSUPP ? erratum(iidr) : NULL;
    SpecStatus status = SPEC_SETUP;

    why = why ?: iommufd_errno_text(step_names[step], err);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (reasons[i].step == step && reasons[i].err == err) {
            status = reasons[i].status;
            why = reasons[i].text ?: why;
        }
    }
    if (why) {
        error_setg(errp, "%s (%s): %s", host->bdf, host->smmu, why);
    } else {
        error_setg_errno(errp, err, "%s (%s): %s failed", host->bdf,
                         host->smmu, step_names[step]);
    }
    return status;
}
