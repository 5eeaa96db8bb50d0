/*
 * Accelerated SMMUv3: what a host device is attached to
 *
 * A pure function of CR0.SMMUEN, GBPA and the STE of the device's StreamID
 * (smmuv3-accel-ste.c). Nothing here keeps a history: evaluate computes the
 * target and makes it so, whatever the trigger was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci_bus.h"
#include "system/iommufd-viommu.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-internal.h"

/* Bus 0 is always a root bus */
bool smmuv3_accel_device_sid(const SMMUv3AccelDevice *dev, uint32_t *sid)
{
    int bus_num = pci_bus_num(dev->bus);

    if (!bus_num && !pci_bus_is_root(dev->bus)) {
        return false;
    }
    *sid = PCI_BUILD_BDF(bus_num, dev->devfn);
    return true;
}

/*
 * While a guest renumbers its buses, two devices may have one StreamID. It is
 * that of the first; the other has none until the guest is done.
 */
static bool device_own_sid(const SMMUv3AccelDevice *dev, uint32_t *sid)
{
    const SMMUv3AccelDevice *owner;

    if (!smmuv3_accel_device_sid(dev, sid)) {
        return false;
    }
    owner = smmuv3_accel_device_by_vsid(dev->smmu, *sid);
    return !owner || owner == dev;
}

static bool beyond_stream_table(const SMMUv3State *s3, uint32_t sid)
{
    return sid >> MIN(FIELD_EX32(s3->strtab_base_cfg, STRTAB_BASE_CFG,
                                 LOG2SIZE), 31);
}

/* @event: filled in, but for the type, which is that of the target */
static SMMUv3AccelTarget device_target(SMMUv3AccelDevice *dev,
                                       SMMUEventInfo *event)
{
    SMMUv3State *s3 = ARM_SMMUV3(dev->smmu);
    bool fetched = false;
    STE ste;

    *event = (SMMUEventInfo) { .inval_ste_allowed = true };
    if (smmu_enabled(s3) && device_own_sid(dev, &event->sid)) {
        fetched = !smmu_find_ste(s3, event->sid, &ste, event);
        /* A level 1 descriptor of no STEs: a stream that is not in use */
        if (event->type == SMMU_EVT_C_BAD_STREAMID &&
            !beyond_stream_table(s3, event->sid)) {
            event->type = SMMU_EVT_NONE;
        }
    }
    return smmuv3_accel_target(smmu_enabled(s3), s3->gbpa,
                               fetched ? &ste : NULL, event->type, s3->idr);
}

/*
 * QEMU sees no transaction that would report a configuration as wrong (IHI
 * 0070, 7.3): it is reported when it comes to be, once.
 */
static void report(SMMUv3AccelDevice *dev, SMMUEventType type,
                   SMMUEventInfo *event)
{
    if (type != dev->target.event) {
        event->type = type;
        smmuv3_record_event(ARM_SMMUV3(dev->smmu), event);
    }
}

/* What a device gets without any STE: abort or bypass, as @gbpa says */
static SMMUv3AccelTarget fixed_target(SMMUv3AccelDevice *dev, uint32_t gbpa)
{
    return smmuv3_accel_target(false, gbpa, NULL, SMMU_EVT_NONE,
                               ARM_SMMUV3(dev->smmu)->idr);
}

/* The host has made @target so */
static void set_target(SMMUv3AccelDevice *dev, const SMMUv3AccelTarget *target,
                       uint32_t nested_hwpt_id)
{
    uint32_t old_nested = dev->nested_hwpt_id;

    dev->target = *target;
    dev->nested_hwpt_id = nested_hwpt_id;
    dev->smmu->counters.attached[target->kind]++;
    smmuv3_accel_put_id(dev->smmu, old_nested);
}

/* @hwpt_id is what @target stands on, a HWPT of its own if it is NESTED */
static bool attach(SMMUv3AccelDevice *dev, const SMMUv3AccelTarget *target,
                   uint32_t hwpt_id, Error **errp)
{
    int ret = accel_hiodc(dev)->attach_hwpt(dev->hiodi, hwpt_id, errp);

    if (smmuv3_accel_count(&dev->smmu->counters, SMMU_ACCEL_IOCTL_ATTACH,
                           ret)) {
        return false;
    }
    set_target(dev, target, target->kind == SMMU_ACCEL_NESTED ? hwpt_id : 0);
    return true;
}

/* Abort, that is what @target says, by other means: nothing is attached */
static bool block(SMMUv3AccelDevice *dev, const SMMUv3AccelTarget *target,
                  Error **errp)
{
    int ret = accel_hiodc(dev)->detach_hwpt(dev->hiodi, errp);

    if (smmuv3_accel_count(&dev->smmu->counters, SMMU_ACCEL_IOCTL_DETACH,
                           ret)) {
        return false;
    }
    set_target(dev, target, 0);
    return true;
}

static bool attach_nested(SMMUv3AccelDevice *dev,
                          const SMMUv3AccelTarget *target, Error **errp)
{
    SMMUv3AccelViommu *viommu = dev->smmu->viommu;
    struct iommu_hwpt_arm_smmuv3 ste = {
        .ste = { cpu_to_le64(target->ste[0]), cpu_to_le64(target->ste[1]) },
    };
    uint32_t hwpt_id;
    int ret;

    ret = iommufd_nested_hwpt_alloc(viommu->iommufd, dev->hiodi->devid,
                                    viommu->id, IOMMU_HWPT_DATA_ARM_SMMUV3,
                                    &ste, sizeof(ste), &hwpt_id, errp);
    if (smmuv3_accel_count(viommu->counters, SMMU_ACCEL_IOCTL_HWPT_ALLOC,
                           ret)) {
        return false;
    }
    /* From one stage 1 to another this is a single replace: no abort between */
    if (!attach(dev, target, hwpt_id, errp)) {
        smmuv3_accel_put_id(dev->smmu, hwpt_id);
        return false;
    }
    return true;
}

static bool attach_bypass(SMMUv3AccelDevice *dev,
                          const SMMUv3AccelTarget *target, Error **errp)
{
    /* Stage 2 alone: needs no nested HWPT, and no vDEVICE on any kernel */
    return attach(dev, target, dev->smmu->viommu->stage2_hwpt_id, errp);
}

static bool attach_abort(SMMUv3AccelDevice *dev,
                         const SMMUv3AccelTarget *target, Error **errp)
{
    Error *err = NULL;

    if (attach(dev, target, dev->smmu->viommu->abort_hwpt_id, &err)) {
        return true;
    }
    /* Linux 6.15 to 6.18 want a vDEVICE for it, so a StreamID (ENOENT) */
    trace_smmuv3_accel_abort_by_detach(dev->name, error_get_pretty(err));
    error_free(err);
    return block(dev, target, errp);
}

static bool attach_target(SMMUv3AccelDevice *dev,
                          const SMMUv3AccelTarget *target, Error **errp)
{
    switch (target->kind) {
    case SMMU_ACCEL_NESTED:
        return attach_nested(dev, target, errp);
    case SMMU_ACCEL_BYPASS:
        return attach_bypass(dev, target, errp);
    case SMMU_ACCEL_ABORT:
    default:
        return attach_abort(dev, target, errp);
    }
}

/*
 * The kernel's id for the device follows the StreamID; stale ones go first. A
 * stage 1 that is attached stays, but reports events with the old StreamID
 * until it is attached anew.
 */
static void drop_stale_vdevice(SMMUv3AccelDevice *dev)
{
    uint32_t sid;

    if (!dev->vdevice_id ||
        (smmuv3_accel_device_sid(dev, &sid) && sid == dev->vsid)) {
        return;
    }

    trace_smmuv3_accel_vdevice_stale(dev->name, dev->vsid);
    smmuv3_accel_put_id(dev->smmu, dev->vdevice_id);
    dev->vdevice_id = 0;
    if (dev->target.kind == SMMU_ACCEL_NESTED) {
        dev->target.ste[0] = 0;     /* equal to no target: they have V=1 */
    }
}

static bool ensure_vdevice(SMMUv3AccelDevice *dev, Error **errp)
{
    uint32_t sid;
    int ret;

    if (dev->vdevice_id || !device_own_sid(dev, &sid)) {
        return true;
    }
    ret = iommufd_vdevice_alloc(dev->hiodi->iommufd, dev->smmu->viommu->id,
                                dev->hiodi->devid, sid, &dev->vdevice_id, errp);
    if (smmuv3_accel_count(&dev->smmu->counters,
                           SMMU_ACCEL_IOCTL_VDEVICE_ALLOC, ret)) {
        return false;
    }
    dev->vsid = sid;
    return true;
}

bool smmuv3_accel_attach(SMMUv3AccelDevice *dev, Error **errp)
{
    SMMUEventInfo event;
    SMMUv3AccelTarget target = device_target(dev, &event);

    smmuv3_accel_target_no_stall(&target, dev->host_idr0);
    report(dev, target.event, &event);
    if (!ensure_vdevice(dev, errp)) {
        return false;
    }
    if (smmuv3_accel_target_equal(&dev->target, &target)) {
        dev->target = target;
        return true;
    }
    if (trace_event_get_state_backends(TRACE_SMMUV3_ACCEL_EVALUATE)) {
        g_autofree char *from = smmuv3_accel_target_str(&dev->target);
        g_autofree char *to = smmuv3_accel_target_str(&target);

        trace_smmuv3_accel_evaluate(dev->name, dev->vsid, from, to);
    }
    return attach_target(dev, &target, errp);
}

static void follow_guest(SMMUv3AccelDevice *dev)
{
    SMMUv3AccelTarget abort = fixed_target(dev, R_GBPA_ABORT_MASK);
    Error *err = NULL, *worse = NULL;
    g_autofree char *stream = NULL;
    uint32_t sid;

    if (smmuv3_accel_attach(dev, &err)) {
        return;
    }
    abort.why = "the host refused what the guest configured";
    stream = smmuv3_accel_device_sid(dev, &sid) ?
             g_strdup_printf("StreamID 0x%x", sid) :
             g_strdup("without a StreamID");
    if (attach_abort(dev, &abort, &worse)) {
        error_prepend(&err, "its DMA is blocked: ");
    } else {
        error_prepend(&err, "and its DMA goes on as before (%s): ",
                      error_get_pretty(worse));
        error_free(worse);
    }
    error_prepend(&err, "arm-smmuv3-accel: host device %s, %s, cannot follow "
                  "the guest's configuration, ", dev->name, stream);
    smmuv3_accel_complain(dev->smmu, err);
}

void smmuv3_accel_evaluate(SMMUv3AccelState *s, uint32_t first, uint32_t last)
{
    SMMUv3AccelDevice *dev;

    if (!s->viommu) {
        return;
    }
    smmuv3_accel_viommu_reap(s->viommu);
    /* Ids may have been swapped between devices: free all before taking any */
    QLIST_FOREACH(dev, &s->devices, next) {
        drop_stale_vdevice(dev);
        dev->due = !dev->vdevice_id ||
                   (dev->vsid >= first && dev->vsid <= last);
    }
    QLIST_FOREACH(dev, &s->devices, next) {
        if (dev->due) {
            follow_guest(dev);
        }
    }
}

void smmuv3_accel_evaluate_moved(SMMUv3AccelState *s)
{
    /* No StreamID is in this range */
    smmuv3_accel_evaluate(s, 1, 0);
}

void smmuv3_accel_attach_begin(SMMUv3AccelDevice *dev)
{
    dev->target = fixed_target(dev, 0);
}

/* Back to where VFIO believes it is, or blocked; off our HWPTs at any rate */
static void leave_hwpts(SMMUv3AccelDevice *dev)
{
    SMMUv3AccelTarget abort = fixed_target(dev, R_GBPA_ABORT_MASK);
    SMMUv3AccelTarget bypass = fixed_target(dev, 0);
    Error *err = NULL;

    if (block(dev, &abort, &err)) {
        return;
    }
    error_prepend(&err, "arm-smmuv3-accel: host device %s, which is leaving: ",
                  dev->name);
    smmuv3_accel_complain(dev->smmu, err);
    err = NULL;
    if (!attach_bypass(dev, &bypass, &err)) {
        error_prepend(&err, "arm-smmuv3-accel: host device %s, which is "
                      "leaving: ", dev->name);
        smmuv3_accel_complain(dev->smmu, err);
    }
}

void smmuv3_accel_attach_end(SMMUv3AccelDevice *dev)
{
    leave_hwpts(dev);
    smmuv3_accel_put_id(dev->smmu, dev->nested_hwpt_id);    /* mostly 0 now */
    smmuv3_accel_put_id(dev->smmu, dev->vdevice_id);
}
