/*
 * Accelerated SMMUv3: a guest's part of the host's Tegra241 CMDQV
 *
 * A vIOMMU of this type has a virtual interface of the CMDQV. The registers of
 * its queues are a page in iommufd's file. The hardware reads the queues at
 * host physical addresses, which the kernel gives it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <sys/mman.h>
#include <linux/iommufd.h>

#include "smmuv3-accel-host.h"
#include "smmuv3-accel-host-cmdqv.h"
#include "smmuv3-cmdqv.h"

/* Distance between the registers of two queues in the page */
#define QUEUE_STRIDE 0x80
#define QUEUE_PAGE_SIZE (64 * KiB)

/*
 * The page, and the vIOMMU that it depends on. A FlatView may use the page
 * until an RCU grace period after its removal from the guest's memory, when
 * the host no longer exists. So this object owns the page. Virtual interfaces
 * are few, and the next host device may come before that: memory replaces the
 * host's registers in the page, so that the vIOMMU can go with the host.
 */
struct SMMUv3AccelHostCmdqv {
    Object parent_obj;

    IOMMUFDBackend *iommufd;    /* connected; NULL without a vIOMMU */
    SMMUv3AccelCounters *counters;
    uint32_t viommu_id;
    uint8_t *page;              /* NULL if it could not be mapped */
    uint64_t size;
    MemoryRegion mr;            /* of @page */

    GArray *queues;             /* ids, indexed by queue number */
};

#define TYPE_SMMUV3_ACCEL_HOST_CMDQV "smmuv3-accel-host-cmdqv"
OBJECT_DECLARE_SIMPLE_TYPE(SMMUv3AccelHostCmdqv, SMMUV3_ACCEL_HOST_CMDQV)

static void put_id(SMMUv3AccelHostCmdqv *cmdqv, uint32_t id)
{
    smmuv3_accel_count(cmdqv->counters, SMMU_ACCEL_IOCTL_DESTROY,
                       iommufd_backend_free_id(cmdqv->iommufd, id));
}

static void put_viommu(SMMUv3AccelHostCmdqv *cmdqv)
{
    if (cmdqv->viommu_id) {
        put_id(cmdqv, cmdqv->viommu_id);
    }
    iommufd_backend_disconnect(cmdqv->iommufd);
    g_clear_pointer(&cmdqv->iommufd, object_unref);
}

/* The region is a child of the object, and already finalized */
static void host_cmdqv_finalize(Object *obj)
{
    SMMUv3AccelHostCmdqv *cmdqv = SMMUV3_ACCEL_HOST_CMDQV(obj);

    assert(!cmdqv->queues->len);
    g_array_unref(cmdqv->queues);
    if (cmdqv->page) {
        munmap(cmdqv->page, cmdqv->size);
    }
    if (cmdqv->iommufd) {
        put_viommu(cmdqv);
    }
}

static void host_cmdqv_init(Object *obj)
{
    SMMUv3AccelHostCmdqv *cmdqv = SMMUV3_ACCEL_HOST_CMDQV(obj);

    cmdqv->queues = g_array_new(false, false, sizeof(uint32_t));
}

static const TypeInfo host_cmdqv_info = {
    .name = TYPE_SMMUV3_ACCEL_HOST_CMDQV,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SMMUv3AccelHostCmdqv),
    .instance_init = host_cmdqv_init,
    .instance_finalize = host_cmdqv_finalize,
};

static void host_cmdqv_register_types(void)
{
    type_register_static(&host_cmdqv_info);
}

type_init(host_cmdqv_register_types)

/* Capabilities of the host */

void smmuv3_accel_host_ask_cmdqv(SMMUv3AccelHostDevice *dev,
                                 SMMUv3AccelCounters *counters)
{
    HostIOMMUDeviceIOMMUFD *hiodi = dev->hiodi;
    struct iommu_hw_info_tegra241_cmdqv info = { 0 };
    Error *err = NULL;
    int ret = iommufd_backend_get_typed_info(hiodi->iommufd, hiodi->devid,
                                             IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV,
                                             &info, sizeof(info), &err);

    if (ret == -EOPNOTSUPP) {
        error_free(err);        /* there is none, or an older kernel */
        err = NULL;
    }
    smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_HW_INFO, !ret);
    error_free(dev->cmdqv.error);       /* of an earlier call */
    dev->cmdqv = (SMMUv3AccelHostCmdqvInfo) {
        .present = !ret,
        .version = info.version,
        .log2_vcmdqs = info.log2vcmdqs,
        .log2_sids = info.log2vsids,
        .error = err,
    };
    trace_smmuv3_accel_host_has_cmdqv(dev->name, ret, info.version,
                                      info.log2vcmdqs, info.log2vsids);
}

uint32_t smmuv3_accel_host_cmdqv_param(const SMMUv3AccelHostDevice *dev)
{
    return !dev->cmdqv.present ? 0 :
           smmuv3_cmdqv_guest_param(dev->cmdqv.version, dev->cmdqv.log2_vcmdqs,
                                    dev->cmdqv.log2_sids);
}

/* The page */

static bool map_page(SMMUv3AccelHostCmdqv *cmdqv, uint64_t offset,
                     uint64_t size, Error **errp)
{
    if (size != QUEUE_PAGE_SIZE) {
        /* What follows that page in the guest is not for the host */
        error_setg(errp, "the host maps %" PRIu64 " bytes of its CMDQV to a "
                   "guest, not 65536", size);
        return false;
    }
    cmdqv->page = iommufd_backend_viommu_mmap(cmdqv->iommufd, offset, size,
                                              errp);
    if (!cmdqv->page) {
        return false;
    }
    cmdqv->size = size;
    memory_region_init_ram_device_ptr(&cmdqv->mr, OBJECT(cmdqv),
                                      "smmuv3-accel-queues", size,
                                      cmdqv->page);
    /*
     * VFIO maps all RAM for DMA, that of devices as well. No DMA uses this
     * page, and the kernel would refuse it with a message for each device. No
     * initializer of a region excludes it, but VFIO's listener skips protected
     * RAM; only vhost-vdpa's looks at that flag, too. Other kinds of vhost have
     * the page in their tables, like the BAR of an assigned device. A guest
     * that puts a virtqueue there reaches its own registers only.
     */
    cmdqv->mr.ram_block->flags |= RAM_PROTECTED;
    return true;
}

static bool alloc_viommu(SMMUv3AccelHostCmdqv *cmdqv, uint32_t devid,
                         uint32_t stage2, Error **errp)
{
    struct iommu_viommu_tegra241_cmdqv data = { 0 };
    bool ok;

    /* A kept vIOMMU may have the last virtual interface: destroy it first */
    iommufd_backend_reap(cmdqv->iommufd);
    ok = iommufd_backend_alloc_viommu(cmdqv->iommufd, devid,
                                      IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, stage2,
                                      &data, sizeof(data), &cmdqv->viommu_id,
                                      errp);
    return smmuv3_accel_count(cmdqv->counters, SMMU_ACCEL_IOCTL_VIOMMU_ALLOC,
                              ok) &&
           map_page(cmdqv, data.out_vintf_mmap_offset,
                    data.out_vintf_mmap_length, errp);
}

SMMUv3AccelHostCmdqv *
smmuv3_accel_host_cmdqv_new(const SMMUv3AccelHostDevice *dev, uint32_t stage2,
                            SMMUv3AccelCounters *counters,
                            uint32_t *viommu_id, Error **errp)
{
    IOMMUFDBackend *be = dev->hiodi->iommufd;
    SMMUv3AccelHostCmdqv *cmdqv;

    if (!iommufd_backend_connect(be, errp)) {
        return NULL;
    }
    cmdqv = SMMUV3_ACCEL_HOST_CMDQV(object_new(TYPE_SMMUV3_ACCEL_HOST_CMDQV));
    cmdqv->iommufd = IOMMUFD_BACKEND(object_ref(be));
    cmdqv->counters = counters;
    if (!alloc_viommu(cmdqv, dev->hiodi->devid, stage2, errp)) {
        object_unref(cmdqv);
        return NULL;
    }
    *viommu_id = cmdqv->viommu_id;
    return cmdqv;
}

void smmuv3_accel_host_cmdqv_free(SMMUv3AccelHostCmdqv *cmdqv)
{
    /* If that fails, the vIOMMU goes with the page */
    if (iommufd_backend_viommu_unmap(cmdqv->iommufd, cmdqv->page,
                                     cmdqv->size)) {
        put_viommu(cmdqv);
    }
    object_unref(cmdqv);
}

MemoryRegion *smmuv3_accel_host_queue_page(SMMUv3AccelHost *host)
{
    return &host->cmdqv->mr;
}

static uint32_t *queue_reg(SMMUv3AccelHost *host, unsigned lvcmdq, uint32_t reg)
{
    uint64_t offset = (uint64_t)lvcmdq * QUEUE_STRIDE + reg;

    assert(offset + sizeof(uint32_t) <= host->cmdqv->size);
    return (uint32_t *)(host->cmdqv->page + offset);
}

uint32_t smmuv3_accel_host_queue_read(SMMUv3AccelHost *host, unsigned lvcmdq,
                                      uint32_t reg)
{
    return le32_to_cpu(qatomic_read(queue_reg(host, lvcmdq, reg)));
}

void smmuv3_accel_host_queue_write(SMMUv3AccelHost *host, unsigned lvcmdq,
                                   uint32_t reg, uint32_t value)
{
    /*
     * PROD and CONFIG.EN let the hardware read the queue, in which a vCPU of
     * the guest has put commands before it told QEMU. Pairs with the order in
     * which the hardware reads PROD and then the queue (IHI 0070, 3.5.2).
     */
    smp_wmb();
    qatomic_set(queue_reg(host, lvcmdq, reg), cpu_to_le32(value));
}

/* Queues */

int smmuv3_accel_host_queue_alloc(SMMUv3AccelHost *host, unsigned lvcmdq,
                                  uint64_t gpa, uint64_t length, Error **errp)
{
    SMMUv3AccelHostCmdqv *cmdqv = host->cmdqv;
    uint32_t id;
    int ret;

    assert(lvcmdq == cmdqv->queues->len);
    iommufd_backend_reap(host->iommufd);
    ret = iommufd_backend_alloc_hw_queue(host->iommufd, host->viommu_id,
                                         IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
                                         lvcmdq, gpa, length, &id, errp);
    smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_HW_QUEUE_ALLOC, !ret);
    if (!ret) {
        g_array_append_val(cmdqv->queues, id);
    }
    return ret;
}

void smmuv3_accel_host_queues_free(SMMUv3AccelHost *host)
{
    GArray *queues = host->cmdqv ? host->cmdqv->queues : NULL;

    while (queues && queues->len) {
        uint32_t id = g_array_index(queues, uint32_t, queues->len - 1);

        g_array_set_size(queues, queues->len - 1);
        put_id(host->cmdqv, id);
    }
}

unsigned smmuv3_accel_host_nb_queues(const SMMUv3AccelHost *host)
{
    return host->cmdqv ? host->cmdqv->queues->len : 0;
}
