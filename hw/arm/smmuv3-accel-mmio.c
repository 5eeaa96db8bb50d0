/*
 * Accelerated SMMUv3: register writes that wait for the host without the BQL
 *
 * While the host carries out invalidations, which takes a second and more if
 * its SMMU is stuck, nothing but the vCPU that asked for them has to wait. So
 * the BQL is dropped for that ioctl, and this is what keeps others out of the
 * registers in the meantime, all but the doorbell of the command queue.
 *
 * It is dropped only if the guest's own instruction is all that is on the
 * stack: a device model whose DMA or MSI has led here could be unplugged
 * meanwhile, and its frames would go on with what is freed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "trace.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-accel-vcpu.h"

/*
 * A command may take the host milliseconds, and a queue has room for 2^19. Who
 * wants this vCPU to stop needs the BQL to say so.
 */
#define BREATHE_EVERY_NS (10 * SCALE_MS)
#define BREATHE_US 100

/* vCPUs go on unmapping, and the one that works for them wants to go on too */
#define HANDED_OVER_MAX 4

void smmuv3_accel_mmio_init(SMMUv3AccelState *s)
{
    qemu_cond_init(&s->mmio.idle);
}

static bool is_doorbell(hwaddr offset, unsigned size)
{
    return (offset & ~0x10000) == A_CMDQ_PROD && size == 4;
}

/*
 * QEMU's guard against re-entrance takes whoever has the BQL for the one that
 * entered: it goes with the BQL, and comes back with it.
 */
bool smmuv3_accel_mmio_unlock(SMMUv3AccelState *s)
{
    if (!s->mmio.busy || !s->mmio.may_unlock) {
        return false;
    }
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = false;
    bql_unlock();
    return true;
}

void smmuv3_accel_mmio_lock(SMMUv3AccelState *s, bool unlocked)
{
    if (unlocked) {
        bql_lock();
        s->mmio.locked_ns = get_clock();
        DEVICE(s)->mem_reentrancy_guard.engaged_in_io = true;
    }
}

void smmuv3_accel_mmio_breathe(SMMUv3AccelState *s)
{
    int64_t now = get_clock();

    if (now - s->mmio.locked_ns < BREATHE_EVERY_NS ||
        !smmuv3_accel_mmio_unlock(s)) {
        return;
    }
    /* A mutex is not fair: whoever waits for it has to wake up first */
    g_usleep(BREATHE_US);
    smmuv3_accel_mmio_lock(s, true);
}

/* For a write; enter() follows */
static void wait_idle(SMMUv3AccelState *s)
{
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = false;
    s->mmio.waiting++;
    while (s->mmio.busy) {
        qemu_cond_wait_bql(&s->mmio.idle);
    }
    s->mmio.waiting--;
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = true;
}

/*
 * The register itself is all that the busy vCPU has to see: it reads it after
 * every command, and once more before it leaves.
 */
static void hand_over(SMMUv3AccelState *s, uint32_t prod)
{
    s->mmio.handed_over++;
    s->mmio.rung = true;
    ARM_SMMUV3(s)->cmdq.prod = prod;
    trace_smmuv3_accel_handed_over(prod);
}

static void enter(SMMUv3AccelState *s, bool may_unlock)
{
    s->mmio.busy = true;
    s->mmio.may_unlock = may_unlock;
    s->mmio.locked_ns = get_clock();
}

/* Consume all command queues: the architecture's and those of a CMDQV */
static void consume(SMMUv3AccelState *s)
{
    smmuv3_cmdq_consume(ARM_SMMUV3(s));
    smmuv3_accel_cmdqv_consume(s);
}

static void leave(SMMUv3AccelState *s)
{
    SMMUv3AccelMMIO *m = &s->mmio;

    while (m->rung && !smmuv3_accel_vcpu_shall_stop()) {
        m->rung = false;
        consume(s);
    }
    m->rung = false;
    m->handed_over = 0;
    m->busy = false;
    qemu_cond_broadcast(&m->idle);
}

/* Take up the queue from the top of a vCPU's thread, below nothing */
static void work(void *opaque, bool alone)
{
    SMMUv3AccelState *s = opaque;
    MemReentrancyGuard *guard = &DEVICE(s)->mem_reentrancy_guard;

    s->mmio.resuming = false;
    guard->engaged_in_io = true;
    if (s->mmio.busy && s->mmio.handed_over < HANDED_OVER_MAX) {
        hand_over(s, ARM_SMMUV3(s)->cmdq.prod);
    } else {
        if (s->mmio.busy) {
            wait_idle(s);
        }
        enter(s, alone);
        consume(s);
        leave(s);
    }
    guard->engaged_in_io = false;
}

void smmuv3_accel_mmio_resume(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);

    /* A device may ring faster than a vCPU takes up the work */
    if (s->mmio.resuming) {
        return;
    }
    if ((smmuv3_cmdq_enabled(s3) && !smmuv3_q_empty(&s3->cmdq)) ||
        smmuv3_accel_cmdqv_is_pending(s)) {
        trace_smmuv3_accel_resume(s3->cmdq.cons, s3->cmdq.prod);
        s->mmio.resuming = true;
        smmuv3_accel_vcpu_run(work, s);
    }
}

/* A device model does not wait for the thread that is busy */
static bool is_refused(SMMUv3AccelState *s, hwaddr offset)
{
    if (s->mmio.busy) {
        qemu_log_mask(LOG_GUEST_ERROR, "arm-smmuv3-accel: a device writes to "
                      "register 0x%" HWADDR_PRIx " while commands are carried "
                      "out: refused\n", offset);
    }
    return s->mmio.busy;
}

/*
 * Below another device model nobody works, as the BQL could not be dropped, and
 * nobody waits. The doorbell is left for a vCPU; with KVM there is one.
 */
static MemTxResult write_below_device(SMMUv3AccelState *s, hwaddr offset,
                                      uint64_t data, unsigned size,
                                      MemTxAttrs attrs)
{
    MemTxResult ret;

    if (is_doorbell(offset, size) && smmuv3_accel_vcpu_can_run()) {
        ARM_SMMUV3(s)->cmdq.prod = data;
        smmuv3_accel_mmio_resume(s);
        return MEMTX_OK;
    }
    if (is_refused(s, offset)) {
        return MEMTX_ACCESS_ERROR;
    }
    enter(s, false);
    ret = smmuv3_write_mmio(ARM_SMMUV3(s), offset, data, size, attrs);
    leave(s);
    return ret;
}

MemTxResult smmuv3_accel_mmio_write(SMMUv3AccelState *s, hwaddr offset,
                                    uint64_t data, unsigned size,
                                    MemTxAttrs attrs)
{
    SMMUv3AccelMMIO *m = &s->mmio;
    MemTxResult ret;

    if (!smmuv3_accel_vcpu_at(&ARM_SMMU(s)->iomem, offset, size, true)) {
        return write_below_device(s, offset, data, size, attrs);
    }
    if (m->busy && is_doorbell(offset, size) &&
        m->handed_over < HANDED_OVER_MAX) {
        hand_over(s, data);
        return MEMTX_OK;
    }
    if (m->busy) {
        wait_idle(s);
    }
    enter(s, true);
    ret = smmuv3_write_mmio(ARM_SMMUV3(s), offset, data, size, attrs);
    leave(s);
    return ret;
}

bool smmuv3_accel_mmio_enter(SMMUv3AccelState *s, MemoryRegion *mr,
                             hwaddr offset, unsigned size)
{
    bool alone = smmuv3_accel_vcpu_at(mr, offset, size, true);

    if (!alone && is_refused(s, offset)) {
        return false;
    }
    if (s->mmio.busy) {
        wait_idle(s);
    }
    enter(s, alone);
    return true;
}

void smmuv3_accel_mmio_leave(SMMUv3AccelState *s)
{
    leave(s);
}

bool smmuv3_accel_mmio_may_work(const SMMUv3AccelState *s)
{
    return s->mmio.may_unlock || !smmuv3_accel_vcpu_can_run();
}

/* Those who wait wake up at once: for a read, the writes have to come first */
static bool is_written(const SMMUv3AccelState *s)
{
    return s->mmio.busy || s->mmio.waiting;
}

void smmuv3_accel_mmio_wait(SMMUv3AccelState *s, MemoryRegion *mr,
                            hwaddr offset, unsigned size)
{
    if (!is_written(s) || !smmuv3_accel_vcpu_at(mr, offset, size, false)) {
        return;
    }
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = false;
    while (is_written(s)) {
        qemu_cond_wait_bql(&s->mmio.idle);
    }
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = true;
}

bool smmuv3_accel_mmio_wait_next(SMMUv3AccelState *s, MemoryRegion *mr,
                                 hwaddr offset, unsigned size, int ms)
{
    if (smmuv3_accel_vcpu_shall_stop() ||
        !smmuv3_accel_vcpu_at(mr, offset, size, false)) {
        return false;
    }
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = false;
    qemu_cond_timedwait_bql(&s->mmio.idle, ms);
    while (is_written(s)) {
        qemu_cond_wait_bql(&s->mmio.idle);
    }
    DEVICE(s)->mem_reentrancy_guard.engaged_in_io = true;
    return true;
}
