/*
 * Accelerated SMMUv3: attach host devices as the guest wants
 *
 * The attachment is a pure function of CR0.SMMUEN, GBPA, the STE of each
 * StreamID of an IOMMU group (smmuv3-accel-target.c), and of invalidations that
 * the host has lost. Nothing here keeps a history: smmuv3_accel_evaluate()
 * computes the target and attaches it, whatever the trigger was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci_bus.h"
#include "qemu/timer.h"
#include "trace.h"

#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-state.h"

/* How often to report an exposed device again */
#define EXPOSED_RETRY_MS 5000

/* Reports to send after a walk over devices, because they could change these */
typedef struct Outcome {
    GArray *events;             /* SMMUEventInfo, for the guest */
    GPtrArray *complaints;      /* Error */
    GPtrArray *exposures;       /* Error */
} Outcome;

static void outcome_begin(Outcome *out)
{
    out->events = g_array_new(false, false, sizeof(SMMUEventInfo));
    out->complaints = g_ptr_array_new();
    out->exposures = g_ptr_array_new();
}

/* An event may send an MSI, which may cause an unplug */
static void outcome_end(Outcome *out, SMMUv3AccelState *s)
{
    for (guint i = 0; i < out->exposures->len; i++) {
        smmuv3_accel_report_exposed(s, g_ptr_array_index(out->exposures, i));
    }
    for (guint i = 0; i < out->complaints->len; i++) {
        smmuv3_accel_complain(s, g_ptr_array_index(out->complaints, i));
    }
    for (guint i = 0; i < out->events->len; i++) {
        smmuv3_record_event(ARM_SMMUV3(s),
                            &g_array_index(out->events, SMMUEventInfo, i));
    }
    g_array_unref(out->events);
    g_ptr_array_unref(out->complaints);
    g_ptr_array_unref(out->exposures);
}

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
 * While a guest renumbers its buses, two devices may have the same StreamID.
 * Only the first one uses it; the other has none until the guest is done.
 */
static bool device_own_sid(SMMUv3AccelState *s, const SMMUv3AccelDevice *dev,
                           uint32_t *sid)
{
    const SMMUv3AccelHostDevice *owner;

    if (!smmuv3_accel_device_sid(dev, sid)) {
        return false;
    }
    owner = smmuv3_accel_host_find(s->host, *sid);
    return !owner || owner == dev->hdev;
}

static bool beyond_stream_table(const SMMUv3State *s3, uint32_t sid)
{
    return sid >= BIT_ULL(smmuv3_strtab_log2size(s3->strtab_base_cfg,
                                                 s3->idr));
}

/* Fills in @event, except for the type, which is in the target */
static SMMUv3AccelTarget device_target(SMMUv3AccelState *s,
                                       SMMUv3AccelDevice *dev,
                                       SMMUEventInfo *event)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);
    bool fetched = false;
    STE ste;

    *event = (SMMUEventInfo) { .inval_ste_allowed = true };
    if (smmu_enabled(s3) && device_own_sid(s, dev, &event->sid)) {
        fetched = !smmu_find_ste(s3, event->sid, &ste, event);
        /* A level 1 descriptor without STEs: the stream is not in use */
        if (event->type == SMMU_EVT_C_BAD_STREAMID &&
            !beyond_stream_table(s3, event->sid)) {
            event->type = SMMU_EVT_NONE;
        }
    }
    return smmuv3_accel_target(smmu_enabled(s3), s3->gbpa,
                               fetched ? &ste : NULL, event->type, s3->idr);
}

/*
 * In the architecture a transaction reports a wrong configuration (IHI 0070,
 * 7.3). QEMU sees no transactions, so report it once, when it becomes wrong and
 * the guest's queue is enabled.
 */
static void report(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                   SMMUEventType type, SMMUEventInfo *event, Outcome *out)
{
    if (type == dev->reported ||
        (type != SMMU_EVT_NONE && !smmuv3_eventq_enabled(ARM_SMMUV3(s)))) {
        return;
    }
    dev->reported = type;
    if (type != SMMU_EVT_NONE) {
        event->type = type;
        g_array_append_val(out->events, *event);
    }
}

/*
 * The common target of the members of a group, which are attached together. If
 * only S1ContextPtr differs, the lowest function determines it.
 */
static SMMUv3AccelTarget group_target(SMMUv3AccelState *s,
                                      SMMUv3AccelGroup *group, Outcome *out)
{
    bool ats = smmuv3_accel_host_has_ats(group);
    bool stalls = smmuv3_accel_host_can_stall(s->host, group);
    SMMUv3AccelDevice *dev, *lowest = NULL;
    SMMUv3AccelTarget target = { 0 };

    QLIST_FOREACH(dev, &s->devices, next) {
        SMMUv3AccelTarget wanted;
        SMMUEventInfo event;

        if (dev->hdev->group != group) {
            continue;
        }
        wanted = device_target(s, dev, &event);
        if (!stalls) {
            smmuv3_accel_target_no_stall(&wanted, dev->hdev->smmu.idr[0]);
        }
        if (!ats) {
            smmuv3_accel_target_no_ats(&wanted);
        }
        report(s, dev, wanted.event, &event, out);
        if (!lowest || dev->devfn < lowest->devfn) {
            target = lowest ? smmuv3_accel_target_join(&wanted, &target) : wanted;
            lowest = dev;
        } else {
            target = smmuv3_accel_target_join(&target, &wanted);
        }
    }
    if (target.kind == SMMU_ACCEL_NESTED && (s->host->tlb_lost || group->lost)) {
        return smmuv3_accel_target_abort("the host has lost invalidations");
    }
    return target;
}

static bool ensure_vdevices(SMMUv3AccelState *s, SMMUv3AccelGroup *group,
                            Error **errp)
{
    SMMUv3AccelDevice *dev;
    uint32_t sid;

    QLIST_FOREACH(dev, &s->devices, next) {
        if (dev->hdev->group == group && !dev->hdev->vdevice_id &&
            device_own_sid(s, dev, &sid) &&
            !smmuv3_accel_host_set_sid(s->host, dev->hdev, sid, errp)) {
            return false;
        }
    }
    return true;
}

static bool follow_guest(SMMUv3AccelState *s, SMMUv3AccelGroup *group,
                         Outcome *out, Error **errp)
{
    SMMUv3AccelTarget target = group_target(s, group, out);

    if (!ensure_vdevices(s, group, errp)) {
        return false;
    }
    if (smmuv3_accel_host_is_attached(group, &target)) {
        group->target = target;         /* why and event may differ */
        return true;
    }
    if (trace_event_get_state_backends(TRACE_SMMUV3_ACCEL_EVALUATE)) {
        SMMUv3AccelHostDevice *hdev = QTAILQ_FIRST(&group->members);
        g_autofree char *from = smmuv3_accel_target_str(&group->target);
        g_autofree char *to = smmuv3_accel_target_str(&target);

        trace_smmuv3_accel_evaluate(hdev->name, hdev->vsid, from, to);
    }
    return smmuv3_accel_host_attach(s->host, group, &target, errp);
}

/* "host device 0000:03:00.0, StreamID 0x900"; g_free() */
static char *describe(const SMMUv3AccelGroup *group)
{
    const SMMUv3AccelHostDevice *hdev = QTAILQ_FIRST(&group->members);

    return hdev->vdevice_id ?
           g_strdup_printf("host device %s, StreamID 0x%x", hdev->name,
                           hdev->vsid) :
           g_strdup_printf("host device %s, without a StreamID", hdev->name);
}

/* Block the DMA after the host refused; if that fails, the group is exposed */
static void block(SMMUv3AccelState *s, SMMUv3AccelGroup *group, Outcome *out,
                  Error *err)
{
    SMMUv3AccelTarget abort =
        smmuv3_accel_target_abort("the host refused what the guest configured");
    g_autofree char *who = describe(group);
    Error *worse = NULL;

    if (smmuv3_accel_host_attach(s->host, group, &abort, &worse)) {
        error_prepend(&err, "arm-smmuv3-accel: %s, cannot follow the guest's "
                      "configuration, its DMA is blocked: ", who);
        g_ptr_array_add(out->complaints, err);
        return;
    }
    group->exposed = true;
    error_prepend(&err, "arm-smmuv3-accel: %s, cannot follow the guest's "
                  "configuration, and its DMA goes on as before (%s): ", who,
                  error_get_pretty(worse));
    error_free(worse);
    g_ptr_array_add(out->exposures, err);
}

static void follow_or_block(SMMUv3AccelState *s, SMMUv3AccelGroup *group,
                            Outcome *out)
{
    Error *err = NULL;

    group->exposed = false;
    if (!follow_guest(s, group, out, &err)) {
        block(s, group, out, err);
    }
}

/* A vDEVICE has the StreamID of its device: free those that are outdated */
static void drop_stale_sid(SMMUv3AccelState *s, SMMUv3AccelDevice *dev)
{
    uint32_t sid;

    if (!smmuv3_accel_device_sid(dev, &sid) || sid != dev->hdev->vsid) {
        smmuv3_accel_host_drop_sid(s->host, dev->hdev);
    }
}

static bool is_due(const SMMUv3AccelGroup *group, uint32_t first, uint32_t last)
{
    const SMMUv3AccelHostDevice *hdev;

    QTAILQ_FOREACH(hdev, &group->members, next) {
        if (!hdev->vdevice_id || (hdev->vsid >= first && hdev->vsid <= last)) {
            return true;
        }
    }
    return group->exposed;
}

static void walk(SMMUv3AccelState *s, uint32_t first, uint32_t last,
                 Outcome *out)
{
    SMMUv3AccelDevice *dev;
    SMMUv3AccelGroup *group;

    smmuv3_accel_host_reap(s->host);
    /* Devices may have swapped StreamIDs: free all before allocating any */
    QLIST_FOREACH(dev, &s->devices, next) {
        drop_stale_sid(s, dev);
    }
    QTAILQ_FOREACH(group, &s->host->groups, next) {
        if (is_due(group, first, last)) {
            follow_or_block(s, group, out);
        }
    }
}

static void watch_exposed(SMMUv3AccelState *s)
{
    if (smmuv3_accel_is_exposed(s)) {
        timer_mod(s->exposed_timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                                    EXPOSED_RETRY_MS);
    }
}

void smmuv3_accel_evaluate(SMMUv3AccelState *s, uint32_t first, uint32_t last)
{
    Outcome out;

    if (!s->host) {
        return;
    }
    outcome_begin(&out);
    walk(s, first, last, &out);
    watch_exposed(s);
    outcome_end(&out, s);
}

void smmuv3_accel_evaluate_moved(SMMUv3AccelState *s)
{
    /* The range is empty */
    smmuv3_accel_evaluate(s, 1, 0);
}

bool smmuv3_accel_evaluate_plug(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                                Error **errp)
{
    SMMUv3AccelGroup *group = dev->hdev->group;
    Error *err = NULL;
    Outcome out;
    bool ok;

    outcome_begin(&out);
    group->exposed = false;
    ok = follow_guest(s, group, &out, &err);
    if (!ok && group->incomplete) {
        /* The other functions of the slot may be plugged next */
        block(s, group, &out, err);
        ok = true;
    } else {
        error_propagate(errp, err);
    }
    watch_exposed(s);
    outcome_end(&out, s);
    return ok;
}

bool smmuv3_accel_is_exposed(SMMUv3AccelState *s)
{
    SMMUv3AccelGroup *group;

    if (!s->host) {
        return false;
    }
    QTAILQ_FOREACH(group, &s->host->groups, next) {
        if (group->exposed) {
            return true;
        }
    }
    return false;
}

void smmuv3_accel_exposed_timer(void *opaque)
{
    /* This always includes the groups that are exposed */
    smmuv3_accel_evaluate_moved(opaque);
}
