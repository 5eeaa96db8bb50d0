/*
 * iommufd virtual IOMMU objects: one function per host call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "system/iommufd-viommu.h"
#include "qapi/error.h"
#include "trace.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>

/* What an errno of one ioctl means to somebody who has to do something */
typedef struct IOMMUFDErrnoText {
    int err;
    const char *text;
} IOMMUFDErrnoText;

/* The last entry of a table has err == 0; it is for every other errno */
static void iommufd_set_error(Error **errp, int ret, const char *call,
                              const IOMMUFDErrnoText *texts)
{
    while (texts->err && texts->err != -ret) {
        texts++;
    }
    if (texts->text) {
        error_setg_errno(errp, -ret, "%s failed (%s)", call, texts->text);
    } else {
        error_setg_errno(errp, -ret, "%s failed", call);
    }
}

/*
 * None of the calls made through this has done anything when a signal
 * interrupts it, and none writes to its input; so just try again.
 */
static int iommufd_ioctl(IOMMUFDBackend *be, unsigned long request, void *arg)
{
    return RETRY_ON_EINTR(ioctl(be->fd, request, arg)) ? -errno : 0;
}

int iommufd_viommu_alloc(IOMMUFDBackend *be, uint32_t dev_id, uint32_t type,
                         uint32_t hwpt_id, uint32_t *viommu_id, Error **errp)
{
    static const IOMMUFDErrnoText texts[] = {
        { EOPNOTSUPP, "the host SMMU cannot nest: no nesting support "
                      "(IDR0.S1P+S2P), neither CANWBS in IORT nor IDR3.FWB, "
                      "or an erratum" },
        { ENOTTY, "the host kernel is older than 6.13" },
        { EINVAL, "the stage 2 page table belongs to another physical IOMMU "
                  "or is not a nesting parent" },
        { 0 }
    };
    struct iommu_viommu_alloc alloc = {
        .size = sizeof(alloc),
        .type = type,
        .dev_id = dev_id,
        .hwpt_id = hwpt_id,
    };
    int ret = iommufd_ioctl(be, IOMMU_VIOMMU_ALLOC, &alloc);

    trace_iommufd_viommu_alloc(be->fd, dev_id, type, hwpt_id,
                               alloc.out_viommu_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VIOMMU_ALLOC", texts);
        return ret;
    }

    *viommu_id = alloc.out_viommu_id;
    return 0;
}

int iommufd_vdevice_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t dev_id, uint64_t virt_id,
                          uint32_t *vdevice_id, Error **errp)
{
    static const IOMMUFDErrnoText texts[] = {
        { ENOTTY, "the host kernel is older than 6.13" },
        { EINVAL, "the device is behind another physical IOMMU" },
        { EEXIST, "the device has a virtual id, or another device of this "
                  "virtual IOMMU has this one" },
        { ENOENT, "no such virtual IOMMU, or the device is going away" },
        { 0 }
    };
    struct iommu_vdevice_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .dev_id = dev_id,
        .virt_id = virt_id,
    };
    int ret = iommufd_ioctl(be, IOMMU_VDEVICE_ALLOC, &alloc);

    trace_iommufd_vdevice_alloc(be->fd, viommu_id, dev_id, virt_id,
                                alloc.out_vdevice_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VDEVICE_ALLOC", texts);
        return ret;
    }

    *vdevice_id = alloc.out_vdevice_id;
    return 0;
}

int iommufd_veventq_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t type, uint32_t depth, uint32_t *veventq_id,
                          int *fd, Error **errp)
{
    static const IOMMUFDErrnoText texts[] = {
        { ENOTTY, "the host kernel is older than 6.15" },
        { EEXIST, "the virtual IOMMU has an event queue" },
        { 0 }
    };
    struct iommu_veventq_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .type = type,
        .veventq_depth = depth,
    };
    int ret = iommufd_ioctl(be, IOMMU_VEVENTQ_ALLOC, &alloc);

    trace_iommufd_veventq_alloc(be->fd, viommu_id, type, depth,
                                alloc.out_veventq_id, alloc.out_veventq_fd,
                                ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VEVENTQ_ALLOC", texts);
        return ret;
    }

    *veventq_id = alloc.out_veventq_id;
    *fd = alloc.out_veventq_fd;
    return 0;
}

int iommufd_viommu_invalidate(IOMMUFDBackend *be, uint32_t viommu_id,
                              uint32_t data_type, void *data,
                              uint32_t entry_len, uint32_t *entry_num,
                              Error **errp)
{
    struct iommu_hwpt_invalidate inv;
    int ret;

    do {
        /* The kernel writes entry_num even when it fails: set it each time */
        inv = (struct iommu_hwpt_invalidate) {
            .size = sizeof(inv),
            .hwpt_id = viommu_id,
            .data_uptr = (uintptr_t)data,
            .data_type = data_type,
            .entry_len = entry_len,
            .entry_num = *entry_num,
        };
        ret = ioctl(be->fd, IOMMU_HWPT_INVALIDATE, &inv) ? -errno : 0;
    } while (ret == -EINTR);

    trace_iommufd_viommu_invalidate(be->fd, viommu_id, data_type, *entry_num,
                                    inv.entry_num, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_HWPT_INVALIDATE failed "
                         "(%u of %u commands handled)",
                         inv.entry_num, *entry_num);
    }

    *entry_num = inv.entry_num;
    return ret;
}

int iommufd_nested_hwpt_alloc(IOMMUFDBackend *be, uint32_t dev_id,
                              uint32_t viommu_id, uint32_t data_type,
                              void *data, uint32_t len, uint32_t *hwpt_id,
                              Error **errp)
{
    static const IOMMUFDErrnoText texts[] = {
        { EIO, "the kernel does not accept this guest configuration" },
        { EINVAL, "the device is behind another physical IOMMU" },
        { 0 }
    };
    struct iommu_hwpt_alloc alloc = {
        .size = sizeof(alloc),
        .dev_id = dev_id,
        .pt_id = viommu_id,
        .data_type = data_type,
        .data_len = len,
        .data_uptr = (uintptr_t)data,
    };
    uint64_t words[2] = { 0 };
    int ret = iommufd_ioctl(be, IOMMU_HWPT_ALLOC, &alloc);

    memcpy(words, data, MIN(len, sizeof(words)));
    trace_iommufd_nested_hwpt_alloc(be->fd, dev_id, viommu_id, data_type,
                                    le64_to_cpu(words[0]),
                                    le64_to_cpu(words[1]),
                                    alloc.out_hwpt_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_HWPT_ALLOC of a nested page table",
                          texts);
        return ret;
    }

    *hwpt_id = alloc.out_hwpt_id;
    return 0;
}

int iommufd_destroy_id(IOMMUFDBackend *be, uint32_t id, Error **errp)
{
    struct iommu_destroy destroy = {
        .size = sizeof(destroy),
        .id = id,
    };
    int ret = iommufd_ioctl(be, IOMMU_DESTROY, &destroy);

    trace_iommufd_destroy_id(be->fd, id, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_DESTROY of object %u failed", id);
    }
    return ret;
}

int iommufd_get_hw_info(IOMMUFDBackend *be, uint32_t dev_id, uint32_t *type,
                        void *data, uint32_t len, uint64_t *caps,
                        uint8_t *max_pasid_log2, Error **errp)
{
    struct iommu_hw_info info = {
        .size = sizeof(info),
        .dev_id = dev_id,
        .data_len = len,
        .data_uptr = (uintptr_t)data,
    };
    int ret = iommufd_ioctl(be, IOMMU_GET_HW_INFO, &info);

    trace_iommufd_get_hw_info(be->fd, dev_id, info.out_data_type,
                              info.data_len, info.out_capabilities,
                              info.out_max_pasid_log2, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_GET_HW_INFO failed");
        return ret;
    }

    *type = info.out_data_type;
    if (caps) {
        *caps = info.out_capabilities;
    }
    if (max_pasid_log2) {
        *max_pasid_log2 = info.out_max_pasid_log2;
    }
    return 0;
}
