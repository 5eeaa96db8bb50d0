/*
 * Tegra241 CMDQV beside an emulated SMMUv3
 *
 * Reads the queues and has their commands executed. A server's, with VINTFs to
 * give to guests; for testing what runs on such servers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "hw/irq.h"
#include "hw/sysbus.h"
#include "system/dma.h"
#include "trace.h"

#include "smmu-internal.h"
#include "smmuv3-cmdqv-device.h"

#define LOG2_SIDS           4
#define LVCMDQS_LOG2        1   /* for each VINTF */

/* A queue has 2^19 commands: let others get their turn, and the main loop */
#define COMMANDS_AT_ONCE    1024

static MemTxResult fetch(hwaddr addr, Cmd *cmd)
{
    MemTxResult r = dma_memory_read(&address_space_memory, addr, cmd,
                                    sizeof(*cmd), SMMU_MEMTXATTRS);

    for (int i = 0; i < ARRAY_SIZE(cmd->word); i++) {
        le32_to_cpus(&cmd->word[i]);
    }
    return r;
}

/* Returns: 0, or what goes into CONS.ERR */
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
    return error ?: smmuv3_execute(d->smmu, &cmd);
}

/* Returns: whether there is more to do */
static bool consume(SMMUv3CmdqvDevice *d, unsigned q, unsigned limit)
{
    for (unsigned n = 0; n < limit; n++) {
        int error;

        if (!smmuv3_cmdqv_pending(&d->regs, q)) {
            return false;
        }
        error = execute_next(d, q);
        if (error) {
            trace_smmuv3_cmdqv_error(q, error);
            if (smmuv3_cmdqv_stop(&d->regs, q, error)) {
                qemu_irq_pulse(d->irq);
            }
            return false;
        }
        smmuv3_cmdqv_advance(&d->regs, q);
    }
    return smmuv3_cmdqv_pending(&d->regs, q);
}

/*
 * In the guest's time: nothing is consumed while the machine is stopped. Not
 * at once: with -icount the clock stands still while timers run, and one that
 * has expired again is run before anything else.
 */
static void soon(SMMUv3CmdqvDevice *d)
{
    timer_mod(d->more, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + 1);
}

static void consume_more(void *opaque)
{
    SMMUv3CmdqvDevice *d = opaque;
    unsigned nb_vcmdqs = smmuv3_cmdqv_nb_vcmdqs(&d->regs), nb_pending = 0;
    bool more = false;

    for (unsigned q = 0; q < nb_vcmdqs; q++) {
        nb_pending += smmuv3_cmdqv_pending(&d->regs, q);
    }
    for (unsigned q = 0; q < nb_vcmdqs; q++) {
        more |= consume(d, q, COMMANDS_AT_ONCE / MAX(nb_pending, 1));
    }
    if (more) {
        soon(d);
    }
}

static uint64_t cmdqv_read(void *opaque, hwaddr offset, unsigned size)
{
    SMMUv3CmdqvDevice *d = opaque;
    uint64_t value = smmuv3_cmdqv_read(&d->regs, offset, size);

    trace_smmuv3_cmdqv_read(offset, value, size);
    return value;
}

static void cmdqv_write(void *opaque, hwaddr offset, uint64_t value,
                        unsigned size)
{
    SMMUv3CmdqvDevice *d = opaque;
    SMMUv3CmdqvOutcome out = smmuv3_cmdqv_write(&d->regs, offset, value, size);

    trace_smmuv3_cmdqv_write(offset, value, size);
    if (out.irq) {
        qemu_irq_pulse(d->irq);
    }
    switch (out.effect) {
    case CMDQV_EFFECT_ENABLE:
    case CMDQV_EFFECT_DOORBELL:
        if (consume(d, out.q, COMMANDS_AT_ONCE)) {
            soon(d);
        }
        break;
    default:
        break;
    }
}

static const MemoryRegionOps cmdqv_ops = {
    .read = cmdqv_read,
    .write = cmdqv_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

bool smmuv3_cmdqv_realize(SMMUv3State *s, Error **errp)
{
    SysBusDevice *sbd = SYS_BUS_DEVICE(s);
    unsigned vintfs = s->cmdqv_vintfs;
    SMMUv3CmdqvDevice *d;

    if (!vintfs) {
        return true;
    }
    if (!is_power_of_2(vintfs) || vintfs > CMDQV_MAX_VINTFS) {
        error_setg(errp, "x-cmdqv-vintfs=%u is no power of 2 from 1 to %u, "
                   "nor 0 for no CMDQV", vintfs, CMDQV_MAX_VINTFS);
        return false;
    }
    if (!ARM_SMMU(s)->smmu_per_bus) {
        error_setg(errp, "x-cmdqv-vintfs= has to be an option of -device "
                   "arm-smmuv3: remove it from -global");
        return false;
    }
    if (ARM_SMMUV3_GET_CLASS(s)->has_accel_options) {
        error_setg(errp, "x-cmdqv-vintfs= is for an emulated SMMUv3: remove "
                   "accel=on, or it");
        return false;
    }

    d = s->cmdqv = g_new0(SMMUv3CmdqvDevice, 1);
    d->smmu = s;
    d->regs.param = FIELD_DP32(0, CMDQV_PARAM, VER, 1);
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_VINTFS,
                               ctz32(vintfs));
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_VCMDQS,
                               ctz32(vintfs) + LVCMDQS_LOG2);
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_SIDS,
                               LOG2_SIDS);
    d->regs.hyp = true;
    d->regs.max_log2size = SMMU_CMDQS;
    smmuv3_cmdqv_reset(&d->regs);
    d->more = timer_new_ns(QEMU_CLOCK_VIRTUAL, consume_more, d);

    memory_region_init_io(&d->iomem, OBJECT(s), &cmdqv_ops, d, "smmuv3-cmdqv",
                          smmuv3_cmdqv_size(&d->regs));
    sysbus_init_mmio(sbd, &d->iomem);
    sysbus_init_irq(sbd, &d->irq);
    return true;
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
    soon(d);
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
                             "x-cmdqv-vintfs= has to be the same on both "
                             "sides"),
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

/* A subsection that is in the stream is loaded, needed or not */
static int pre_load(void *opaque)
{
    if (!is_needed(opaque)) {
        error_report("smmuv3-cmdqv: x-cmdqv-vintfs= has to be the same on "
                     "both sides: here it is missing");
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
