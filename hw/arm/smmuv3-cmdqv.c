/*
 * Tegra241 CMDQV of an emulated server's SMMU
 *
 * It has VINTFs for guests, and serves to test software for such servers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "hw/irq.h"
#include "trace.h"

#include "smmuv3-cmdqv-device.h"

#define LOG2_SIDS           4
#define LVCMDQS_LOG2        1   /* for each VINTF */

static void consume_more(void *opaque)
{
    if (smmuv3_cmdqv_consume_all(opaque, CMDQV_COMMANDS_AT_ONCE)) {
        smmuv3_cmdqv_soon(opaque);
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
        if (smmuv3_cmdqv_consume(d, out.q, CMDQV_COMMANDS_AT_ONCE)) {
            smmuv3_cmdqv_soon(d);
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
    d->regs.param = FIELD_DP32(0, CMDQV_PARAM, VER, 1);
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_VINTFS,
                               ctz32(vintfs));
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_VCMDQS,
                               ctz32(vintfs) + LVCMDQS_LOG2);
    d->regs.param = FIELD_DP32(d->regs.param, CMDQV_PARAM, LOG2_SIDS,
                               LOG2_SIDS);
    d->regs.hyp = true;
    d->regs.max_log2size = SMMU_CMDQS;
    smmuv3_cmdqv_device_init(d, s, &cmdqv_ops, consume_more, d);
    return true;
}
