/*
 * Accelerated SMMUv3: a guest's command queues, executed by hardware
 *
 * The state of a queue is its memory and six registers, and a command may be
 * executed twice. So QEMU can give the queues to the host's CMDQV and take them
 * back between any two commands, if the guest cannot write to them meanwhile:
 * the guest either has the page with their registers, or traps to QEMU, which
 * holds the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "block/aio.h"
#include "hw/irq.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "trace.h"

#include "smmuv3-accel-cmdqv-refused.h"
#include "smmuv3-accel-cmdqv-slot.h"
#include "smmuv3-accel-queues.h"
#include "smmuv3-accel-state.h"

/* Giving and taking back each cost the host a CMD_SYNC */
#define GIVE_EVERY_MS 100

static const SMMUv3Cmdqv *regs(SMMUv3AccelState *s)
{
    return &s->cmdqv->dev.regs;
}

/* To hardware */

static bool alloc_queue(SMMUv3AccelState *s, unsigned l, Error **errp)
{
    unsigned q = smmuv3_cmdqv_find(regs(s), 0, l);
    uint64_t size = smmuv3_cmdqv_queue_size(regs(s), q);
    ERRP_GUARD();
    int ret = smmuv3_accel_host_queue_alloc(s->host, l,
                                            smmuv3_cmdqv_queue_addr(regs(s), q),
                                            size, errp);

    if (ret) {
        smmuv3_accel_cmdqv_explain(ret, size, errp);
    }
    return !ret;
}

static bool start_all(SMMUv3AccelState *s, unsigned nb, Error **errp)
{
    int64_t until_us;

    for (unsigned l = 0; l < nb; l++) {
        if (!alloc_queue(s, l, errp)) {
            return false;
        }
    }
    until_us = smmuv3_accel_cmdqv_patience_ends();
    for (unsigned l = 0; l < nb; l++) {
        if (!smmuv3_accel_cmdqv_slot_start(s, l, until_us, errp)) {
            return false;
        }
    }
    return true;
}

static void not_before_long(SMMUv3AccelState *s)
{
    s->cmdqv->next_give_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                             GIVE_EVERY_MS;
}

/*
 * In a stopped machine the doorbell is from a device, not from the guest, and
 * nobody takes the queues back before the state is saved. No guest has run in a
 * machine before its first start.
 */
static bool is_stopped(void)
{
    return !runstate_is_running() && !runstate_check(RUN_STATE_PRELAUNCH);
}

bool smmuv3_accel_cmdqv_give(SMMUv3AccelState *s)
{
    SMMUv3AccelCmdqv *c = s->cmdqv;
    Error *err = NULL;
    unsigned nb;

    if (is_stopped() ||
        qemu_clock_get_ms(QEMU_CLOCK_REALTIME) < c->next_give_ms ||
        smmuv3_accel_cmdqv_kept_by(s, &nb)) {
        return false;
    }
    /* Commands that wait for a flush precede those in the queues */
    ARM_SMMUV3_GET_CLASS(s)->cmdq_drained(ARM_SMMUV3(s));
    if (!s->host || smmuv3_accel_cmdqv_kept_by(s, &nb)) {
        return false;           /* the BQL was dropped */
    }
    if (!start_all(s, nb, &err)) {
        smmuv3_accel_cmdqv_refused(s, err);
        not_before_long(s);
        return false;
    }
    /* QEMU does not see invalidations from now on */
    smmuv3_set_unseen(ARM_SMMUV3(s), true);
    c->hardware = true;
    s->counters.cmdqv_given++;
    trace_smmuv3_accel_cmdqv_give(s->host->viommu_id, nb);
    memory_region_set_enabled(smmuv3_accel_host_queue_page(s->host), true);
    return true;
}

/* Back from hardware */

void smmuv3_accel_cmdqv_interrupt(SMMUv3AccelState *s)
{
    if (!(regs(s)->vintf_int_mask & 1)) {
        qemu_irq_pulse(s->cmdqv->dev.irq);
    }
}

/* Returns: true if a queue has an error to report to the guest */
static bool stop_all(SMMUv3AccelState *s, const char *why)
{
    SMMUv3AccelCmdqv *c = s->cmdqv;
    bool error = false;
    int64_t until_us;

    /* The guest's accesses trap when this returns */
    memory_region_set_enabled(smmuv3_accel_host_queue_page(s->host), false);
    until_us = smmuv3_accel_cmdqv_patience_ends();
    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        error |= smmuv3_accel_cmdqv_slot_stop(s, l, until_us);
    }
    smmuv3_accel_host_queues_free(s->host);
    trace_smmuv3_accel_cmdqv_take_back(s->host->viommu_id, why);
    smmuv3_set_unseen(ARM_SMMUV3(s), false);
    c->hardware = false;
    not_before_long(s);
    s->counters.cmdqv_taken_back++;
    return error;
}

void smmuv3_accel_cmdqv_take_back(SMMUv3AccelState *s, const char *why)
{
    if (!s->cmdqv || !s->cmdqv->hardware) {
        return;
    }
    if (stop_all(s, why)) {
        /* Its event may no longer arrive */
        smmuv3_accel_cmdqv_interrupt(s);
    }
    if (s->mmio.busy) {
        s->mmio.rung = true;    /* its owner checks all queues at the end */
    } else {
        smmuv3_accel_queues_resume(s);
    }
}

static void take_back_bh(void *opaque)
{
    smmuv3_accel_cmdqv_take_back(opaque, "an IOMMU notifier was added");
}

/*
 * The memory map is in the middle of a change, so the page cannot be disabled
 * yet, and the guest keeps it for a moment. When QEMU has taken the queues
 * back, the new notifier gets an invalidation of everything.
 */
void smmuv3_accel_cmdqv_notifiers_changed(SMMUv3AccelState *s)
{
    if (!s->cmdqv || !s->cmdqv->hardware ||
        QLIST_EMPTY(&ARM_SMMU(s)->devices_with_notifiers)) {
        return;
    }
    aio_bh_schedule_oneshot(qemu_get_aio_context(), take_back_bh, s);
}

void smmuv3_accel_cmdqv_reset(SMMUv3AccelState *s)
{
    if (!s->cmdqv) {
        return;
    }
    if (s->cmdqv->hardware) {
        /* A reset reports no errors, and drops the remaining commands */
        stop_all(s, "reset");
    }
    s->cmdqv->barred = false;
    g_clear_pointer(&s->cmdqv->failure, g_free);
}
