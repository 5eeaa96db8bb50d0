/*
 * Accelerated SMMUv3: when the commands in the guest's queues are executed
 *
 * There is the queue of the architecture, and with a CMDQV there are those of
 * its interface. A vCPU that rings a doorbell executes the commands in all of
 * them, unless another one is doing so already.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "trace.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-queues.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-accel-vcpu.h"

bool smmuv3_accel_queues_is_pending(const SMMUv3AccelState *s)
{
    SMMUv3CmdqvDevice *d = ARM_SMMUV3(s)->cmdqv;

    return d && !s->cmdqv->hardware && smmuv3_cmdqv_nb_pending(&d->regs);
}

/*
 * If may_unlock is set, the BQL is dropped between commands. Otherwise it is
 * held all the time, and must not be held for a whole queue of commands.
 */
void smmuv3_accel_queues_consume_cmdqv(SMMUv3AccelState *s)
{
    SMMUv3CmdqvDevice *d = ARM_SMMUV3(s)->cmdqv;
    bool more;

    if (!smmuv3_accel_queues_is_pending(s)) {
        return;
    }
    if (!smmuv3_accel_mmio_may_work(s)) {
        smmuv3_accel_queues_resume(s);
        return;
    }
    more = smmuv3_cmdqv_consume_all(d, s->mmio.may_unlock ?
                                    UINT_MAX : CMDQV_COMMANDS_AT_ONCE);
    if (more && !s->mmio.may_unlock) {
        smmuv3_cmdqv_soon(d);
    }
}

static void consume(SMMUv3AccelState *s)
{
    smmuv3_cmdq_consume(ARM_SMMUV3(s));
    smmuv3_accel_queues_consume_cmdqv(s);
}

void smmuv3_accel_queues_leave(SMMUv3AccelState *s)
{
    while (smmuv3_accel_mmio_end(s)) {
        consume(s);
    }
}

/* Take up the queues from the top of a vCPU's thread, below nothing */
static void work(void *opaque, bool alone)
{
    SMMUv3AccelState *s = opaque;
    MemReentrancyGuard *guard = &DEVICE(s)->mem_reentrancy_guard;

    s->mmio.resuming = false;
    guard->engaged_in_io = true;
    if (!smmuv3_accel_mmio_hand_over(s)) {
        smmuv3_accel_mmio_begin(s, alone);
        consume(s);
        smmuv3_accel_queues_leave(s);
    }
    guard->engaged_in_io = false;
}

void smmuv3_accel_queues_resume(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);

    /* A device may ring faster than a vCPU takes up the work */
    if (s->mmio.resuming) {
        return;
    }
    if ((smmuv3_cmdq_enabled(s3) && !smmuv3_q_empty(&s3->cmdq)) ||
        smmuv3_accel_queues_is_pending(s)) {
        trace_smmuv3_accel_resume(s3->cmdq.cons, s3->cmdq.prod);
        s->mmio.resuming = true;
        smmuv3_accel_vcpu_run(work, s);
    }
}

/* Bits [31:20] of CMDQ_PROD are RES0 (IHI 0070, 6.3.27) */
static void set_prod(SMMUv3AccelState *s, uint64_t data)
{
    ARM_SMMUV3(s)->cmdq.prod = extract64(data, 0, 20);
}

static bool is_doorbell(hwaddr offset, unsigned size)
{
    return (offset & ~0x10000) == A_CMDQ_PROD && size == 4;
}

/* Returns: true if another thread executes the commands, now or later */
static bool is_left(SMMUv3AccelState *s, bool alone)
{
    return alone ? smmuv3_accel_mmio_hand_over(s) : smmuv3_accel_vcpu_can_run();
}

/*
 * Below another device model nobody works, as the BQL could not be dropped, and
 * nobody waits. The doorbell is left for a vCPU; with KVM there is one.
 */
MemTxResult smmuv3_accel_queues_write(SMMUv3AccelState *s, hwaddr offset,
                                      uint64_t data, unsigned size,
                                      MemTxAttrs attrs)
{
    bool alone = smmuv3_accel_vcpu_at(&ARM_SMMU(s)->iomem, offset, size, true);
    MemTxResult ret;

    if (is_doorbell(offset, size) && is_left(s, alone)) {
        /* The register is all that the other thread has to see */
        set_prod(s, data);
        if (!alone) {
            smmuv3_accel_queues_resume(s);
        }
        return MEMTX_OK;
    }
    if (!smmuv3_accel_mmio_enter(s, offset, alone)) {
        return MEMTX_ACCESS_ERROR;
    }
    ret = smmuv3_write_mmio(ARM_SMMUV3(s), offset, data, size, attrs);
    smmuv3_accel_queues_leave(s);
    return ret;
}
