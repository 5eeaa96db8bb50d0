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
#include "qemu/units.h"
#include "system/runstate.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-state.h"

/*
 * An idle queue stops within microseconds. The guest waits for a second, and
 * all threads wait for the BQL, so this is for all queues together.
 */
#define PATIENCE_US 100000
#define POLL_US 10

/* Giving and taking back each cost the host a CMD_SYNC */
#define GIVE_EVERY_MS 100

/* The host's kernel logs each error */
#define ERRORS_MAX 16
#define ERRORS_WITHIN_MS 60000

static SMMUv3Cmdqv *regs(SMMUv3AccelState *s)
{
    return &s->cmdqv->dev.regs;
}

/* The VCMDQ that is LVCMDQ @l of the guest's only VINTF */
static SMMUv3Vcmdq *vcmdq(SMMUv3AccelState *s, unsigned l)
{
    return &regs(s)->vcmdq[smmuv3_cmdqv_find(regs(s), 0, l)];
}

/* Registers of a queue in hardware */

static uint32_t read_slot(SMMUv3AccelState *s, unsigned l, uint32_t reg)
{
    return smmuv3_accel_host_queue_read(s->host, l, reg);
}

static void write_slot(SMMUv3AccelState *s, unsigned l, uint32_t reg,
                       uint32_t value)
{
    smmuv3_accel_host_queue_write(s->host, l, reg, value);
}

static void adopt(SMMUv3AccelState *s, unsigned l)
{
    uint32_t slot[CMDQV_SLOT_REGS];

    for (int i = 0; i < ARRAY_SIZE(slot); i++) {
        slot[i] = read_slot(s, l, 4 * i);
    }
    smmuv3_vcmdq_adopt(vcmdq(s, l), slot);
}

void smmuv3_accel_cmdqv_sync(SMMUv3AccelState *s)
{
    if (!s->cmdqv->hardware) {
        return;
    }
    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        adopt(s, l);
    }
}

void smmuv3_accel_cmdqv_pass_on(SMMUv3AccelState *s, hwaddr offset,
                                uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size / 4; i++) {
        hwaddr at = offset - CMDQV_VINTF + 4 * i;

        write_slot(s, at / CMDQV_SLOT_SIZE, at % CMDQV_SLOT_SIZE,
                   value >> 32 * i);
    }
}

static int64_t patience_ends(void)
{
    return g_get_monotonic_time() + PATIENCE_US;
}

static bool is_enabled(SMMUv3AccelState *s, unsigned l)
{
    return read_slot(s, l, A_VCMDQ_STATUS) & R_VCMDQ_STATUS_EN_OK_MASK;
}

/* Returns: true if STATUS.EN_OK has become @on */
static bool enable_slot(SMMUv3AccelState *s, unsigned l, bool on,
                        int64_t until_us)
{
    write_slot(s, l, A_VCMDQ_CONFIG, on);
    while (is_enabled(s, l) != on) {
        if (g_get_monotonic_time() >= until_us) {
            return false;
        }
        g_usleep(POLL_US);
    }
    return true;
}

/* To hardware */

static bool start_queue(SMMUv3AccelState *s, unsigned l, int64_t until_us,
                        Error **errp)
{
    const SMMUv3Vcmdq *q = vcmdq(s, l);
    uint32_t cons = q->cons & R_VCMDQ_CONS_INDEX_MASK;

    write_slot(s, l, A_VCMDQ_CONS, cons);
    if ((read_slot(s, l, A_VCMDQ_CONS) & R_VCMDQ_CONS_INDEX_MASK) != cons) {
        error_setg(errp, "the host's CMDQV cannot start a queue at command %u",
                   cons);
        return false;
    }
    write_slot(s, l, A_VCMDQ_PROD, q->prod);
    write_slot(s, l, A_VCMDQ_GERRORN, read_slot(s, l, A_VCMDQ_GERROR));
    if (!enable_slot(s, l, true, until_us)) {
        error_setg(errp, "the host's CMDQV does not enable queue %u", l);
        return false;
    }
    return true;
}

static void explain(SMMUv3AccelState *s, unsigned q, Error **errp)
{
    uint64_t kib = smmuv3_cmdqv_queue_size(regs(s), q) / KiB;

    error_append_hint(errp, "QEMU executes the commands of the guest instead. "
                      "Hardware needs each queue, here of %" PRIu64 " KiB, in "
                      "one piece of host memory: use huge pages for the guest "
                      "(-object memory-backend-memfd,hugetlb=on,...), or an "
                      "idr1= with smaller CMDQS.\n", kib);
}

static bool alloc_queue(SMMUv3AccelState *s, unsigned l, Error **errp)
{
    unsigned q = smmuv3_cmdqv_find(regs(s), 0, l);
    ERRP_GUARD();

    if (!smmuv3_accel_host_queue_alloc(s->host, l,
                                       smmuv3_cmdqv_queue_addr(regs(s), q),
                                       smmuv3_cmdqv_queue_size(regs(s), q),
                                       errp)) {
        explain(s, q, errp);
        return false;
    }
    return true;
}

static bool start_all(SMMUv3AccelState *s, unsigned nb, Error **errp)
{
    int64_t until_us;

    for (unsigned l = 0; l < nb; l++) {
        if (!alloc_queue(s, l, errp)) {
            return false;
        }
    }
    until_us = patience_ends();
    for (unsigned l = 0; l < nb; l++) {
        if (!start_queue(s, l, until_us, errp)) {
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

static void refused(SMMUv3AccelState *s, Error *err)
{
    int64_t until_us = patience_ends();

    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        enable_slot(s, l, false, until_us);
    }
    smmuv3_accel_host_queues_free(s->host);
    not_before_long(s);
    s->cmdqv->failure = g_strdup(error_get_pretty(err));
    error_prepend(&err, "arm-smmuv3-accel: the host refuses the guest's "
                  "command queues: ");
    smmuv3_accel_complain(s, err);
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
        refused(s, err);
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

/* Let the hardware finish the commands, so they are not executed twice */
static void wait_empty(SMMUv3AccelState *s, unsigned l, int64_t until_us)
{
    unsigned q = smmuv3_cmdqv_find(regs(s), 0, l);

    adopt(s, l);
    while (smmuv3_cmdqv_pending(regs(s), q) &&
           g_get_monotonic_time() < until_us) {
        g_usleep(POLL_US);
        adopt(s, l);
    }
}

/* Report an error to the guest, unless the guest has masked the interrupt */
static void interrupt(SMMUv3AccelState *s)
{
    if (!(regs(s)->vintf_int_mask & 1)) {
        qemu_irq_pulse(s->cmdqv->dev.irq);
    }
}

/* Returns: true if the queue has an error to report to the guest */
static bool stop_queue(SMMUv3AccelState *s, unsigned l, int64_t until_us)
{
    SMMUv3Vcmdq *q = vcmdq(s, l);
    uint32_t config, status;

    wait_empty(s, l, until_us);
    config = q->config;
    status = q->status;
    enable_slot(s, l, false, until_us);
    adopt(s, l);
    q->config = config;
    q->status = status;
    return smmuv3_vcmdq_errors(q);
}

/* Returns: true if a queue has an error to report to the guest */
static bool stop_all(SMMUv3AccelState *s, const char *why)
{
    SMMUv3AccelCmdqv *c = s->cmdqv;
    bool error = false;
    int64_t until_us;

    /* The guest's accesses trap when this returns */
    memory_region_set_enabled(smmuv3_accel_host_queue_page(s->host), false);
    until_us = patience_ends();
    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        error |= stop_queue(s, l, until_us);
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
        interrupt(s);
    }
    if (s->mmio.busy) {
        s->mmio.rung = true;    /* its owner checks all queues at the end */
    } else {
        smmuv3_accel_mmio_resume(s);
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

/* Errors of queues in hardware */

typedef struct QueueError {
    struct iommufd_vevent_header header;
    struct iommu_vevent_tegra241_cmdqv map;
} QueueError;

static void count_errors(SMMUv3AccelState *s, unsigned n)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    SMMUv3AccelCmdqv *c = s->cmdqv;

    c->dev.errors += n;
    s->counters.cmdqv_errors = c->dev.errors;
    if (now - c->errors_since_ms > ERRORS_WITHIN_MS) {
        c->errors_since_ms = now;
        c->recent_errors = 0;
    }
    c->recent_errors += n;
    if (c->recent_errors >= ERRORS_MAX) {
        c->barred = true;
        smmuv3_accel_cmdqv_take_back(s, "too many errors");
    }
}

static void close_errors(SMMUv3AccelState *s)
{
    if (s->host->queue_errors_id) {
        qemu_set_fd_handler(s->host->queue_errors_fd, NULL, NULL, NULL);
        smmuv3_accel_host_close_queue_errors(s->host);
    }
}

/* The registers tell the guest which queue it is; the records say no more */
static void read_errors(void *opaque)
{
    SMMUv3AccelState *s = opaque;
    const char *why;
    uint8_t buf[512];
    ssize_t len = RETRY_ON_EINTR(read(s->host->queue_errors_fd, buf,
                                      sizeof(buf)));

    trace_smmuv3_accel_cmdqv_errors(s->host->viommu_id, len);
    if (len < 0) {
        /* It would be the same the next time, and the main loop would spin */
        close_errors(s);
        smmuv3_accel_cmdqv_take_back(s, "the host cannot report errors");
        return;
    }
    if (!len) {
        return;
    }
    interrupt(s);
    why = smmuv3_accel_cmdqv_kept_by_device(s);
    if (why) {
        /* The guest did nothing wrong */
        smmuv3_accel_cmdqv_take_back(s, why);
    } else {
        count_errors(s, MAX(len / sizeof(QueueError), 1));
    }
}

/* A host without a CMDQV is not an error, and not reported */
static void tell_of_no_queues(SMMUv3AccelState *s)
{
    Error *err;

    if (s->host->cmdqv_error) {
        err = error_copy(s->host->cmdqv_error);
        error_prepend(&err, "arm-smmuv3-accel: QEMU executes the commands of "
                      "the guest's queues, because the host provides none: ");
        smmuv3_accel_complain(s, err);
    }
}

void smmuv3_accel_cmdqv_host_new(SMMUv3AccelState *s)
{
    MemoryRegion *page;
    Error *err = NULL;

    if (!smmuv3_accel_cmdqv_is_wanted(s)) {
        return;
    }
    if (!s->host->cmdqv) {
        tell_of_no_queues(s);
        return;
    }
    page = smmuv3_accel_host_queue_page(s->host);
    memory_region_set_enabled(page, false);
    memory_region_add_subregion_overlap(&s->cmdqv->dev.iomem, CMDQV_VINTF,
                                        page, 1);
    g_clear_pointer(&s->cmdqv->failure, g_free);
    if (smmuv3_accel_host_open_queue_errors(s->host, &err)) {
        error_prepend(&err, "arm-smmuv3-accel: QEMU executes the commands of "
                      "the guest's queues, because the host cannot report "
                      "their errors: ");
        smmuv3_accel_complain(s, err);
        return;
    }
    qemu_set_fd_handler(s->host->queue_errors_fd, read_errors, NULL, s);
}

void smmuv3_accel_cmdqv_host_gone(SMMUv3AccelState *s)
{
    if (!s->cmdqv || !s->host->cmdqv) {
        return;
    }
    smmuv3_accel_cmdqv_take_back(s, "the last host device is unplugged");
    memory_region_del_subregion(&s->cmdqv->dev.iomem,
                                smmuv3_accel_host_queue_page(s->host));
    close_errors(s);
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
    s->cmdqv->recent_errors = 0;
    g_clear_pointer(&s->cmdqv->failure, g_free);
}
