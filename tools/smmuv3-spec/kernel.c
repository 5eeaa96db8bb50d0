/*
 * smmuv3-spec: one function for each ioctl
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include "smmuv3-spec.h"

/* A call that a signal interrupts has had no effect, so repeat it */
static int call(int fd, unsigned long request, void *arg)
{
    return RETRY_ON_EINTR(ioctl(fd, request, arg)) ? -errno : 0;
}

int spec_bind(int cdev, int iommufd, uint32_t *dev_id)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind),
        .iommufd = iommufd,
    };
    int ret = call(cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind);

    *dev_id = bind.out_devid;
    return ret;
}

int spec_hw_info(int iommufd, uint32_t dev_id, uint32_t *type,
                 struct iommu_hw_info_arm_smmuv3 *info)
{
    struct iommu_hw_info get = {
        .size = sizeof(get),
        .dev_id = dev_id,
        .data_len = sizeof(*info),
        .data_uptr = (uintptr_t)info,
    };
    int ret = call(iommufd, IOMMU_GET_HW_INFO, &get);

    *type = get.out_data_type;
    return ret;
}

int spec_cmdqv_info(int iommufd, uint32_t dev_id,
                    struct iommu_hw_info_tegra241_cmdqv *info)
{
    struct iommu_hw_info get = {
        .size = sizeof(get),
        .flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
        .dev_id = dev_id,
        .data_len = sizeof(*info),
        .data_uptr = (uintptr_t)info,
        .in_data_type = IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV,
    };

    return call(iommufd, IOMMU_GET_HW_INFO, &get);
}

int spec_ioas_alloc(int iommufd, uint32_t *ioas_id)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    int ret = call(iommufd, IOMMU_IOAS_ALLOC, &alloc);

    *ioas_id = alloc.out_ioas_id;
    return ret;
}

int spec_stage2_alloc(int iommufd, uint32_t dev_id, uint32_t ioas_id,
                      uint32_t *hwpt_id)
{
    struct iommu_hwpt_alloc alloc = {
        .size = sizeof(alloc),
        .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
        .dev_id = dev_id,
        .pt_id = ioas_id,
    };
    int ret = call(iommufd, IOMMU_HWPT_ALLOC, &alloc);

    *hwpt_id = alloc.out_hwpt_id;
    return ret;
}

int spec_viommu_alloc(int iommufd, uint32_t dev_id, uint32_t hwpt_id,
                      uint32_t *viommu_id)
{
    struct iommu_viommu_alloc alloc = {
        .size = sizeof(alloc),
        .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
        .dev_id = dev_id,
        .hwpt_id = hwpt_id,
    };
    int ret = call(iommufd, IOMMU_VIOMMU_ALLOC, &alloc);

    *viommu_id = alloc.out_viommu_id;
    return ret;
}

int spec_iova_last(int iommufd, uint32_t ioas_id, uint64_t *last)
{
    g_autofree struct iommu_iova_range *ranges = NULL;
    struct iommu_ioas_iova_ranges get = {
        .size = sizeof(get),
        .ioas_id = ioas_id,
    };
    int ret = call(iommufd, IOMMU_IOAS_IOVA_RANGES, &get);

    if (ret == -EMSGSIZE) {
        /* The kernel has set num_iovas to the number of ranges */
        ranges = g_new0(struct iommu_iova_range, get.num_iovas);
        get.allowed_iovas = (uintptr_t)ranges;
        ret = call(iommufd, IOMMU_IOAS_IOVA_RANGES, &get);
    }
    *last = 0;
    for (uint32_t i = 0; !ret && ranges && i < get.num_iovas; i++) {
        *last = MAX(*last, ranges[i].last);
    }
    return ret;
}

/* Ignore a failure: the kernel destroys everything at exit */
void spec_destroy(int iommufd, uint32_t id)
{
    struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

    if (id) {
        call(iommufd, IOMMU_DESTROY, &destroy);
    }
}
