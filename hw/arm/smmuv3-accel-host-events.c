/*
 * Accelerated SMMUv3: the host's queues of events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "system/iommufd-viommu.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-host.h"

/* Twice as long each time, and 25 ms in all */
#define CLOSE_WAIT_FIRST_US 100
#define CLOSE_WAIT_LAST_US (CLOSE_WAIT_FIRST_US << 7)

/* One event reports all errors of a CMDQV since the last event */
#define QUEUE_ERRORS 16

static int open_veventq(SMMUv3AccelHost *host, uint32_t type, uint32_t depth,
                        uint32_t *id, int *fd, Error **errp)
{
    int ret;

    smmuv3_accel_host_reap(host);
    ret = iommufd_backend_alloc_veventq(host->iommufd, host->viommu_id, type,
                                        depth, id, fd, errp);
    smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_VEVENTQ_ALLOC, !ret);
    return ret;
}

/*
 * The file pins the queue. If a vCPU thread closes the file while the main loop
 * polls it, the main loop pins it until it wakes up, which takes some time on a
 * busy host. The vIOMMU has at most one queue of events of each type, so the next
 * one has to wait for that.
 */
static void close_queue(SMMUv3AccelHost *host, uint32_t *id, int fd)
{
    if (!*id) {
        return;
    }
    close(fd);
    for (unsigned wait_us = CLOSE_WAIT_FIRST_US;
         wait_us <= CLOSE_WAIT_LAST_US; wait_us *= 2) {
        if (smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_DESTROY,
                               iommufd_backend_free_id(host->iommufd, *id))) {
            break;
        }
        g_usleep(wait_us);
    }
    *id = 0;
}

int smmuv3_accel_host_open_events(SMMUv3AccelHost *host, uint8_t log2size,
                                  Error **errp)
{
    int ret = open_veventq(host, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, 1U << log2size,
                           &host->veventq_id, &host->veventq_fd, errp);

    if (!ret) {
        host->veventq_log2size = log2size;
    }
    return ret;
}

void smmuv3_accel_host_close_events(SMMUv3AccelHost *host)
{
    close_queue(host, &host->veventq_id, host->veventq_fd);
}

int smmuv3_accel_host_open_queue_errors(SMMUv3AccelHost *host, Error **errp)
{
    return open_veventq(host, IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, QUEUE_ERRORS,
                        &host->queue_errors_id, &host->queue_errors_fd, errp);
}

void smmuv3_accel_host_close_queue_errors(SMMUv3AccelHost *host)
{
    close_queue(host, &host->queue_errors_id, host->queue_errors_fd);
}

bool smmuv3_accel_host_open_faults(SMMUv3AccelHost *host, unsigned max_stalls,
                                   Error **errp)
{
    bool ok = iommufd_backend_alloc_fault_queue(host->iommufd,
                                                &host->fault_queue_id,
                                                &host->fault_queue_fd, errp);

    host->max_stalls = max_stalls;
    return smmuv3_accel_count(host->counters,
                              SMMU_ACCEL_IOCTL_FAULT_QUEUE_ALLOC, ok);
}

void smmuv3_accel_host_close_faults(SMMUv3AccelHost *host)
{
    assert(QTAILQ_EMPTY(&host->stalls));
    close_queue(host, &host->fault_queue_id, host->fault_queue_fd);
}
