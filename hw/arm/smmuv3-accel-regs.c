/*
 * Accelerated SMMUv3: when the ID registers are decided
 *
 * What they are is decided in smmuv3-accel-idregs.c. Here is when: at realize
 * if the command line has them all, else with the first host device, and when
 * the machine is done it is too late.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "qemu/range.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-internal.h"

/* Where PCI_PASID_CAP_WIDTH starts */
#define PASID_CAP_WIDTH_SHIFT   8

static void fix_regs(SMMUv3AccelState *s, const SMMUv3AccelRegs *regs,
                     const char *host)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);
    g_autofree char *spec = smmuv3_accel_regs_spec(regs);

    s->regs = *regs;
    s->regs_fixed = true;
    s->inherited_from = g_strdup(host);
    /* Tables for the guest are built before the first reset */
    ARM_SMMUV3_GET_CLASS(s3)->init_idregs(s3);
    trace_smmuv3_accel_regs(host ?: "command line", spec);
}

bool smmuv3_accel_regs_from_spec(SMMUv3AccelState *s, Error **errp)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(&s->spec);
    SMMUv3AccelRegs regs;

    if (missing) {
        return smmuv3_accel_spec_validate(&s->spec, errp);
    }
    if (!smmuv3_accel_regs_compose(&s->spec, NULL, &regs, errp)) {
        return false;
    }
    fix_regs(s, &regs, NULL);
    return true;
}

/*
 * The uAPI gives no right to read IDR5.OAS of the host. What stage 2 can map
 * says the same.
 */
static uint8_t stage2_bits(HostIOMMUDevice *hiod)
{
    HostIOMMUDeviceClass *hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    uint64_t last = 0;

    for (GList *l = hiodc->get_iova_ranges(hiod); l; l = l->next) {
        last = MAX(last, range_upb(l->data));
    }
    return last ? 64 - clz64(last) : 0;
}

static bool read_host_info(SMMUv3AccelDevice *dev, SMMUv3AccelHostInfo *host,
                           Error **errp)
{
    struct iommu_hw_info_arm_smmuv3 info = { 0 };
    uint32_t type;
    int ret;

    ret = iommufd_get_hw_info(dev->hiodi->iommufd, dev->hiodi->devid, &type,
                              &info, sizeof(info), &dev->host_caps,
                              &dev->max_pasid_log2, errp);
    if (smmuv3_accel_count(&dev->smmu->counters, SMMU_ACCEL_IOCTL_HW_INFO,
                           ret)) {
        return false;
    }
    if (type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
        error_setg(errp, "the IOMMU of host device %s does not say that it is "
                   "an SMMUv3 (type %u, not %u): either it is none, or the "
                   "host's kernel is older than 6.13", dev->name, type,
                   IOMMU_HW_INFO_TYPE_ARM_SMMUV3);
        return false;
    }

    *host = (SMMUv3AccelHostInfo) {
        .iidr = info.iidr,
        .aidr = info.aidr,
        .oas_bits = stage2_bits(HOST_IOMMU_DEVICE(dev->hiodi)),
    };
    memcpy(host->idr, info.idr, sizeof(host->idr));
    return true;
}

bool smmuv3_accel_regs_admit(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                             const char *smmu, Error **errp)
{
    SMMUv3AccelRegs regs = s->regs;
    SMMUv3AccelHostInfo host;

    if (!read_host_info(dev, &host, errp)) {
        return false;
    }
    if (!s->regs_fixed &&
        !smmuv3_accel_regs_compose(&s->spec, &host, &regs, errp)) {
        return false;
    }
    if (!smmuv3_accel_regs_compare(&regs, &host, dev->name, smmu, errp)) {
        return false;
    }
    if (!s->regs_fixed) {
        fix_regs(s, &regs, dev->name);
    }
    dev->host_idr0 = host.idr[0];
    return true;
}

uint16_t smmuv3_accel_pasid_cap(const SMMUv3AccelDevice *dev)
{
    uint32_t ssidsize = FIELD_EX32(ARM_SMMUV3(dev->smmu)->idr[1], IDR1,
                                   SSIDSIZE);
    uint16_t cap = MIN(dev->max_pasid_log2, ssidsize) << PASID_CAP_WIDTH_SHIFT;

    if (!cap) {
        return 0;
    }
    if (dev->host_caps & IOMMU_HW_CAP_PCI_PASID_EXEC) {
        cap |= PCI_PASID_CAP_EXEC;
    }
    if (dev->host_caps & IOMMU_HW_CAP_PCI_PASID_PRIV) {
        cap |= PCI_PASID_CAP_PRIV;
    }
    return cap;
}
