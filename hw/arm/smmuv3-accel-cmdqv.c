/*
 * Accelerated SMMUv3: a guest's command queues, as registers
 *
 * Handles the guest's accesses, and the queues while QEMU executes their
 * commands. smmuv3-accel-cmdqv-give.c has hardware execute them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/irq.h"
#include "qemu/timer.h"
#include "trace.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-queues.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-accel-vcpu.h"

static SMMUv3CmdqvDevice *device(const SMMUv3AccelState *s)
{
    return ARM_SMMUV3(s)->cmdqv;
}

static void consume_more(void *opaque)
{
    smmuv3_accel_queues_resume(opaque);
}

/*
 * Linux gathers the commands of several vCPUs and writes PROD once, but each of
 * these vCPUs polls CONS, even before that write. Each poll is an exit, so the
 * second one that finds the same CONS is answered when it has changed.
 */
#define POLL_MS 10

/* What this vCPU has read last */
static __thread struct {
    const SMMUv3Vcmdq *queue;
    uint32_t cons;
} polled;

/* Returns: the queue if the register is CONS of one that QEMU executes */
static const SMMUv3Vcmdq *is_cons(SMMUv3AccelState *s, hwaddr offset,
                                  unsigned size)
{
    SMMUv3CmdqvReg reg = smmuv3_cmdqv_decode(&s->cmdqv->dev.regs, offset);

    return size == 4 && reg.page == CMDQV_PAGE_VCMDQ0 &&
           reg.reg == A_VCMDQ_CONS && !s->cmdqv->hardware ?
           &s->cmdqv->dev.regs.vcmdq[reg.index] : NULL;
}

/*
 * A queue that has stopped does not change, and one with commands left may
 * need this vCPU to execute them.
 */
static bool is_polled(SMMUv3AccelState *s, hwaddr offset, unsigned size)
{
    const SMMUv3Vcmdq *queue = is_cons(s, offset, size);

    return queue && queue == polled.queue && queue->cons == polled.cons &&
           queue->status && !smmuv3_vcmdq_errors(queue) &&
           !smmuv3_accel_queues_is_pending(s);
}

static void wait_for_commands(SMMUv3AccelState *s, hwaddr offset, unsigned size)
{
    int64_t until_ns = get_clock() + POLL_MS * SCALE_MS;

    if (!is_polled(s, offset, size)) {
        return;
    }
    trace_smmuv3_accel_cmdqv_polled(offset, polled.cons);
    while (is_polled(s, offset, size) && get_clock() < until_ns &&
           smmuv3_accel_mmio_wait_next(s, &s->cmdqv->dev.iomem, offset, size,
                                       POLL_MS)) {
        continue;
    }
}

static MemTxResult cmdqv_read(void *opaque, hwaddr offset, uint64_t *data,
                              unsigned size, MemTxAttrs attrs)
{
    SMMUv3AccelState *s = opaque;
    SMMUv3CmdqvDevice *d = &s->cmdqv->dev;
    const SMMUv3Vcmdq *queue;

    smmuv3_accel_mmio_wait(s, &d->iomem, offset, size);
    wait_for_commands(s, offset, size);
    smmuv3_accel_cmdqv_sync(s);
    *data = smmuv3_cmdqv_read(&d->regs, offset, size);
    queue = is_cons(s, offset, size);
    if (queue) {
        polled.queue = queue;
        polled.cons = queue->cons;
    }
    trace_smmuv3_cmdqv_read(offset, *data, size);
    return MEMTX_OK;
}

static void configured_anew(SMMUv3AccelState *s)
{
    g_clear_pointer(&s->cmdqv->failure, g_free);
}

/*
 * Only a doorbell in the VINTF's page gives the queues to hardware, because
 * this is the page that the guest accesses directly then.
 */
static void doorbell(SMMUv3AccelState *s, bool by_vintf)
{
    s->counters.cmdqv_doorbells++;
    if (!by_vintf || !smmuv3_accel_mmio_may_work(s) ||
        !smmuv3_accel_cmdqv_give(s)) {
        smmuv3_accel_queues_consume_cmdqv(s);
    }
}

/*
 * The access trapped before the guest got the page. Now the page is at this
 * address, so it is unknown whose access it is.
 */
static bool is_late(SMMUv3AccelState *s, hwaddr offset)
{
    SMMUv3CmdqvReg reg = smmuv3_cmdqv_decode(&s->cmdqv->dev.regs, offset);

    return s->cmdqv->hardware && reg.page == CMDQV_PAGE_VCMDQ0 && reg.by_vintf;
}

static void write_register(SMMUv3AccelState *s, hwaddr offset, uint64_t value,
                           unsigned size)
{
    SMMUv3CmdqvDevice *d = &s->cmdqv->dev;
    SMMUv3CmdqvReg reg = smmuv3_cmdqv_decode(&d->regs, offset);
    SMMUv3CmdqvOutcome out;

    if (is_late(s, offset)) {
        /* The guest got the page while the access waited for another one */
        smmuv3_accel_cmdqv_pass_on(s, offset, value, size);
        return;
    }
    if (reg.page != CMDQV_PAGE_NONE) {
        smmuv3_accel_cmdqv_take_back(s, "the guest writes its configuration");
    }
    out = smmuv3_cmdqv_write(&d->regs, offset, value, size);
    if (out.irq) {
        qemu_irq_pulse(d->irq);
    }
    switch (out.effect) {
    case CMDQV_EFFECT_NONE:
        break;
    case CMDQV_EFFECT_DOORBELL:
        doorbell(s, reg.by_vintf);
        break;
    case CMDQV_EFFECT_ENABLE:
    case CMDQV_EFFECT_DISABLE:
    case CMDQV_EFFECT_RECONFIGURE:
        configured_anew(s);
        smmuv3_accel_queues_consume_cmdqv(s);
        break;
    }
}

static MemTxResult cmdqv_write(void *opaque, hwaddr offset, uint64_t value,
                               unsigned size, MemTxAttrs attrs)
{
    SMMUv3AccelState *s = opaque;
    MemTxResult ret = MEMTX_OK;
    bool alone;

    trace_smmuv3_cmdqv_write(offset, value, size);
    if (is_late(s, offset)) {
        smmuv3_accel_cmdqv_pass_on(s, offset, value, size);
        return MEMTX_OK;
    }
    alone = smmuv3_accel_vcpu_at(&s->cmdqv->dev.iomem, offset, size, true);
    if (!smmuv3_accel_mmio_enter(s, offset, alone)) {
        return MEMTX_ACCESS_ERROR;
    }
    if (s->cmdqv->hardware && !smmuv3_accel_mmio_may_work(s)) {
        /* A device must not wait until the host returns the queues */
        ret = MEMTX_ACCESS_ERROR;
    } else {
        write_register(s, offset, value, size);
    }
    smmuv3_accel_queues_leave(s);
    return ret;
}

static const MemoryRegionOps cmdqv_ops = {
    .read_with_attrs = cmdqv_read,
    .write_with_attrs = cmdqv_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static bool check_param(uint32_t param, Error **errp)
{
    const char *illegal = smmuv3_cmdqv_param_illegal(param);

    if (!illegal && FIELD_EX32(param, CMDQV_PARAM, LOG2_VINTFS)) {
        illegal = "a guest has one virtual interface";
    }
    if (illegal) {
        error_setg(errp, "cmdqv-param=0x%x is illegal: %s. Omit it, or "
                   "give 0x%x: version 1, two queues, 16 StreamIDs", param,
                   illegal, SMMU_ACCEL_CMDQV_PARAM);
    }
    return !illegal;
}

bool smmuv3_accel_cmdqv_check(SMMUv3AccelState *s, Error **errp)
{
    if (s->cmdqv_param && ARM_SMMUV3(s)->cmdqv_wanted == ON_OFF_AUTO_OFF) {
        error_setg(errp, "cmdqv-param= is for a guest with command queues "
                   "in hardware: add cmdqv=on, or remove it");
        return false;
    }
    return !s->cmdqv_param || check_param(s->cmdqv_param, errp);
}

void smmuv3_accel_cmdqv_realize(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);

    if (s3->cmdqv_wanted == ON_OFF_AUTO_OFF) {
        return;
    }
    s->cmdqv = g_new0(SMMUv3AccelCmdqv, 1);
    s3->cmdqv = &s->cmdqv->dev;
    s3->cmdqv->regs.param = s->cmdqv_param ?: SMMU_ACCEL_CMDQV_PARAM;
    s3->cmdqv->regs.max_log2size = CMDQV_MAX_LOG2SIZE;
    smmuv3_cmdqv_device_init(s3->cmdqv, s3, &cmdqv_ops, consume_more, s);
}

void smmuv3_accel_cmdqv_decide(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);
    const SMMUv3AccelDevice *dev = QLIST_FIRST(&s->devices);
    uint32_t host = dev ? smmuv3_accel_host_cmdqv_param(dev->hdev) : 0;

    if (!device(s)) {
        return;
    }
    if (s3->cmdqv_wanted == ON_OFF_AUTO_AUTO && !host) {
        memory_region_set_enabled(&device(s)->iomem, false);
        s3->cmdqv = NULL;
    } else if (!s->cmdqv_param && host) {
        device(s)->regs.param = host;
    }
    trace_smmuv3_accel_cmdqv_decide(device(s) ? device(s)->regs.param : 0,
                                    host);
}
