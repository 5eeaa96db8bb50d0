/*
 * Peer to peer: other devices reach the BARs of a VFIO device by DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/vfio.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_device.h"
#include "system/iommufd.h"
#include "system/iommufd-errno.h"
#include "p2p.h"
#include "trace.h"

/*
 * The mappings that are restored after a reset. A guest with a vIOMMU that
 * reports maps decides how many there are.
 */
#define MAPPINGS_MAX    1024

typedef struct VFIOP2PMapping {
    IOMMUFDBackend *be;
    uint32_t ioas_id;
    hwaddr iova;
    uint64_t size;
    uint64_t start; /* in the dma-buf */
    bool readonly;
    bool mapped;
} VFIOP2PMapping;

struct VFIOP2PPiece {
    VFIODevice *vbasedev;
    uint8_t bar;
    uint64_t offset; /* in the BAR */
    uint8_t *vaddr;
    uint64_t size;
    int fd;          /* of the dma-buf; -1 before the first mapping */
    bool complained;
    GArray *mappings;
    QLIST_ENTRY(VFIOP2PPiece) next;
};

static QLIST_HEAD(, VFIOP2PPiece) pieces = QLIST_HEAD_INITIALIZER(pieces);

/* The kernel's side */

static int feature(VFIODevice *vbasedev, struct vfio_device_feature *arg)
{
    int ret = ioctl(vbasedev->fd, VFIO_DEVICE_FEATURE, arg);

    return ret < 0 ? -errno : ret;
}

bool vfio_p2p_check(VFIODevice *vbasedev, Error **errp)
{
    struct vfio_device_feature probe = {
        .argsz = sizeof(probe),
        .flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
                 VFIO_DEVICE_FEATURE_DMA_BUF,
    };
    int ret;

    /* Without iommufd, the kernel maps BARs by their virtual addresses */
    if (vbasedev->p2p != ON_OFF_AUTO_ON || !vbasedev->iommufd) {
        return true;
    }

    ret = feature(vbasedev, &probe);
    trace_vfio_p2p_check(vbasedev->name, ret);
    if (!ret) {
        return true;
    }
    error_setg_errno(errp, -ret, "x-p2p=on, but the host's kernel does not "
                     "export the BARs of this device: boot Linux 6.19 or later "
                     "with CONFIG_VFIO_PCI_DMABUF, or use x-p2p=auto");
    return false;
}

static int export_dmabuf(VFIOP2PPiece *piece)
{
    size_t argsz = sizeof(struct vfio_device_feature) +
                   sizeof(struct vfio_device_feature_dma_buf) +
                   sizeof(struct vfio_region_dma_range);
    g_autofree struct vfio_device_feature *arg = g_malloc0(argsz);
    struct vfio_device_feature_dma_buf *buf = (void *)arg->data;
    int fd;

    arg->argsz = argsz;
    arg->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
    buf->region_index = piece->bar;
    buf->open_flags = O_RDWR | O_CLOEXEC;
    buf->nr_ranges = 1;
    buf->dma_ranges[0].offset = piece->offset;
    buf->dma_ranges[0].length = piece->size;

    fd = feature(piece->vbasedev, arg);
    trace_vfio_p2p_export(piece->vbasedev->name, piece->bar, piece->offset,
                          piece->size, fd);
    return fd;
}

static void complain(VFIOP2PPiece *piece, int ret, const char *call)
{
    Error *err = NULL;

    if (piece->vbasedev->p2p != ON_OFF_AUTO_ON || piece->complained) {
        return;
    }
    piece->complained = true;
    iommufd_set_error(&err, ret, call);
    error_prepend(&err, "%s: BAR %u cannot be the target of other devices' "
                  "DMA, which faults (x-p2p=off if that is intended): ",
                  piece->vbasedev->name, piece->bar);
    warn_report_err(err);
}

static void map(VFIOP2PPiece *piece, VFIOP2PMapping *m)
{
    int ret;

    m->mapped = false;
    if (piece->fd < 0) {
        ret = export_dmabuf(piece);
        if (ret < 0) {
            complain(piece, ret, "VFIO_DEVICE_FEATURE_DMA_BUF");
            return;
        }
        piece->fd = ret;
    }

    ret = iommufd_backend_map_file_dma(m->be, m->ioas_id, m->iova, m->size,
                                       piece->fd, m->start, m->readonly);
    m->mapped = !ret;
    /* The memory of the device is off: mapped when it is turned on */
    if (ret && ret != -ENODEV) {
        complain(piece, ret, "IOMMU_IOAS_MAP_FILE");
    }
}

/* Pieces */

void vfio_p2p_add(VFIORegion *region, int index)
{
    const VFIOMmap *m = &region->mmaps[index];
    VFIOP2PPiece *piece;

    if (region->vbasedev->type != VFIO_DEVICE_TYPE_PCI ||
        !region->vbasedev->iommufd || region->nr >= VFIO_PCI_ROM_REGION_INDEX) {
        return;
    }

    piece = g_new(VFIOP2PPiece, 1);
    *piece = (VFIOP2PPiece) {
        .vbasedev = region->vbasedev,
        .bar = region->nr,
        .offset = m->offset,
        .vaddr = m->mmap,
        /* QEMU extends the memory region of a smaller BAR to a page */
        .size = ROUND_UP(m->size, qemu_real_host_page_size()),
        .fd = -1,
        .mappings = g_array_new(false, false, sizeof(VFIOP2PMapping)),
    };
    QLIST_INSERT_HEAD(&pieces, piece, next);
}

void vfio_p2p_del(VFIORegion *region, int index)
{
    VFIOP2PPiece *piece = vfio_p2p_find(region->mmaps[index].mmap, 1);

    if (!piece) {
        return;
    }
    QLIST_REMOVE(piece, next);
    if (piece->fd >= 0) {
        close(piece->fd);
    }
    g_array_free(piece->mappings, true);
    g_free(piece);
}

VFIOP2PPiece *vfio_p2p_find(const void *vaddr, uint64_t size)
{
    const uint8_t *start = vaddr;
    VFIOP2PPiece *piece;

    QLIST_FOREACH(piece, &pieces, next) {
        if (start >= piece->vaddr && size <= piece->size &&
            start - piece->vaddr <= piece->size - size) {
            return piece;
        }
    }
    return NULL;
}

void vfio_p2p_map(VFIOP2PPiece *piece, IOMMUFDBackend *be, uint32_t ioas_id,
                  hwaddr iova, uint64_t size, const void *vaddr, bool readonly)
{
    VFIOP2PMapping m = {
        .be = be,
        .ioas_id = ioas_id,
        .iova = iova,
        .size = size,
        .start = (const uint8_t *)vaddr - piece->vaddr,
        .readonly = readonly,
    };

    /* A vIOMMU maps what the memory listener skips */
    if (piece->vbasedev->p2p == ON_OFF_AUTO_OFF) {
        return;
    }

    map(piece, &m);
    /* Kept even if it fails: a later attempt may succeed */
    if (piece->mappings->len < MAPPINGS_MAX) {
        g_array_append_val(piece->mappings, m);
    }
}

void vfio_p2p_unmapped(IOMMUFDBackend *be, uint32_t ioas_id, hwaddr iova,
                       uint64_t size)
{
    VFIOP2PPiece *piece;

    QLIST_FOREACH(piece, &pieces, next) {
        for (guint i = piece->mappings->len; i-- > 0;) {
            const VFIOP2PMapping *m = &g_array_index(piece->mappings,
                                                     VFIOP2PMapping, i);

            if (m->be == be && m->ioas_id == ioas_id && m->iova >= iova &&
                m->iova - iova < size) {
                g_array_remove_index_fast(piece->mappings, i);
            }
        }
    }
}

/* Revocation */

/* @all: whether the kernel has revoked what was mapped */
static void remap(VFIODevice *vbasedev, bool all)
{
    VFIOP2PPiece *piece;

    QLIST_FOREACH(piece, &pieces, next) {
        if (piece->vbasedev != vbasedev) {
            continue;
        }
        for (guint i = 0; i < piece->mappings->len; i++) {
            VFIOP2PMapping *m = &g_array_index(piece->mappings,
                                               VFIOP2PMapping, i);

            if (m->mapped && !all) {
                continue;
            }
            trace_vfio_p2p_remap(vbasedev->name, piece->bar, m->iova, m->size);
            if (m->mapped) {
                iommufd_backend_unmap_dma(m->be, m->ioas_id, m->iova, m->size);
            }
            map(piece, m);
        }
    }
}

/* The byte that is written at @where; 0 if none is */
static uint8_t written(uint32_t addr, uint32_t val, int len, uint32_t where)
{
    return range_covers_byte(addr, len, where) ? val >> (where - addr) * 8 : 0;
}

void vfio_p2p_config_written(PCIDevice *pdev, VFIODevice *vbasedev,
                             uint32_t addr, uint32_t val, int len)
{
    uint8_t exp = pdev->exp.exp_cap;
    uint8_t af = pci_find_capability(pdev, PCI_CAP_ID_AF);
    bool flr, memory;

    flr = (exp && written(addr, val, len, exp + PCI_EXP_DEVCTL + 1) &
                  PCI_EXP_DEVCTL_BCR_FLR >> 8) ||
          (af && written(addr, val, len, af + PCI_AF_CTRL) & PCI_AF_CTRL_FLR);
    memory = written(addr, val, len, PCI_COMMAND) & PCI_COMMAND_MEMORY;
    if (flr || memory) {
        remap(vbasedev, flr);
    }
}
