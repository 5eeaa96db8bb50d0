/*
 * Accelerated SMMUv3: devices of the host, their groups and attachments
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-host.h"
#include "smmuv3-accel-host-cmdqv.h"

static HostIOMMUDeviceIOMMUFDClass *hiodc(const SMMUv3AccelHostDevice *dev)
{
    return HOST_IOMMU_DEVICE_IOMMUFD_GET_CLASS(dev->hiodi);
}

SMMUv3AccelHostDevice *smmuv3_accel_host_device_new(HostIOMMUDevice *hiod)
{
    SMMUv3AccelHostDevice *dev = g_new0(SMMUv3AccelHostDevice, 1);

    dev->hiodi = HOST_IOMMU_DEVICE_IOMMUFD(object_ref(OBJECT(hiod)));
    dev->name = hiodc(dev)->host_name(dev->hiodi) ?: g_strdup(hiod->name);
    return dev;
}

void smmuv3_accel_host_device_free(SMMUv3AccelHostDevice *dev)
{
    assert(!dev->group);
    object_unref(OBJECT(dev->hiodi));
    error_free(dev->cmdqv.error);
    g_free(dev->name);
    g_free(dev);
}

char *smmuv3_accel_host_smmu_name(const SMMUv3AccelHostDevice *dev)
{
    return hiodc(dev)->iommu_name(dev->hiodi);
}

int smmuv3_accel_host_group_id(const SMMUv3AccelHostDevice *dev)
{
    return hiodc(dev)->iommu_group(dev->hiodi);
}

/* Properties of the physical SMMU */

static bool last_iova(IOMMUFDBackend *be, uint32_t devid, uint32_t ioas_id,
                      SMMUv3AccelCounters *counters, uint64_t *last,
                      Error **errp)
{
    uint32_t hwpt_id;
    bool ok = iommufd_backend_alloc_hwpt(be, devid, ioas_id,
                                         IOMMU_HWPT_ALLOC_NEST_PARENT,
                                         IOMMU_HWPT_DATA_NONE, 0, NULL,
                                         &hwpt_id, errp);

    if (!smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_HWPT_ALLOC, ok)) {
        return false;
    }
    ok = iommufd_backend_last_iova(be, ioas_id, last, errp);
    smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_IOVA_RANGES, ok);
    smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_DESTROY,
                       iommufd_backend_free_id(be, hwpt_id));
    return ok;
}

/*
 * The uAPI does not allow programs to read IDR5.OAS of the host. The range of
 * stage 2 gives the same information. All SMMUs that use the IOAS with guest
 * memory limit its range, so use a separate IOAS for this SMMU.
 */
static bool ask_stage2_bits(SMMUv3AccelHostDevice *dev,
                            SMMUv3AccelCounters *counters, Error **errp)
{
    IOMMUFDBackend *be = dev->hiodi->iommufd;
    uint64_t last = 0;
    uint32_t ioas_id;
    bool ok = iommufd_backend_alloc_ioas(be, &ioas_id, errp);

    if (!smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_IOAS_ALLOC, ok)) {
        return false;
    }
    ok = last_iova(be, dev->hiodi->devid, ioas_id, counters, &last, errp);
    smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_DESTROY,
                       iommufd_backend_free_id(be, ioas_id));
    dev->smmu.oas_bits = last ? 64 - clz64(last) : 0;
    return ok;
}

bool smmuv3_accel_host_ask(SMMUv3AccelHostDevice *dev, bool queues,
                           SMMUv3AccelCounters *counters, Error **errp)
{
    struct iommu_hw_info_arm_smmuv3 info = { 0 };
    uint32_t type;
    bool ok = iommufd_backend_get_device_info(dev->hiodi->iommufd,
                                              dev->hiodi->devid, &type, &info,
                                              sizeof(info), &dev->caps,
                                              &dev->max_pasid_log2, errp);

    if (!smmuv3_accel_count(counters, SMMU_ACCEL_IOCTL_HW_INFO, ok)) {
        return false;
    }
    if (type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
        error_setg(errp, "the IOMMU of host device %s is not an SMMUv3, or the "
                   "host's kernel is older than 6.13 (type %u instead of %u)",
                   dev->name, type, IOMMU_HW_INFO_TYPE_ARM_SMMUV3);
        return false;
    }
    memcpy(dev->smmu.idr, info.idr, sizeof(dev->smmu.idr));
    dev->smmu.iidr = info.iidr;
    dev->smmu.aidr = info.aidr;
    dev->smmu.invalidates_twice =
        info.flags & IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI;
    if (!ask_stage2_bits(dev, counters, errp)) {
        return false;
    }
    if (queues) {
        smmuv3_accel_host_ask_cmdqv(dev, counters);
    }
    return true;
}

/* Groups */

SMMUv3AccelGroup *smmuv3_accel_host_group_of(SMMUv3AccelHost *host,
                                             const SMMUv3AccelHostDevice *dev)
{
    int id = smmuv3_accel_host_group_id(dev);
    SMMUv3AccelGroup *group;

    QTAILQ_FOREACH(group, &host->groups, next) {
        if (id >= 0 && group->id == id) {
            return group;
        }
    }
    return NULL;
}

static SMMUv3AccelGroup *group_new(SMMUv3AccelHost *host,
                                   const SMMUv3AccelHostDevice *dev)
{
    SMMUv3AccelGroup *group = g_new0(SMMUv3AccelGroup, 1);

    group->id = smmuv3_accel_host_group_id(dev);
    /* VFIO has just attached the device to it */
    group->hwpt_id = host->stage2_hwpt_id;
    group->target = smmuv3_accel_target_bypass("as VFIO has left it");
    QTAILQ_INIT(&group->members);
    QTAILQ_INSERT_TAIL(&host->groups, group, next);
    return group;
}

void smmuv3_accel_host_join(SMMUv3AccelHost *host, SMMUv3AccelHostDevice *dev)
{
    SMMUv3AccelGroup *group = smmuv3_accel_host_group_of(host, dev);

    if (group) {
        /* Not attached yet, and the SMMU driver has not seen its StreamID */
        group->outdated = true;
    } else {
        group = group_new(host, dev);
    }
    dev->group = group;
    QTAILQ_INSERT_TAIL(&group->members, dev, next);
}

/* Attachment */

static uint32_t nested_hwpt(const SMMUv3AccelGroup *group)
{
    return group->target.kind == SMMU_ACCEL_NESTED ? group->hwpt_id : 0;
}

/* Record that the kernel has attached @group to @target, that is @hwpt_id */
static void set_target(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                       const SMMUv3AccelTarget *target, uint32_t hwpt_id)
{
    uint32_t old = nested_hwpt(group);

    group->target = *target;
    group->hwpt_id = hwpt_id;
    group->outdated = group->incomplete = false;
    smmuv3_accel_host_forget_stalls(host, group);
    if (target->kind != SMMU_ACCEL_ABORT) {
        /* While it is on abort, a device keeps its ATC entries unused */
        group->has_ats = smmuv3_accel_target_has_ats(target);
    }
    host->counters->attached[target->kind]++;
    smmuv3_accel_host_put_id(host, old);
}

/*
 * The first call moves the group with all members that are attached; further
 * calls change nothing for them. New members are attached last. Returns: 0, or
 * -errno with @errp set.
 */
static int attach_members(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                          uint32_t hwpt_id, Error **errp)
{
    SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        int ret = hiodc(dev)->attach_hwpt(dev->hiodi, hwpt_id, errp);

        if (!smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_ATTACH,
                                !ret)) {
            group->outdated |= dev != QTAILQ_FIRST(&group->members);
            group->incomplete = ret == -ENOENT;
            return ret;
        }
    }
    return 0;
}

static bool detach_members(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                           Error **errp)
{
    SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        int ret = hiodc(dev)->detach_hwpt(dev->hiodi, errp);

        if (!smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_DETACH,
                                !ret)) {
            group->outdated |= dev != QTAILQ_FIRST(&group->members);
            return false;
        }
    }
    return true;
}

/* A stall that nobody is told of would last for ever, so it needs the queue */
static int alloc_nested(SMMUv3AccelHost *host,
                        const SMMUv3AccelHostDevice *dev,
                        const SMMUv3AccelTarget *target, uint32_t *hwpt_id,
                        Error **errp)
{
    bool stalls = smmuv3_accel_target_may_stall(target, dev->smmu.idr[0]);
    struct iommu_hwpt_arm_smmuv3 ste = {
        .ste = { cpu_to_le64(target->ste[0]), cpu_to_le64(target->ste[1]) },
    };
    int ret = iommufd_backend_alloc_nested(host->iommufd, dev->hiodi->devid,
                                           host->viommu_id,
                                           stalls ? host->fault_queue_id : 0,
                                           IOMMU_HWPT_DATA_ARM_SMMUV3,
                                           sizeof(ste), &ste, hwpt_id, errp);

    smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_HWPT_ALLOC, !ret);
    return ret;
}

static int try_nested(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                      const SMMUv3AccelTarget *target, Error **errp)
{
    SMMUv3AccelHostDevice *dev = QTAILQ_FIRST(&group->members);
    uint32_t hwpt_id;
    int ret = alloc_nested(host, dev, target, &hwpt_id, errp);

    if (ret) {
        return ret;
    }
    trace_smmuv3_accel_nested_hwpt(dev->name, hwpt_id, target->ste[0],
                                   target->ste[1]);
    ret = attach_members(host, group, hwpt_id, errp);
    if (ret) {
        smmuv3_accel_host_put_id(host, hwpt_id);
        return ret;
    }
    set_target(host, group, target, hwpt_id);
    return 0;
}

/* A kernel without CONFIG_ARM_SMMU_V3_SVA reports no stalls */
static bool attach_nested(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                          const SMMUv3AccelTarget *target, Error **errp)
{
    SMMUv3AccelHostDevice *dev = QTAILQ_FIRST(&group->members);
    bool stalls = smmuv3_accel_target_may_stall(target, dev->smmu.idr[0]);
    SMMUv3AccelTarget plain = *target;
    Error *err = NULL;
    int ret = try_nested(host, group, target, &err);

    if (ret != -EOPNOTSUPP || !stalls) {
        error_propagate(errp, err);
        return !ret;
    }
    trace_smmuv3_accel_cannot_stall(dev->name, error_get_pretty(err));
    error_free(err);
    dev->can_stall = false;
    smmuv3_accel_target_no_stall(&plain, dev->smmu.idr[0]);
    return !try_nested(host, group, &plain, errp);
}

static bool attach_abort(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                         const SMMUv3AccelTarget *target, Error **errp)
{
    Error *err = NULL;

    if (!attach_members(host, group, host->abort_hwpt_id, &err)) {
        set_target(host, group, target, host->abort_hwpt_id);
        return true;
    }
    /* Linux 6.15 to 6.18 need a vDEVICE, thus a StreamID (ENOENT) */
    trace_smmuv3_accel_abort_by_detach(QTAILQ_FIRST(&group->members)->name,
                                       error_get_pretty(err));
    error_free(err);
    if (!detach_members(host, group, errp)) {
        return false;
    }
    set_target(host, group, target, 0);
    return true;
}

bool smmuv3_accel_host_has_ats(const SMMUv3AccelGroup *group)
{
    const SMMUv3AccelHostDevice *dev;

    QTAILQ_FOREACH(dev, &group->members, next) {
        if (dev->caps & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED) {
            return false;
        }
    }
    return true;
}

bool smmuv3_accel_host_is_attached(const SMMUv3AccelGroup *group,
                                   const SMMUv3AccelTarget *target)
{
    return !group->outdated &&
           smmuv3_accel_target_equal(&group->target, target);
}

bool smmuv3_accel_host_attach(SMMUv3AccelHost *host, SMMUv3AccelGroup *group,
                              const SMMUv3AccelTarget *target, Error **errp)
{
    switch (target->kind) {
    case SMMU_ACCEL_NESTED:
        return attach_nested(host, group, target, errp);
    case SMMU_ACCEL_BYPASS:
        /* Stage 2 alone needs no nested HWPT, and no vDEVICE on any kernel */
        if (attach_members(host, group, host->stage2_hwpt_id, errp)) {
            return false;
        }
        set_target(host, group, target, host->stage2_hwpt_id);
        return true;
    case SMMU_ACCEL_ABORT:
    default:
        return attach_abort(host, group, target, errp);
    }
}

bool smmuv3_accel_host_leave(SMMUv3AccelHost *host, SMMUv3AccelHostDevice *dev,
                             Error **errp)
{
    SMMUv3AccelGroup *group = dev->group;
    Error *err = NULL;
    int ret = hiodc(dev)->detach_hwpt(dev->hiodi, &err);
    bool ok = smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_DETACH, !ret);

    if (!ok && QTAILQ_NEXT(QTAILQ_FIRST(&group->members), next)) {
        /* The remaining members determine the attachment */
        group->outdated = true;
    } else if (!ok) {
        /* The HWPT stays in use until VFIO closes the device */
        ret = hiodc(dev)->attach_hwpt(dev->hiodi, host->abort_hwpt_id, NULL);
        ok = smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_ATTACH, !ret);
    }
    if (ok) {
        error_free(err);
    } else {
        error_propagate(errp, err);
    }
    smmuv3_accel_host_forget_stalls(host, group);
    /* The other members do not have to be attached again for this */
    smmuv3_accel_host_put_id(host, dev->vdevice_id);
    dev->vdevice_id = 0;
    QTAILQ_REMOVE(&group->members, dev, next);
    dev->group = NULL;
    if (QTAILQ_EMPTY(&group->members)) {
        smmuv3_accel_host_put_id(host, nested_hwpt(group));
        QTAILQ_REMOVE(&host->groups, group, next);
        g_free(group);
    }
    return ok;
}

/* StreamIDs */

bool smmuv3_accel_host_set_sid(SMMUv3AccelHost *host,
                               SMMUv3AccelHostDevice *dev, uint32_t sid,
                               Error **errp)
{
    bool ok = iommufd_backend_alloc_vdevice(host->iommufd, host->viommu_id,
                                            dev->hiodi->devid, sid,
                                            &dev->vdevice_id, errp);

    dev->vsid = sid;
    host->sids_changed = true;
    return smmuv3_accel_count(host->counters, SMMU_ACCEL_IOCTL_VDEVICE_ALLOC,
                              ok);
}

void smmuv3_accel_host_drop_sid(SMMUv3AccelHost *host,
                                SMMUv3AccelHostDevice *dev)
{
    if (!dev->vdevice_id) {
        return;
    }
    trace_smmuv3_accel_drop_sid(dev->name, dev->vsid);
    smmuv3_accel_host_put_id(host, dev->vdevice_id);
    dev->vdevice_id = 0;
    if (dev->group->target.kind == SMMU_ACCEL_NESTED) {
        dev->group->outdated = true;
    }
}
