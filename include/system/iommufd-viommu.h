/*
 * iommufd virtual IOMMU objects: one function for each host call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_IOMMUFD_VIOMMU_H
#define SYSTEM_IOMMUFD_VIOMMU_H

#include "system/iommufd.h"

/*
 * Rules that hold for every function below, and for those of
 * system/iommufd.h that a vIOMMU model uses beside them:
 *
 * They are called with the BQL held, but for iommufd_backend_invalidate(), on
 * a backend that is connected.
 *
 * An error text starts with the name of the ioctl and says what the errno means
 * there (backends/iommufd-errno.h.inc). Outputs are written on success only.
 *
 * An id that is handed out belongs to the caller, who gives it back with
 * iommufd_backend_free_id(). The kernel refuses to destroy an object as long as
 * another one depends on it; nothing is destroyed implicitly.
 */

/**
 * iommufd_backend_get_typed_info: ask for more about a device's physical IOMMU
 * than iommufd_backend_get_device_info() returns
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of a device behind the physical IOMMU
 * @type: enum iommu_hw_info_type
 * @data: (out) the struct for @type; fields that the kernel does not know are
 *        zeroed
 * @len: size of @data
 * @errp: (out) error
 *
 * Returns: 0, or -errno with @errp set; -EOPNOTSUPP if the IOMMU does not have
 * this, or the kernel is older than 6.17.
 */
int iommufd_backend_get_typed_info(IOMMUFDBackend *be, uint32_t dev_id,
                                   uint32_t type, void *data, uint32_t len,
                                   Error **errp);

/**
 * iommufd_backend_alloc_viommu: make a virtual IOMMU on a device's physical one
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of a device behind the physical IOMMU wanted; it need not
 *          be attached, and may go before the virtual IOMMU does
 * @type: enum iommu_viommu_type
 * @hwpt_id: nesting parent HWPT of the same physical IOMMU; pinned by the
 *           virtual IOMMU
 * @data: (in, out) the struct for @type, or NULL if there is none
 * @data_len: size of @data
 * @viommu_id: (out) id of the new object
 * @errp: (out) error
 *
 * Returns: true, or false with @errp set.
 */
bool iommufd_backend_alloc_viommu(IOMMUFDBackend *be, uint32_t dev_id,
                                  uint32_t type, uint32_t hwpt_id,
                                  void *data, uint32_t data_len,
                                  uint32_t *viommu_id, Error **errp);

/**
 * iommufd_backend_viommu_mmap: map the registers of a virtual IOMMU that its
 * guest may use directly
 *
 * @be: connected iommufd backend
 * @offset: their offset in the file, which iommufd_backend_alloc_viommu()
 *          returned in @data
 * @size: their size, from the same struct; only the whole can be mapped
 * @errp: (out) error
 *
 * The mapping is shared, readable and writable, and not inherited by fork(). It
 * pins the virtual IOMMU until the caller unmaps it with munmap(2).
 *
 * Returns: the address, or NULL with @errp set.
 */
void *iommufd_backend_viommu_mmap(IOMMUFDBackend *be, uint64_t offset,
                                  uint64_t size, Error **errp);

/**
 * iommufd_backend_viommu_unmap: replace such a mapping by memory
 *
 * @be: connected iommufd backend
 * @page: from iommufd_backend_viommu_mmap()
 * @size: its size
 *
 * The mapping no longer pins the virtual IOMMU. Other threads may access @page
 * meanwhile and afterwards, until the caller unmaps it with munmap(2).
 *
 * Returns: false if the mapping stays as it is.
 */
bool iommufd_backend_viommu_unmap(IOMMUFDBackend *be, void *page,
                                  uint64_t size);

/**
 * iommufd_backend_alloc_hw_queue: have the hardware consume a queue in the
 * guest's memory
 *
 * @be: connected iommufd backend
 * @viommu_id: virtual IOMMU of a type with such queues; pinned by the queue
 * @type: enum iommu_hw_queue_type
 * @index: index of the virtual IOMMU's queue. The kernel requires ascending
 *         order from 0 for allocation, and descending order for destruction
 * @iova: guest physical address of the queue. Its memory is pinned, and cannot
 *        be unmapped from stage 2 as long as the queue exists
 * @length: size of the queue in bytes
 * @hw_queue_id: (out) id of the new object
 * @errp: (out) error
 *
 * Returns: 0, or -errno with @errp set.
 */
int iommufd_backend_alloc_hw_queue(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t type, uint32_t index,
                                   uint64_t iova, uint64_t length,
                                   uint32_t *hw_queue_id, Error **errp);

/**
 * iommufd_backend_alloc_vdevice: tell a virtual IOMMU by what id its guest
 * knows a device
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
 * Returns: true, or false with @errp set.
 */
bool iommufd_backend_alloc_vdevice(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t dev_id, uint64_t virt_id,
                                   uint32_t *vdevice_id, Error **errp);

/**
 * iommufd_backend_alloc_veventq: open the queue of events that a virtual IOMMU
 * forwards
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
 * Returns: 0, or -errno with @errp set; -ENOTTY if the kernel has no such
 * queues.
 */
int iommufd_backend_alloc_veventq(IOMMUFDBackend *be, uint32_t viommu_id,
                                  uint32_t type, uint32_t depth,
                                  uint32_t *veventq_id, int *fd, Error **errp);

/**
 * iommufd_backend_alloc_fault_queue: open a queue of faults that wait for an
 * answer
 *
 * @be: connected iommufd backend
 * @fault_id: (out) id of the queue, for
 *            iommufd_backend_alloc_nested(); such page tables pin it
 * @fd: (out) file descriptor to poll, to read() a struct iommu_hwpt_pgfault for
 *      each fault, and to write() a struct iommu_hwpt_page_response for each
 *      answer, close-on-exec. read() never blocks, it returns 0 when there is
 *      nothing. Owned by the caller, who has to close it before @fault_id can
 *      be destroyed
 * @errp: (out) error
 *
 * The kernel answers what is unanswered when it detaches a device, or attaches
 * it to another page table.
 *
 * Returns: true, or false with @errp set.
 */
bool iommufd_backend_alloc_fault_queue(IOMMUFDBackend *be, uint32_t *fault_id,
                                       int *fd, Error **errp);

/**
 * iommufd_backend_alloc_nested: make a page table for stage 1 of a guest
 *
 * @be: connected iommufd backend
 * @dev_id: iommufd id of a device
 * @viommu_id: virtual IOMMU, which the page table pins
 * @fault_id: queue of the faults of devices that stall, which the page table
 *            pins as well; 0: none
 * @data_type: enum iommu_hwpt_data_type
 * @data_len: size of @data
 * @data: the struct for @data_type
 * @hwpt_id: (out) id of the new object
 * @errp: (out) error
 *
 * Returns: 0, or -errno with @errp set.
 */
int iommufd_backend_alloc_nested(IOMMUFDBackend *be, uint32_t dev_id,
                                 uint32_t viommu_id, uint32_t fault_id,
                                 uint32_t data_type, uint32_t data_len,
                                 void *data, uint32_t *hwpt_id, Error **errp);

/**
 * iommufd_backend_invalidate: run a guest's invalidation commands
 *
 * @be: connected iommufd backend
 * @viommu_id: virtual IOMMU
 * @data_type: enum iommu_hwpt_invalidate_data_type
 * @data: array of commands; for SMMUv3 two little-endian 64-bit words each
 * @entry_len: bytes for each command
 * @entry_num: (in) number of commands, at least 1; (out) number that the kernel
 *             reports as handled, written on failure too. On failure with an
 *             SMMUv3 it is the index of the command refused, and commands
 *             before it may not have been issued: submit them again
 *
 * May be called without the BQL by who keeps @be connected. The invalidations
 * are complete when the function returns 0.
 *
 * Returns: 0, or -errno; -EIO if a command is not one that a guest may send.
 */
int iommufd_backend_invalidate(IOMMUFDBackend *be, uint32_t viommu_id,
                               uint32_t data_type, const void *data,
                               uint32_t entry_len, uint32_t *entry_num);

/**
 * iommufd_backend_last_iova: the highest address that an IOAS can map
 *
 * @be: connected iommufd backend
 * @ioas_id: the IOAS; what its HWPTs and devices leave of it
 * @last: (out) the address, 0 if there is none
 * @errp: (out) error
 *
 * Returns: true, or false with @errp set.
 */
bool iommufd_backend_last_iova(IOMMUFDBackend *be, uint32_t ioas_id,
                               uint64_t *last, Error **errp);

#endif /* SYSTEM_IOMMUFD_VIOMMU_H */
