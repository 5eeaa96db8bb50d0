/*
 * smmuv3-spec: find a device of this host and its SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include <linux/iommufd.h>
#include "hw/arm/smmuv3-cmdqv.h"
#include "smmuv3-spec.h"

/* Find it in sysfs */

/* "0000:03:00.0" for @bdf, which may lack the domain, or NULL; g_free() */
static char *full_bdf(const char *bdf)
{
    unsigned domain, bus, slot, function;
    int end = 0;

    if (sscanf(bdf, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function,
               &end) != 4) {
        domain = 0;
        if (sscanf(bdf, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3) {
            return NULL;
        }
    }
    return bdf[end] ? NULL : g_strdup_printf("%04x:%02x:%02x.%x", domain, bus,
                                             slot, function);
}

/* The last component of the target of a link in @dir, or NULL; g_free() */
static char *link_name(const char *dir, const char *link)
{
    g_autofree char *path = g_build_filename(dir, link, NULL);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target ? g_path_get_basename(target) : NULL;
}

/* The first name in @dir/@sub, or NULL; g_free() */
static char *first_entry(const char *dir, const char *sub)
{
    g_autofree char *path = g_build_filename(dir, sub, NULL);
    g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);

    return entries ? g_strdup(g_dir_read_name(entries)) : NULL;
}

static SpecStatus not_vfio(const char *bdf, const char *dir, Error **errp)
{
    g_autofree char *driver = link_name(dir, "driver");
    g_autofree char *unbind = driver ?
        g_strdup_printf(" echo %s > /sys/bus/pci/devices/%s/driver/unbind;",
                        bdf, bdf) : g_strdup("");

    error_setg(errp, "%s is bound to %s, not to vfio-pci: type modprobe "
               "vfio-pci; echo vfio-pci > /sys/bus/pci/devices/%s/"
               "driver_override;%s echo %s > /sys/bus/pci/drivers_probe",
               bdf, driver ?: "no driver", bdf, unbind, bdf);
    return SPEC_SETUP;
}

static SpecStatus find_iommu(SpecHost *host, const char *dir, Error **errp)
{
    host->smmu = link_name(dir, "iommu");
    if (!host->smmu) {
        error_setg(errp, "%s is behind no IOMMU: the firmware describes none "
                   "for it, or the kernel has no driver for it", host->bdf);
        return SPEC_NO;
    }
    if (!g_str_has_prefix(host->smmu, "smmu3.")) {
        error_setg(errp, "%s is behind %s, which is not an SMMUv3", host->bdf,
                   host->smmu);
        return SPEC_NO;
    }
    return SPEC_YES;
}

static SpecStatus find_cdev(SpecHost *host, const char *dir, Error **errp)
{
    g_autofree char *dev = NULL;

    host->cdev = first_entry(dir, "vfio-dev");
    if (!host->cdev) {
        return not_vfio(host->bdf, dir, errp);
    }
    dev = g_build_filename(dir, "vfio-dev", host->cdev, "dev", NULL);
    if (!g_file_test(dev, G_FILE_TEST_EXISTS)) {
        error_setg(errp, "%s has no file in /dev/vfio/devices: this kernel "
                   "has no CONFIG_VFIO_DEVICE_CDEV", host->bdf);
        return SPEC_NO;
    }
    return SPEC_YES;
}

SpecStatus spec_host_find(SpecHost *host, const char *root, const char *bdf,
                          Error **errp)
{
    g_autofree char *dir = NULL;
    SpecStatus status;

    memset(host, 0, sizeof(*host));
    host->bdf = full_bdf(bdf);
    if (!host->bdf) {
        error_setg(errp, "'%s' is not a PCI address, such as 0000:03:00.0",
                   bdf);
        return SPEC_USAGE;
    }
    dir = g_strdup_printf("%s/sys/bus/pci/devices/%s", root, host->bdf);
    if (!g_file_test(dir, G_FILE_TEST_IS_DIR)) {
        error_setg(errp, "there is no PCI device %s on this host", host->bdf);
        return SPEC_USAGE;
    }
    status = find_iommu(host, dir, errp);
    return status ?: find_cdev(host, dir, errp);
}

void spec_host_clear(SpecHost *host)
{
    g_free(host->bdf);
    g_free(host->smmu);
    g_free(host->cdev);
}

/* Ask the kernel */

/*
 * The largest PARAM for a guest. Any error only means that guests cannot have a
 * CMDQV, without which an SMMU can nest as well.
 */
static uint32_t read_cmdqv(int iommufd, uint32_t dev_id)
{
    struct iommu_hw_info_tegra241_cmdqv info = { 0 };

    return spec_cmdqv_info(iommufd, dev_id, &info) ? 0 :
           smmuv3_cmdqv_guest_param(info.version, info.log2vcmdqs,
                                    info.log2vsids);
}

static SpecStatus read_info(SpecHost *host, int iommufd, uint32_t dev_id,
                            Error **errp)
{
    struct iommu_hw_info_arm_smmuv3 info = { 0 };
    uint32_t type;
    int ret = spec_hw_info(iommufd, dev_id, &type, &info);

    if (ret) {
        return spec_explain(SPEC_HW_INFO, -ret, host, 0, errp);
    }
    if (type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
        return spec_explain(SPEC_HW_TYPE, 0, host, 0, errp);
    }
    memcpy(host->info.idr, info.idr, sizeof(host->info.idr));
    host->info.iidr = info.iidr;
    host->info.aidr = info.aidr;
    host->info.cmdqv_param = read_cmdqv(iommufd, dev_id);
    return SPEC_YES;
}

/* Allocate a vIOMMU only to find out whether the SMMU can nest */
static SpecStatus try_viommu(SpecHost *host, int iommufd, uint32_t dev_id,
                             uint32_t hwpt_id, Error **errp)
{
    uint32_t viommu_id;
    int ret = spec_viommu_alloc(iommufd, dev_id, hwpt_id, &viommu_id);

    if (ret) {
        return spec_explain(SPEC_VIOMMU_ALLOC, -ret, host, host->info.iidr,
                            errp);
    }
    spec_destroy(iommufd, viommu_id);
    return SPEC_YES;
}

/* Like the device: the range of stage 2 is the output size of stage 1 */
static SpecStatus try_stage2(SpecHost *host, int iommufd, uint32_t dev_id,
                             uint32_t ioas_id, Error **errp)
{
    uint32_t hwpt_id;
    uint64_t last;
    SpecStatus status;
    int ret = spec_stage2_alloc(iommufd, dev_id, ioas_id, &hwpt_id);

    if (ret) {
        return spec_explain(SPEC_HWPT_ALLOC, -ret, host, host->info.iidr,
                            errp);
    }
    ret = spec_iova_last(iommufd, ioas_id, &last);
    if (ret) {
        status = spec_explain(SPEC_IOVA_RANGES, -ret, host, 0, errp);
    } else {
        host->info.oas_bits = last ? 64 - clz64(last) : 0;
        status = try_viommu(host, iommufd, dev_id, hwpt_id, errp);
    }
    spec_destroy(iommufd, hwpt_id);
    return status;
}

static SpecStatus ask_bound(SpecHost *host, int iommufd, uint32_t dev_id,
                            Error **errp)
{
    SpecStatus status = read_info(host, iommufd, dev_id, errp);
    uint32_t ioas_id;
    int ret;

    if (status) {
        return status;
    }
    ret = spec_ioas_alloc(iommufd, &ioas_id);
    if (ret) {
        return spec_explain(SPEC_IOAS_ALLOC, -ret, host, 0, errp);
    }
    status = try_stage2(host, iommufd, dev_id, ioas_id, errp);
    spec_destroy(iommufd, ioas_id);
    return status;
}

SpecStatus spec_host_ask_opened(SpecHost *host, int iommufd, int cdev,
                                Error **errp)
{
    uint32_t dev_id;
    int ret = spec_bind(cdev, iommufd, &dev_id);

    return ret ? spec_explain(SPEC_BIND, -ret, host, 0, errp)
               : ask_bound(host, iommufd, dev_id, errp);
}

SpecStatus spec_host_ask(SpecHost *host, Error **errp)
{
    g_autofree char *path = g_strdup_printf("/dev/vfio/devices/%s",
                                            host->cdev);
    SpecStatus status;
    int cdev, iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

    if (iommufd < 0) {
        return spec_explain(SPEC_OPEN_IOMMU, errno, host, 0, errp);
    }
    cdev = open(path, O_RDWR | O_CLOEXEC);
    if (cdev < 0) {
        status = spec_explain(SPEC_OPEN_CDEV, errno, host, 0, errp);
    } else {
        status = spec_host_ask_opened(host, iommufd, cdev, errp);
        close(cdev);
    }
    close(iommufd);
    return status;
}
