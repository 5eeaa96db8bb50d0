/*
 * iommufd virtual IOMMU objects: one function per host call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_IOMMUFD_VIOMMU_H
#define SYSTEM_IOMMUFD_VIOMMU_H

#include "system/iommufd.h"

/*
 * Rules that hold for every function below.
 *
 * They are called by vIOMMU models (arm-smmuv3-accel) with the BQL held, on a
 * backend that is connected: the VFIO device whose @dev_id is passed keeps it
 * so until it is detached.
 *
 * They return 0, or -errno with @errp set. The error text starts with the name
 * of the ioctl and, where the errno alone would mislead, says what it means.
 * Outputs other than @entry_num are written on success only.
 *
 * An id that is handed out belongs to the caller, who gives it back with
 * iommufd_destroy_id(). The kernel refuses that with EBUSY as long as another
 * object depends on it; nothing is destroyed implicitly.
 *
 * They are the only place where a vIOMMU model meets the kernel: unit tests
 * link a fake of this file instead.
 */

/**
 * iommufd_viommu_alloc: make a virtual IOMMU on a device's physical IOMMU
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of a device behind the physical IOMMU wanted; it need not
 *          be attached, and may go again before the virtual IOMMU does
 * @type: enum iommu_viommu_type
 * @hwpt_id: nesting parent HWPT of the same physical IOMMU; pinned by the
 *           virtual IOMMU
 * @viommu_id: (out) id of the new object
 * @errp: (out) error
 *
 * Returns: 0, or -errno; -EOPNOTSUPP if the physical IOMMU cannot nest,
 * -ENOTTY if the kernel knows no virtual IOMMUs, -EINVAL if @hwpt_id belongs to
 * another physical IOMMU or is not a nesting parent.
 */
int iommufd_viommu_alloc(IOMMUFDBackend *be, uint32_t dev_id, uint32_t type,
                         uint32_t hwpt_id, uint32_t *viommu_id, Error **errp);

/**
 * iommufd_vdevice_alloc: tell a virtual IOMMU by what id its guest knows a
 * device
 *
 * @be: connected iommufd backend
 * @viommu_id: virtual IOMMU; pinned by the new object
 * @dev_id: iommufd id of the device
 * @virt_id: id of the device in the guest, for an SMMUv3 its StreamID
 * @vdevice_id: (out) id of the new object
 * @errp: (out) error
 *
 * The object is to be destroyed before the device's file descriptor is closed:
 * the kernel does it then by force and never reuses the id.
 *
 * Returns: 0, or -errno; -EEXIST if the device has such an object or @virt_id
 * is taken, -EINVAL if the device is behind another physical IOMMU.
 */
int iommufd_vdevice_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t dev_id, uint64_t virt_id,
                          uint32_t *vdevice_id, Error **errp);

/**
 * iommufd_veventq_alloc: open the queue of events that a virtual IOMMU forwards
 *
 * @be: connected iommufd backend
 * @viommu_id: virtual IOMMU; pinned by the queue
 * @type: enum iommu_veventq_type
 * @depth: number of events that the kernel holds before it drops some
 * @veventq_id: (out) id of the queue
 * @fd: (out) file descriptor to poll and read(), close-on-exec. read() never
 *      blocks, it returns 0 when there is nothing. Owned by the caller, who has
 *      to close it before @veventq_id can be destroyed
 * @errp: (out) error
 *
 * Returns: 0, or -errno; -ENOTTY if the kernel has no such queues, -EEXIST if
 * the virtual IOMMU has one of that type.
 */
int iommufd_veventq_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t type, uint32_t depth, uint32_t *veventq_id,
                          int *fd, Error **errp);

/**
 * iommufd_viommu_invalidate: run guest invalidation commands on a virtual IOMMU
 *
 * @be: connected iommufd backend
 * @viommu_id: virtual IOMMU
 * @data_type: enum iommu_hwpt_invalidate_data_type
 * @data: array of commands; for SMMUv3 two little-endian 64-bit words each
 * @entry_len: bytes per command
 * @entry_num: (in) number of commands, at least 1; (out) number that the kernel
 *             reports as handled, written on failure too. On failure with an
 *             SMMUv3 it is the index of the command refused, and commands
 *             before it may not have been issued: submit them again
 * @errp: (out) error
 *
 * The invalidations are complete when the function returns 0.
 *
 * Returns: 0, or -errno; -EIO if a command is not one that a guest may send.
 */
int iommufd_viommu_invalidate(IOMMUFDBackend *be, uint32_t viommu_id,
                              uint32_t data_type, void *data,
                              uint32_t entry_len, uint32_t *entry_num,
                              Error **errp);

/**
 * iommufd_nested_hwpt_alloc: make a page table object from a guest's stage 1
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of a device behind the virtual IOMMU's physical IOMMU
 * @viommu_id: virtual IOMMU, which supplies stage 2; pinned by the new object
 * @data_type: enum iommu_hwpt_data_type
 * @data: what the guest configured, copied by the kernel; for SMMUv3 the first
 *        two words of a stream table entry (struct iommu_hwpt_arm_smmuv3)
 * @len: bytes at @data
 * @hwpt_id: (out) id of the new object, to be attached to devices
 * @errp: (out) error
 *
 * Returns: 0, or -errno; -EIO if the kernel does not accept the contents of
 * @data, -EINVAL if the device is behind another physical IOMMU.
 */
int iommufd_nested_hwpt_alloc(IOMMUFDBackend *be, uint32_t dev_id,
                              uint32_t viommu_id, uint32_t data_type,
                              void *data, uint32_t len, uint32_t *hwpt_id,
                              Error **errp);

/**
 * iommufd_destroy_id: destroy an iommufd object
 *
 * @be: connected iommufd backend
 * @id: the object
 * @errp: (out) error
 *
 * Unlike iommufd_backend_free_id(), leaves it to the caller whether a failure
 * is worth a message.
 *
 * Returns: 0, or -errno; -EBUSY if another object, an attached device or an
 * open file descriptor depends on it, -ENOENT if there is no such object.
 */
int iommufd_destroy_id(IOMMUFDBackend *be, uint32_t id, Error **errp);

/**
 * iommufd_get_hw_info: read what the physical IOMMU of a device is
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of the device
 * @type: (out) enum iommu_hw_info_type; IOMMU_HW_INFO_TYPE_NONE if the driver
 *        says nothing (SMMUv3 before Linux 6.13)
 * @data: (out) the structure that belongs to the type; whatever the kernel does
 *        not know is zero
 * @len: bytes at @data
 * @caps: (out) enum iommufd_hw_capabilities, may be NULL
 * @max_pasid_log2: (out) width of the PASIDs the device may use, 0 for none,
 *                  may be NULL
 * @errp: (out) error
 *
 * Returns: 0, or -errno.
 */
int iommufd_get_hw_info(IOMMUFDBackend *be, uint32_t dev_id, uint32_t *type,
                        void *data, uint32_t len, uint64_t *caps,
                        uint8_t *max_pasid_log2, Error **errp);

#endif
