/*
 * Accelerated SMMUv3: who writes registers while the BQL is dropped
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

bool smmuv3_accel_mmio_hand_over(SMMUv3AccelState *s)
{
    SMMUv3AccelMMIO *m = &s->mmio;

    if (!m->busy || m->handed_over == HANDED_OVER_MAX) {
        return false;
    }
    m->handed_over++;
    m->rung = true;
    trace_smmuv3_accel_handed_over(m->handed_over);
    return true;
}

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

void smmuv3_accel_mmio_begin(SMMUv3AccelState *s, bool may_unlock)
{
    if (s->mmio.busy) {
        wait_idle(s);
    }
    s->mmio.busy = true;
    s->mmio.may_unlock = may_unlock;
    s->mmio.locked_ns = get_clock();
}

bool smmuv3_accel_mmio_end(SMMUv3AccelState *s)
{
    SMMUv3AccelMMIO *m = &s->mmio;
    bool again = m->rung && !smmuv3_accel_vcpu_shall_stop();

    m->rung = false;
    if (!again) {
        m->handed_over = 0;
        m->busy = false;
        qemu_cond_broadcast(&m->idle);
    }
    return again;
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

bool smmuv3_accel_mmio_enter(SMMUv3AccelState *s, hwaddr offset, bool alone)
{
    if (!alone && is_refused(s, offset)) {
        return false;
    }
    smmuv3_accel_mmio_begin(s, alone);
    return true;
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
