/*
 * Accelerated SMMUv3: the host's vIOMMU, and its invalidations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-host.h"
#include "smmuv3-accel-host-cmdqv.h"

/*
 * How long a host that timed out is left alone: a guest can queue 2^19 commands
 * and would wait a second for each.
 */
#define STUCK_MS 5000

/*
 * How long one batch may take: then every failure counts as a time-out. Each of
 * 256 commands could fail after almost a second, and a stop of the machine would
 * wait for all of them.
 */
#define BATCH_NS (8 * NANOSECONDS_PER_SECOND)

QEMU_BUILD_BUG_ON(sizeof(SMMUv3AccelHostCmd) !=
                  sizeof(struct iommu_viommu_arm_smmuv3_invalidate));

uint32_t smmuv3_accel_host_stage2(const SMMUv3AccelHostDevice *dev)
{
    HostIOMMUDeviceIOMMUFD *hiodi = dev->hiodi;

    return HOST_IOMMU_DEVICE_IOMMUFD_GET_CLASS(hiodi)->stage2_hwpt(hiodi);
}

static bool alloc_abort_hwpt(SMMUv3AccelHost *host, uint32_t devid,
                             Error **errp)
{
    /* V=1, Config=0b000: all transactions of the stream are aborted */
    struct iommu_hwpt_arm_smmuv3 ste = { .ste = { cpu_to_le64(1), 0 } };
    bool ok = iommufd_backend_alloc_hwpt(host->iommufd, devid, host->viommu_id,
                                         0, IOMMU_HWPT_DATA_ARM_SMMUV3,
                                         sizeof(ste), &ste,
                                         &host->abort_hwpt_id, errp);

    trace_smmuv3_accel_nested_hwpt("to be blocked", host->abort_hwpt_id, 1, 0);
    return smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_HWPT_ALLOC, ok);
}

void smmuv3_accel_host_put_id(SMMUv3AccelHost *host, uint32_t id)
{
    if (id) {
        smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_DESTROY,
                           iommufd_backend_free_id(host->iommufd, id));
    }
}

static void host_free(SMMUv3AccelHost *host)
{
    assert(QTAILQ_EMPTY(&host->groups) && !host->veventq_id &&
           !host->queue_errors_id && !host->fault_queue_id);
    trace_smmuv3_accel_host_free(host->viommu_id);
    smmuv3_accel_host_queues_free(host);
    smmuv3_accel_host_put_id(host, host->abort_hwpt_id);
    if (host->cmdqv) {
        smmuv3_accel_host_cmdqv_free(host->cmdqv);  /* owns the vIOMMU */
    } else {
        smmuv3_accel_host_put_id(host, host->viommu_id);
    }
    error_free(host->cmdqv_error);
    iommufd_backend_disconnect(host->iommufd);
    object_unref(host->iommufd);
    g_free(host);
}

/* With queues in hardware if possible; otherwise sets cmdqv_error */
static bool alloc_viommu(SMMUv3AccelHost *host,
                         const SMMUv3AccelHostDevice *dev, bool queues,
                         Error **errp)
{
    bool ok;

    if (queues && dev->cmdqv.present) {
        host->cmdqv = smmuv3_accel_host_cmdqv_new(dev, host->stage2_hwpt_id,
                                                  host->counters,
                                                  &host->viommu_id,
                                                  &host->cmdqv_error);
        if (host->cmdqv) {
            return true;
        }
    } else if (queues && dev->cmdqv.error) {
        host->cmdqv_error = error_copy(dev->cmdqv.error);
    }
    if (host->cmdqv_error) {
        trace_smmuv3_accel_host_no_queues(dev->name,
                                          error_get_pretty(host->cmdqv_error));
    }
    ok = iommufd_backend_alloc_viommu(host->iommufd, dev->hiodi->devid,
                                      IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
                                      host->stage2_hwpt_id, NULL, 0,
                                      &host->viommu_id, errp);
    return smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_VIOMMU_ALLOC,
                              ok);
}

SMMUv3AccelHost *smmuv3_accel_host_new(const SMMUv3AccelHostDevice *dev,
                                       bool queues,
                                       SMMUv3AccelCounters *counters,
                                       Error **errp)
{
    HostIOMMUDeviceIOMMUFD *hiodi = dev->hiodi;
    SMMUv3AccelHost *host;

    /* The file may have to outlive the devices: a call on it may be under way */
    if (!iommufd_backend_connect(hiodi->iommufd, errp)) {
        return NULL;
    }
    host = g_new0(SMMUv3AccelHost, 1);
    host->refs = 1;
    host->counters = counters;
    host->iommufd = IOMMUFD_BACKEND(object_ref(hiodi->iommufd));
    host->stage2_hwpt_id = smmuv3_accel_host_stage2(dev);
    host->invalidates_twice = dev->smmu.invalidates_twice;
    QTAILQ_INIT(&host->groups);
    QTAILQ_INIT(&host->stalls);

    if (!alloc_viommu(host, dev, queues, errp) ||
        !alloc_abort_hwpt(host, hiodi->devid, errp)) {
        host_free(host);
        return NULL;
    }
    trace_smmuv3_accel_host_new(host->viommu_id, host->stage2_hwpt_id,
                                host->abort_hwpt_id);
    return host;
}

void smmuv3_accel_host_ref(SMMUv3AccelHost *host)
{
    host->refs++;
}

void smmuv3_accel_host_unref(SMMUv3AccelHost *host)
{
    if (!--host->refs) {
        host_free(host);
    }
}

void smmuv3_accel_host_reap(SMMUv3AccelHost *host)
{
    iommufd_backend_reap(host->iommufd);
}

SMMUv3AccelHostDevice *smmuv3_accel_host_find(SMMUv3AccelHost *host,
                                              uint32_t vsid)
{
    SMMUv3AccelGroup *group;
    SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(group, &host->groups, next) {
        QTAILQ_FOREACH(dev, &group->members, next) {
            if (dev->vdevice_id && dev->vsid == vsid) {
                return dev;
            }
        }
    }
    return NULL;
}

bool smmuv3_accel_host_is_in_range(const SMMUv3AccelGroup *group,
                                   uint32_t first, uint32_t last)
{
    const SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        if (dev->vdevice_id && dev->vsid >= first && dev->vsid <= last) {
            return true;
        }
    }
    return false;
}

/* Invalidations */

static bool is_stuck(const SMMUv3AccelHost *host)
{
    return host->stuck_until_ms &&
           qemu_clock_get_ms(QEMU_CLOCK_REALTIME) < host->stuck_until_ms;
}

/* A batch on its way to the host */
typedef struct Transfer {
    const SMMUv3AccelHost *host;
    int64_t until_ns;           /* of get_clock() */
} Transfer;

static int submit(void *opaque, const SMMUv3AccelHostCmd *cmds, uint32_t *n)
{
    const Transfer *transfer = opaque;
    const SMMUv3AccelHost *host = transfer->host;
    int ret = iommufd_backend_invalidate(host->iommufd, host->viommu_id,
                                         IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
                                         cmds, sizeof(*cmds), n);

    if (ret && get_clock() > transfer->until_ns) {
        trace_smmuv3_accel_out_of_time(host->viommu_id, ret);
        return -ETIMEDOUT;
    }
    return ret;
}

void smmuv3_accel_host_invalidate(const SMMUv3AccelHost *host,
                                  const SMMUv3AccelBatch *batch,
                                  SMMUv3AccelSubmitResult *res)
{
    Transfer transfer = { host, get_clock() + BATCH_NS };

    if (is_stuck(host)) {
        smmuv3_accel_batch_give_up(batch, res);
    } else {
        smmuv3_accel_batch_submit(batch, host->invalidates_twice, submit,
                                  &transfer, res);
    }
}

void smmuv3_accel_host_try_again(SMMUv3AccelHost *host)
{
    host->stuck_until_ms = 0;
}

void smmuv3_accel_host_begin(SMMUv3AccelHost *host)
{
    host->sids_changed = false;
}

static bool lost_any(const SMMUv3AccelSubmitResult *res)
{
    return !bitmap_empty(res->lost, SMMU_ACCEL_BATCH_MAX);
}

static void note_lost(SMMUv3AccelHost *host, const SMMUv3AccelBatch *batch,
                      const SMMUv3AccelSubmitResult *res)
{
    bool all = host->sids_changed && lost_any(res);
    SMMUv3AccelGroup *group;

    /* An ATC may have been filled from a TLB that is stale */
    QTAILQ_FOREACH(group, &host->groups, next) {
        group->lost |= all || (res->tlb_lost && group->has_ats);
    }
    for (unsigned i = 0; i < batch->n; i++) {
        SMMUv3AccelHostDevice *dev;

        if (test_bit(i, res->lost)) {
            dev = smmuv3_accel_host_find(host,
                smmuv3_accel_host_cmd_sid(&batch->cmd[i]));
            if (dev) {
                dev->group->lost = true;
            }
        }
    }
    host->tlb_lost |= res->tlb_lost;
}

void smmuv3_accel_host_invalidated(SMMUv3AccelHost *host,
                                   const SMMUv3AccelBatch *batch,
                                   const SMMUv3AccelSubmitResult *res)
{
    SMMUv3AccelCounters *counters = host->counters;

    trace_smmuv3_accel_invalidated(host->viommu_id, batch->n, res->ioctls,
                                   res->err, res->stuck, res->tlb_lost);
    counters->batches++;
    counters->forwarded += batch->n;
    counters->refused += res->refused;
    counters->fallbacks += res->whole_tlb;
    counters->lost += res->tlb_lost || lost_any(res);
    counters->ioctls[SMMU_ACCEL_IOCTL_INVALIDATE] += res->ioctls;
    counters->ioctls_failed[SMMU_ACCEL_IOCTL_INVALIDATE] += res->ioctls_failed;
    if (!res->stuck) {
        host->stuck_until_ms = 0;
    } else if (res->ioctls) {
        host->stuck_until_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                               STUCK_MS;
    }
    note_lost(host, batch, res);
}

static bool push_all(SMMUv3AccelBatch *batch, const SMMUv3AccelHostCmd *cmds,
                     unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (smmuv3_accel_batch_full(batch)) {
            return false;
        }
        smmuv3_accel_batch_push(batch, &cmds[i]);
    }
    return true;
}

/* Everything that is cached for a StreamID: CDs, and what came of them */
static bool push_device(const SMMUv3AccelHostDevice *dev,
                        SMMUv3AccelBatch *batch)
{
    const SMMUv3AccelHostCmd cmds[] = {
        smmuv3_accel_host_cmd_cfgi_cd_all(dev->vsid),
        smmuv3_accel_host_cmd_atc_inv_all(dev->vsid, false),
        smmuv3_accel_host_cmd_atc_inv_all(dev->vsid, true),
    };

    return dev->vdevice_id &&
           push_all(batch, cmds, !dev->group->has_ats ? 1 :
                                 dev->max_pasid_log2 ? 3 : 2);
}

/* Whole groups only: they recover or not */
static void push_group(const SMMUv3AccelGroup *group, SMMUv3AccelBatch *batch)
{
    unsigned before = batch->n;
    SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        if (!push_device(dev, batch)) {
            batch->n = before;
            return;
        }
    }
}

bool smmuv3_accel_host_has_lost(const SMMUv3AccelHost *host)
{
    const SMMUv3AccelGroup *group;

    QTAILQ_FOREACH(group, &host->groups, next) {
        if (group->lost) {
            return true;
        }
    }
    return host->tlb_lost;
}

void smmuv3_accel_host_recovery(const SMMUv3AccelHost *host,
                                SMMUv3AccelBatch *batch)
{
    const SMMUv3AccelHostCmd all = smmuv3_accel_host_cmd_tlbi_all();
    const SMMUv3AccelGroup *group;

    smmuv3_accel_batch_reset(batch);
    if (is_stuck(host)) {
        return;
    }
    if (host->tlb_lost) {
        smmuv3_accel_batch_push(batch, &all);
    }
    QTAILQ_FOREACH(group, &host->groups, next) {
        if (group->lost) {
            push_group(group, batch);
        }
    }
}

void smmuv3_accel_host_recovered(SMMUv3AccelHost *host,
                                 const SMMUv3AccelBatch *batch,
                                 const SMMUv3AccelSubmitResult *res)
{
    for (unsigned i = 0; i < batch->n; i++) {
        SMMUv3AccelHostDevice *dev;

        if (smmuv3_accel_host_cmd_is_tlbi(&batch->cmd[i])) {
            host->tlb_lost = false;
            continue;
        }
        if (host->sids_changed) {
            continue;           /* nobody knows whose StreamID it is now */
        }
        dev = smmuv3_accel_host_find(host,
                                     smmuv3_accel_host_cmd_sid(&batch->cmd[i]));
        if (dev) {
            dev->group->lost = false;
        }
    }
    /* Note those that were lost again */
    smmuv3_accel_host_invalidated(host, batch, res);
}
