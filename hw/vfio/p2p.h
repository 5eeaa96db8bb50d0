/*
 * Peer to peer: other devices reach the BARs of a VFIO device by DMA
 *
 * The kernel maps a BAR in an IOAS only as a dma-buf that VFIO exports (Linux
 * 6.19). Each piece of a BAR that QEMU has mapped is a dma-buf of its own.
 * All functions are called with the BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_P2P_H
#define HW_VFIO_P2P_H

#include "exec/hwaddr.h"
#include "hw/vfio/vfio-common.h"

typedef struct VFIOP2PPiece VFIOP2PPiece;

/**
 * vfio_p2p_check:
 *
 * Called when @vbasedev is realized.
 *
 * Returns: false with @errp set if the user requires peer to peer (x-p2p=on)
 * and the host's kernel cannot export the BARs of @vbasedev.
 */
bool vfio_p2p_check(VFIODevice *vbasedev, Error **errp);

/**
 * vfio_p2p_skips:
 * @mr: RAM that is mapped from a device
 *
 * Returns: whether the user does not want DMA to @mr (x-p2p=off).
 */
static inline bool vfio_p2p_skips(MemoryRegion *mr)
{
    VFIODevice *vbasedev = vfio_get_vfio_device(memory_region_owner(mr));

    return vbasedev && vbasedev->p2p == ON_OFF_AUTO_OFF;
}

/**
 * vfio_p2p_add, vfio_p2p_del:
 * @index: of a mapped piece in @region->mmaps
 *
 * The piece exists, and will be unmapped from QEMU. It is no longer mapped in
 * any IOAS by then. Pieces that cannot be the target of DMA are ignored.
 */
void vfio_p2p_add(VFIORegion *region, int index);
void vfio_p2p_del(VFIORegion *region, int index);

/**
 * vfio_p2p_find:
 *
 * Returns: the piece that contains the @size bytes at @vaddr, or NULL if these
 * are guest memory or belong to a device that is not on iommufd.
 */
VFIOP2PPiece *vfio_p2p_find(const void *vaddr, uint64_t size);

/**
 * vfio_p2p_map:
 * @vaddr: first byte, in @piece
 *
 * Maps @size bytes of @piece at @iova. If that fails, DMA to this address
 * faults, which is reported once for each piece with x-p2p=on.
 */
void vfio_p2p_map(VFIOP2PPiece *piece, IOMMUFDBackend *be, uint32_t ioas_id,
                  hwaddr iova, uint64_t size, const void *vaddr, bool readonly);

/* Forget what vfio_p2p_map() has mapped in this range, which is unmapped now */
void vfio_p2p_unmapped(IOMMUFDBackend *be, uint32_t ioas_id, hwaddr iova,
                       uint64_t size);

/**
 * vfio_p2p_config_written:
 *
 * Called after a write of @len bytes to the configuration space of @pdev, a
 * VFIO device. The kernel revokes all mappings of a device in a function level
 * reset, and for good: map them again. It also revokes them in D3 and while the
 * memory of the device is off, but then the BARs leave QEMU's address space,
 * too. The exception is an incoming migration, which turns the memory on last.
 */
void vfio_p2p_config_written(PCIDevice *pdev, VFIODevice *vbasedev,
                             uint32_t addr, uint32_t val, int len);

#endif /* HW_VFIO_P2P_H */
