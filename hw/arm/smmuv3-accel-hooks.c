/*
 * Accelerated SMMUv3: what the base class calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-commands.h"
#include "smmuv3-accel-evaluate.h"
#include "smmuv3-accel-eventq.h"
#include "smmuv3-accel-hooks.h"
#include "smmuv3-accel-mmio.h"
#include "smmuv3-accel-queues.h"
#include "smmuv3-accel-stall.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-accel-vcpu.h"

static void init_idregs(SMMUv3State *s3)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(s3);

    memcpy(s3->idr, s->regs.reg, sizeof(s3->idr));
    s3->iidr = s->regs.reg[SMMU_ACCEL_IIDR];
    s3->aidr = s->regs.reg[SMMU_ACCEL_AIDR];
}

static bool is_msi_doorbell(SMMUv3State *s3, hwaddr addr)
{
    hwaddr doorbell = ARM_SMMUV3_ACCEL(s3)->msi_doorbell;

    return doorbell && addr == doorbell;
}

static void control_changed(SMMUv3State *s3)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(s3);

    /* The queue first, so that there is one for what is found to be wrong */
    smmuv3_accel_eventq_update(s);
    smmuv3_accel_evaluate(s, 0, UINT32_MAX);
    if (s->mmio.busy && s->host && !smmuv3_accel_vcpu_shall_stop()) {
        /*
         * The guest waits for its own register write, and for nobody else's.
         * It may be a driver that starts, whose DMA would be lost. Last, as
         * others see the register while the BQL is dropped. Not if the machine
         * stops: each vCPU that writes registers would wait a second.
         */
        smmuv3_accel_host_try_again(s->host);
        smmuv3_accel_recover(s);
    }
}

static int command(SMMUv3State *s3, const Cmd *cmd)
{
    return smmuv3_accel_command(ARM_SMMUV3_ACCEL(s3), cmd);
}

static void cmdq_drained(SMMUv3State *s3)
{
    smmuv3_accel_flush(ARM_SMMUV3_ACCEL(s3));
}

static bool cmdq_suspended(SMMUv3State *s3)
{
    smmuv3_accel_mmio_breathe(ARM_SMMUV3_ACCEL(s3));
    return smmuv3_accel_vcpu_shall_stop();
}

static MemTxResult write_mmio(SMMUv3State *s3, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    SMMUv3AccelState *s = ARM_SMMUV3_ACCEL(s3);
    MemTxResult ret = smmuv3_accel_queues_write(s, offset, data, size, attrs);

    /* The queue may be on or off now, or have room */
    smmuv3_accel_stall_update(s);
    return ret;
}

static void notifiers_changed(SMMUv3State *s3)
{
    smmuv3_accel_cmdqv_notifiers_changed(ARM_SMMUV3_ACCEL(s3));
}

void smmuv3_accel_class_add_hooks(ObjectClass *oc)
{
    SMMUv3Class *c = ARM_SMMUV3_CLASS(oc);

    c->init_idregs = init_idregs;
    c->is_msi_doorbell = is_msi_doorbell;
    c->control_changed = control_changed;
    c->command = command;
    c->cmdq_drained = cmdq_drained;
    c->cmdq_suspended = cmdq_suspended;
    c->write_mmio = write_mmio;
    c->notifiers_changed = notifiers_changed;
}

/*
 * After a migration for one: whatever decides attachments is there now, the
 * stream table in guest memory for one, which with postcopy comes last.
 */
void smmuv3_accel_started(SMMUv3AccelState *s)
{
    control_changed(ARM_SMMUV3(s));
    smmuv3_accel_queues_resume(s);
}
