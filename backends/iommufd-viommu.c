/*
 * iommufd virtual IOMMU objects: one function for each host call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/madvise.h"
#include "system/iommufd-errno.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/iommufd.h>

/*
 * None of the calls made through this has done anything when a signal
 * interrupts it, and none writes to its input; so just try again.
 */
static int iommufd_ioctl(IOMMUFDBackend *be, unsigned long request, void *arg)
{
    return RETRY_ON_EINTR(ioctl(be->fd, request, arg)) ? -errno : 0;
}

int iommufd_backend_get_typed_info(IOMMUFDBackend *be, uint32_t dev_id,
                                   uint32_t type, void *data, uint32_t len,
                                   Error **errp)
{
    struct iommu_hw_info info = {
        .size = sizeof(info),
        .flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
        .dev_id = dev_id,
        .data_len = len,
        .data_uptr = (uintptr_t)data,
        .in_data_type = type,
    };
    int ret = iommufd_ioctl(be, IOMMU_GET_HW_INFO, &info);

    trace_iommufd_backend_get_typed_info(be->fd, dev_id, type, info.data_len,
                                         ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_GET_HW_INFO");
    }
    return ret;
}

bool iommufd_backend_alloc_viommu(IOMMUFDBackend *be, uint32_t dev_id,
                                  uint32_t type, uint32_t hwpt_id,
                                  void *data, uint32_t data_len,
                                  uint32_t *viommu_id, Error **errp)
{
    struct iommu_viommu_alloc alloc = {
        .size = sizeof(alloc),
        .type = type,
        .dev_id = dev_id,
        .hwpt_id = hwpt_id,
        .data_len = data_len,
        .data_uptr = (uintptr_t)data,
    };
    int ret = iommufd_ioctl(be, IOMMU_VIOMMU_ALLOC, &alloc);

    trace_iommufd_backend_alloc_viommu(be->fd, dev_id, type, hwpt_id,
                                       alloc.out_viommu_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VIOMMU_ALLOC");
        return false;
    }

    *viommu_id = alloc.out_viommu_id;
    return true;
}

void *iommufd_backend_viommu_mmap(IOMMUFDBackend *be, uint64_t offset,
                                  uint64_t size, Error **errp)
{
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, be->fd,
                      offset);
    int ret = page == MAP_FAILED ? -errno : 0;

    trace_iommufd_backend_viommu_mmap(be->fd, offset, size, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "mmap");
        return NULL;
    }

    /* The kernel counts mappings, and a child process would add one */
    qemu_madvise(page, size, QEMU_MADV_DONTFORK);
    return page;
}

bool iommufd_backend_viommu_unmap(IOMMUFDBackend *be, void *page, uint64_t size)
{
    void *memory = mmap(page, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int ret = memory == MAP_FAILED ? -errno : 0;

    trace_iommufd_backend_viommu_unmap(be->fd, size, ret);
    return !ret;
}

int iommufd_backend_alloc_hw_queue(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t type, uint32_t index,
                                   uint64_t iova, uint64_t length,
                                   uint32_t *hw_queue_id, Error **errp)
{
    struct iommu_hw_queue_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .type = type,
        .index = index,
        .nesting_parent_iova = iova,
        .length = length,
    };
    int ret = iommufd_ioctl(be, IOMMU_HW_QUEUE_ALLOC, &alloc);

    trace_iommufd_backend_alloc_hw_queue(be->fd, viommu_id, type, index, iova,
                                         length, alloc.out_hw_queue_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_HW_QUEUE_ALLOC");
        return ret;
    }

    *hw_queue_id = alloc.out_hw_queue_id;
    return 0;
}

bool iommufd_backend_alloc_vdevice(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t dev_id, uint64_t virt_id,
                                   uint32_t *vdevice_id, Error **errp)
{
    struct iommu_vdevice_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .dev_id = dev_id,
        .virt_id = virt_id,
    };
    int ret = iommufd_ioctl(be, IOMMU_VDEVICE_ALLOC, &alloc);

    trace_iommufd_backend_alloc_vdevice(be->fd, viommu_id, dev_id, virt_id,
                                        alloc.out_vdevice_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VDEVICE_ALLOC");
        return false;
    }

    *vdevice_id = alloc.out_vdevice_id;
    return true;
}

int iommufd_backend_alloc_veventq(IOMMUFDBackend *be, uint32_t viommu_id,
                                  uint32_t type, uint32_t depth,
                                  uint32_t *veventq_id, int *fd, Error **errp)
{
    struct iommu_veventq_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .type = type,
        .veventq_depth = depth,
    };
    int ret = iommufd_ioctl(be, IOMMU_VEVENTQ_ALLOC, &alloc);

    trace_iommufd_backend_alloc_veventq(be->fd, viommu_id, type, depth,
                                        alloc.out_veventq_id,
                                        alloc.out_veventq_fd, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_VEVENTQ_ALLOC");
        return ret;
    }

    *veventq_id = alloc.out_veventq_id;
    *fd = alloc.out_veventq_fd;
    return 0;
}

bool iommufd_backend_alloc_fault_queue(IOMMUFDBackend *be, uint32_t *fault_id,
                                       int *fd, Error **errp)
{
    struct iommu_fault_alloc alloc = {
        .size = sizeof(alloc),
    };
    int ret = iommufd_ioctl(be, IOMMU_FAULT_QUEUE_ALLOC, &alloc);

    trace_iommufd_backend_alloc_fault_queue(be->fd, alloc.out_fault_id,
                                            alloc.out_fault_fd, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_FAULT_QUEUE_ALLOC");
        return false;
    }

    *fault_id = alloc.out_fault_id;
    *fd = alloc.out_fault_fd;
    return true;
}

int iommufd_backend_alloc_nested(IOMMUFDBackend *be, uint32_t dev_id,
                                 uint32_t viommu_id, uint32_t fault_id,
                                 uint32_t data_type, uint32_t data_len,
                                 void *data, uint32_t *hwpt_id, Error **errp)
{
    struct iommu_hwpt_alloc alloc = {
        .size = sizeof(alloc),
        .flags = fault_id ? IOMMU_HWPT_FAULT_ID_VALID : 0,
        .dev_id = dev_id,
        .pt_id = viommu_id,
        .data_type = data_type,
        .data_len = data_len,
        .data_uptr = (uintptr_t)data,
        .fault_id = fault_id,
    };
    int ret = iommufd_ioctl(be, IOMMU_HWPT_ALLOC, &alloc);

    trace_iommufd_backend_alloc_hwpt(be->fd, dev_id, viommu_id, alloc.flags,
                                     data_type, data_len, alloc.data_uptr,
                                     alloc.out_hwpt_id, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_HWPT_ALLOC");
        return ret;
    }

    *hwpt_id = alloc.out_hwpt_id;
    return 0;
}

int iommufd_backend_invalidate(IOMMUFDBackend *be, uint32_t viommu_id,
                               uint32_t data_type, const void *data,
                               uint32_t entry_len, uint32_t *entry_num)
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

    trace_iommufd_backend_invalidate(be->fd, viommu_id, data_type, *entry_num,
                                     inv.entry_num, ret);
    *entry_num = inv.entry_num;
    return ret;
}

bool iommufd_backend_last_iova(IOMMUFDBackend *be, uint32_t ioas_id,
                               uint64_t *last, Error **errp)
{
    /* There is one more for each hole: the MSI window, and what firmware asks */
    uint32_t room = 16;
    g_autofree struct iommu_iova_range *ranges =
        g_new0(struct iommu_iova_range, room);
    struct iommu_ioas_iova_ranges get = {
        .size = sizeof(get),
        .ioas_id = ioas_id,
        .num_iovas = room,
        .allowed_iovas = (uintptr_t)ranges,
    };
    int ret = iommufd_ioctl(be, IOMMU_IOAS_IOVA_RANGES, &get);

    if (ret == -EMSGSIZE) {
        /* num_iovas is now how many there are */
        ranges = g_renew(struct iommu_iova_range, ranges, get.num_iovas);
        get.allowed_iovas = (uintptr_t)ranges;
        ret = iommufd_ioctl(be, IOMMU_IOAS_IOVA_RANGES, &get);
    }
    trace_iommufd_backend_iova_ranges(be->fd, ioas_id, get.num_iovas, ret);
    if (ret) {
        iommufd_set_error(errp, ret, "IOMMU_IOAS_IOVA_RANGES");
        return false;
    }

    *last = 0;
    for (uint32_t i = 0; i < get.num_iovas; i++) {
        *last = MAX(*last, ranges[i].last);
    }
    return true;
}
