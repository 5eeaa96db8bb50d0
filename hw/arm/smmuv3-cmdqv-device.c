/*
 * Tegra241 CMDQV beside an SMMUv3: execution of its queues by QEMU
 *
 * Fetches commands and has the SMMU execute them. Register accesses are in
 * smmuv3-cmdqv.c for an emulated server, and in smmuv3-accel-cmdqv.c for a
 * guest with host devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/irq.h"
#include "hw/sysbus.h"
#include "system/dma.h"
#include "trace.h"

#include "smmu-internal.h"
#include "smmuv3-cmdqv-device.h"

static MemTxResult fetch(hwaddr addr, Cmd *cmd)
{
    MemTxResult r = dma_memory_read(&address_space_memory, addr, cmd,
                                    sizeof(*cmd), SMMU_MEMTXATTRS);

    for (int i = 0; i < ARRAY_SIZE(cmd->word); i++) {
        le32_to_cpus(&cmd->word[i]);
    }
    return r;
}

/* Returns: 0, or the value of CONS.ERR */
static int execute(SMMUv3State *s, Cmd *cmd)
{
    SMMUv3Class *c = ARM_SMMUV3_GET_CLASS(s);
    int error = c->command ? c->command(s, cmd) : SMMU_CERROR_NONE;

    return error ?: smmuv3_execute(s, cmd);
}

static int execute_next(SMMUv3CmdqvDevice *d, unsigned q)
{
    unsigned v = smmuv3_cmdqv_owner(&d->regs, q);
    hwaddr addr = smmuv3_cmdqv_head(&d->regs, q);
    int error;
    Cmd cmd;

    if (fetch(addr, &cmd) != MEMTX_OK) {
        trace_smmuv3_cmdqv_fetch(v, q, addr);
        return SMMU_CERROR_ABT;
    }
    error = smmuv3_cmdqv_filter(&d->regs, v, &cmd);
    trace_smmuv3_cmdqv_command(v, q, smmu_cmd_string(CMD_TYPE(&cmd)),
                               (uint64_t)cmd.word[1] << 32 | cmd.word[0],
                               (uint64_t)cmd.word[3] << 32 | cmd.word[2],
                               error);
    d->commands++;
    return error ?: execute(d->smmu, &cmd);
}

static bool is_suspended(SMMUv3State *s)
{
    SMMUv3Class *c = ARM_SMMUV3_GET_CLASS(s);

    return c->cmdq_suspended && c->cmdq_suspended(s);
}

static void consume_queue(SMMUv3CmdqvDevice *d, unsigned q, unsigned limit)
{
    for (unsigned n = 0; n < limit; n++) {
        int error;

        if (!smmuv3_cmdqv_pending(&d->regs, q) || is_suspended(d->smmu)) {
            return;
        }
        error = execute_next(d, q);
        if (error) {
            trace_smmuv3_cmdqv_error(q, error);
            d->errors++;
            if (smmuv3_cmdqv_stop(&d->regs, q, error)) {
                qemu_irq_pulse(d->irq);
            }
            return;
        }
        smmuv3_cmdqv_advance(&d->regs, q);
    }
}

bool smmuv3_cmdqv_consume(SMMUv3CmdqvDevice *d, unsigned q, unsigned limit)
{
    SMMUv3Class *c = ARM_SMMUV3_GET_CLASS(d->smmu);

    consume_queue(d, q, limit);
    if (c->cmdq_drained) {
        c->cmdq_drained(d->smmu);
    }
    return smmuv3_cmdqv_pending(&d->regs, q);
}

bool smmuv3_cmdqv_consume_all(SMMUv3CmdqvDevice *d, unsigned limit)
{
    unsigned nb_vcmdqs = smmuv3_cmdqv_nb_vcmdqs(&d->regs);
    unsigned nb_pending = smmuv3_cmdqv_nb_pending(&d->regs);
    bool more = false;

    if (!nb_pending) {
        return false;
    }
    for (unsigned q = 0; q < nb_vcmdqs; q++) {
        more |= smmuv3_cmdqv_consume(d, q, limit / nb_pending);
    }
    return more;
}

/*
 * Uses the virtual clock, so nothing is consumed while the machine is stopped.
 * Does not expire at once: with -icount the clock does not advance while timers
 * run, and a timer that has expired again would run before anything else.
 */
void smmuv3_cmdqv_soon(SMMUv3CmdqvDevice *d)
{
    timer_mod(d->more, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + 1);
}

void smmuv3_cmdqv_device_init(SMMUv3CmdqvDevice *d, SMMUv3State *s,
                              const MemoryRegionOps *ops, QEMUTimerCB *more,
                              void *opaque)
{
    SysBusDevice *sbd = SYS_BUS_DEVICE(s);

    d->smmu = s;
    smmuv3_cmdqv_reset(&d->regs);
    d->more = timer_new_ns(QEMU_CLOCK_VIRTUAL, more, opaque);
    memory_region_init_io(&d->iomem, OBJECT(s), ops, opaque, "smmuv3-cmdqv",
                          smmuv3_cmdqv_size(&d->regs));
    sysbus_init_mmio(sbd, &d->iomem);
    sysbus_init_irq(sbd, &d->irq);
}

void smmuv3_cmdqv_device_reset(SMMUv3State *s)
{
    if (s->cmdqv) {
        timer_del(s->cmdqv->more);
        smmuv3_cmdqv_reset(&s->cmdqv->regs);
    }
}

static int post_load(void *opaque, int version_id)
{
    SMMUv3CmdqvDevice *d = opaque;
    const char *illegal = smmuv3_cmdqv_state_illegal(&d->regs);

    if (illegal) {
        error_report("smmuv3-cmdqv: in the stream %s", illegal);
        return -EINVAL;
    }
    d->loaded = true;
    smmuv3_cmdqv_soon(d);
    return 0;
}

static const VMStateDescription vmstate_vintf = {
    .name = "smmuv3-cmdqv/vintf",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(config, SMMUv3Vintf),
        VMSTATE_UINT32_ARRAY(sid_match, SMMUv3Vintf, CMDQV_MAX_SIDS),
        VMSTATE_UINT32_ARRAY(sid_replace, SMMUv3Vintf, CMDQV_MAX_SIDS),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_vcmdq = {
    .name = "smmuv3-cmdqv/vcmdq",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(alloc, SMMUv3Vcmdq),
        VMSTATE_UINT32(cons, SMMUv3Vcmdq),
        VMSTATE_UINT32(prod, SMMUv3Vcmdq),
        VMSTATE_UINT32(config, SMMUv3Vcmdq),
        VMSTATE_UINT32(status, SMMUv3Vcmdq),
        VMSTATE_UINT32(gerror, SMMUv3Vcmdq),
        VMSTATE_UINT32(gerrorn, SMMUv3Vcmdq),
        VMSTATE_UINT64(base, SMMUv3Vcmdq),
        VMSTATE_UINT64(cons_base, SMMUv3Vcmdq),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_regs = {
    .name = "smmuv3-cmdqv",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_EQUAL(regs.param, SMMUv3CmdqvDevice,
                             "x-cmdqv-vintfs=, cmdqv= and cmdqv-param= have "
                             "to be the same on both sides"),
        VMSTATE_UINT32(regs.config, SMMUv3CmdqvDevice),
        VMSTATE_UINT64(regs.vintf_int_mask, SMMUv3CmdqvDevice),
        VMSTATE_STRUCT_ARRAY(regs.vintf, SMMUv3CmdqvDevice, CMDQV_MAX_VINTFS,
                             1, vmstate_vintf, SMMUv3Vintf),
        VMSTATE_STRUCT_ARRAY(regs.vcmdq, SMMUv3CmdqvDevice, CMDQV_MAX_VCMDQS,
                             1, vmstate_vcmdq, SMMUv3Vcmdq),
        VMSTATE_END_OF_LIST(),
    },
};

static bool is_needed(void *opaque)
{
    SMMUv3State *s = opaque;

    return s->cmdqv;
}

/* A subsection in the stream is loaded even if it is not needed */
static int pre_load(void *opaque)
{
    if (!is_needed(opaque)) {
        error_report("smmuv3-cmdqv: the incoming guest has a CMDQV, which is "
                     "missing here: give both sides the same cmdqv=, or "
                     "x-cmdqv-vintfs=");
        return -EINVAL;
    }
    return 0;
}

const VMStateDescription vmstate_smmuv3_cmdqv = {
    .name = "smmuv3/cmdqv",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = is_needed,
    .pre_load = pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_POINTER(cmdqv, SMMUv3State, vmstate_regs,
                               SMMUv3CmdqvDevice),
        VMSTATE_END_OF_LIST(),
    },
};
