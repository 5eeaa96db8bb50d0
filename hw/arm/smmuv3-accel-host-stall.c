/*
 * Accelerated SMMUv3: transactions of host devices that stall
 *
 * The kernel reports each one through a fault queue, with a cookie for the
 * answer. It answers by itself when it attaches the device to something else.
 * Then the cookie is free for the next fault, so no old one must be kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-host.h"

/* A stalled transaction that the guest knows by its STAG */
struct SMMUv3AccelStall {
    uint16_t stag;
    uint32_t cookie;            /* the kernel's name for it */
    const SMMUv3AccelHostDevice *dev;
    int64_t since_ms;           /* of QEMU_CLOCK_VIRTUAL */
    QTAILQ_ENTRY(SMMUv3AccelStall) next;
};

bool smmuv3_accel_host_can_stall(const SMMUv3AccelHost *host,
                                 const SMMUv3AccelGroup *group)
{
    const SMMUv3AccelHostDevice *dev = QTAILQ_FIRST(&group->members);

    /* The kernel reports faults of a group as those of its first device */
    return host->fault_queue_id && dev->can_stall &&
           !QTAILQ_NEXT(dev, next);
}

bool smmuv3_accel_host_has_room(const SMMUv3AccelHost *host)
{
    return host->nb_stalls < host->max_stalls;
}

static void answer(SMMUv3AccelHost *host, uint32_t cookie, bool retry)
{
    struct iommu_hwpt_page_response response = {
        .cookie = cookie,
        .code = retry ? IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID,
    };
    ssize_t len = RETRY_ON_EINTR(write(host->fault_queue_fd, &response,
                                       sizeof(response)));

    /* If it fails, the kernel does not know the cookie, and nothing waits */
    trace_smmuv3_accel_stall_answer(host->viommu_id, cookie, retry,
                                    len < 0 ? -errno : 0);
}

static void forget(SMMUv3AccelHost *host, SMMUv3AccelStall *stall)
{
    QTAILQ_REMOVE(&host->stalls, stall, next);
    host->nb_stalls--;
    g_free(stall);
}

static const SMMUv3AccelHostDevice *find_device(SMMUv3AccelHost *host,
                                                uint32_t devid)
{
    SMMUv3AccelGroup *group;
    SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(group, &host->groups, next) {
        QTAILQ_FOREACH(dev, &group->members, next) {
            if (dev->vdevice_id && dev->hiodi->devid == devid) {
                return dev;
            }
        }
    }
    return NULL;
}

static bool stag_is_free(const SMMUv3AccelHost *host, uint16_t stag)
{
    const SMMUv3AccelStall *stall;

    QTAILQ_FOREACH(stall, &host->stalls, next) {
        if (stall->stag == stag) {
            return false;
        }
    }
    return true;
}

/*
 * A STAG is used again as late as possible: the guest may resume a transaction
 * that the kernel has terminated meanwhile.
 */
static uint16_t new_stag(SMMUv3AccelHost *host)
{
    while (!stag_is_free(host, host->next_stag)) {
        host->next_stag++;
    }
    return host->next_stag++;
}

static SMMUv3AccelStall *stall_new(SMMUv3AccelHost *host,
                                   const SMMUv3AccelHostDevice *dev,
                                   uint32_t cookie)
{
    SMMUv3AccelStall *stall = g_new(SMMUv3AccelStall, 1);

    *stall = (SMMUv3AccelStall) {
        .stag = new_stag(host),
        .cookie = cookie,
        .dev = dev,
        .since_ms = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL),
    };
    QTAILQ_INSERT_TAIL(&host->stalls, stall, next);
    host->nb_stalls++;
    return stall;
}

int smmuv3_accel_host_next_fault(SMMUv3AccelHost *host, SMMUv3AccelFault *fault)
{
    struct iommu_hwpt_pgfault record;
    ssize_t len = RETRY_ON_EINTR(read(host->fault_queue_fd, &record,
                                      sizeof(record)));
    const SMMUv3AccelHostDevice *dev;

    if (len < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    if (len < sizeof(record)) {
        return 0;
    }
    dev = find_device(host, record.dev_id);
    *fault = (SMMUv3AccelFault) {
        .addr = record.addr,
        .ssv = record.flags & IOMMU_PGFAULT_FLAGS_PASID_VALID,
        .ssid = record.pasid,
        .writes = record.perm & IOMMU_PGFAULT_PERM_WRITE,
        .executes = record.perm & IOMMU_PGFAULT_PERM_EXEC,
        .privileged = record.perm & IOMMU_PGFAULT_PERM_PRIV,
    };
    if (!dev) {
        /* Its StreamID has just gone */
        answer(host, record.cookie, false);
        return -ENODEV;
    }
    fault->vsid = dev->vsid;
    fault->stag = stall_new(host, dev, record.cookie)->stag;
    trace_smmuv3_accel_stall(dev->name, fault->vsid, fault->ssv, fault->ssid,
                             fault->addr, record.perm, fault->stag,
                             record.cookie);
    return 1;
}

bool smmuv3_accel_host_resume(SMMUv3AccelHost *host, uint32_t vsid,
                              uint16_t stag, bool retry)
{
    SMMUv3AccelStall *stall;

    QTAILQ_FOREACH(stall, &host->stalls, next) {
        if (stall->stag == stag && stall->dev->vsid == vsid) {
            answer(host, stall->cookie, retry);
            forget(host, stall);
            return true;
        }
    }
    return false;
}

unsigned smmuv3_accel_host_terminate(SMMUv3AccelHost *host, uint32_t vsid)
{
    SMMUv3AccelStall *stall, *next;
    unsigned n = 0;

    QTAILQ_FOREACH_SAFE(stall, &host->stalls, next, next) {
        if (stall->dev->vsid == vsid) {
            answer(host, stall->cookie, false);
            forget(host, stall);
            n++;
        }
    }
    return n;
}

unsigned smmuv3_accel_host_terminate_old(SMMUv3AccelHost *host, int64_t age_ms,
                                         int64_t *oldest_ms)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    SMMUv3AccelStall *stall;
    unsigned n = 0;

    /* The list is in the order of time */
    while ((stall = QTAILQ_FIRST(&host->stalls)) &&
           now - stall->since_ms >= age_ms) {
        answer(host, stall->cookie, false);
        forget(host, stall);
        n++;
    }
    *oldest_ms = stall ? stall->since_ms : -1;
    return n;
}

void smmuv3_accel_host_forget_stalls(SMMUv3AccelHost *host,
                                     const SMMUv3AccelGroup *group)
{
    SMMUv3AccelStall *stall, *next;

    QTAILQ_FOREACH_SAFE(stall, &host->stalls, next, next) {
        if (stall->dev->group == group) {
            forget(host, stall);
        }
    }
}
