/*
 * Accelerated SMMUv3: register writes that wait for the host without the BQL
 *
 * While the host carries out invalidations, which takes a second and more if
 * its SMMU is stuck, nothing but the vCPU that asked for them has to wait. So
 * the BQL is dropped for that ioctl, and this is what keeps others out of the
 * registers in the meantime, all but the doorbell of the command queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "trace.h"

#include "smmuv3-accel-internal.h"

/* vCPUs go on unmapping, and the one that works for them wants to go on too */
#define HANDED_OVER_MAX 4

static bool is_doorbell(hwaddr offset, unsigned size)
{
    return (offset & ~0x10000) == A_CMDQ_PROD && size == 4;
}

/*
 * The register itself is all that the busy vCPU has to see: it reads it after
 * every command, and once more before it leaves.
 */
static bool hand_over(SMMUv3AccelState *s, uint32_t prod)
{
    SMMUv3AccelMMIO *m = &s->mmio;

    if (m->handed_over == HANDED_OVER_MAX) {
        return false;
    }
    m->handed_over++;
    m->rung = true;
    ARM_SMMUV3(s)->cmdq.prod = prod;
    trace_smmuv3_accel_handed_over(prod);
    return true;
}

void smmuv3_accel_mmio_wait(SMMUv3AccelState *s)
{
    while (s->mmio.busy) {
        qemu_cond_wait_bql(&s->mmio.idle);
    }
}

static MemTxResult mmio_write(void *opaque, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(opaque);
    SMMUv3AccelMMIO *m = &s->mmio;
    MemTxResult ret;

    if (m->busy) {
        if (qemu_thread_is_self(&m->owner)) {
            /* An MSI to the SMMU itself; QEMU's own guard refuses it as well */
            return MEMTX_ACCESS_ERROR;
        }
        if (is_doorbell(offset, size) && hand_over(s, data)) {
            return MEMTX_OK;
        }
        smmuv3_accel_mmio_wait(s);
    }

    m->busy = true;
    qemu_thread_get_self(&m->owner);
    ret = m->base->write_with_attrs(opaque, offset, data, size, attrs);
    while (m->rung) {
        m->rung = false;
        m->base->write_with_attrs(opaque, A_CMDQ_PROD,
                                  ARM_SMMUV3(s)->cmdq.prod, 4, attrs);
    }
    m->handed_over = 0;
    m->busy = false;
    qemu_cond_broadcast(&m->idle);
    return ret;
}

void smmuv3_accel_mmio_init(SMMUv3AccelState *s, MemoryRegion *iomem)
{
    SMMUv3AccelMMIO *m = &s->mmio;

    qemu_cond_init(&m->idle);
    m->base = iomem->ops;
    m->ops = *m->base;
    m->ops.write_with_attrs = mmio_write;
    iomem->ops = &m->ops;
    /* It is for all threads, and would refuse them while the BQL is free */
    iomem->disable_reentrancy_guard = true;
}
