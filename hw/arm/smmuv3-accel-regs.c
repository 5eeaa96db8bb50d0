/*
 * Accelerated SMMUv3: when the ID registers are decided
 *
 * What they are is decided in smmuv3-accel-idregs.c. Here is when: at realize
 * if the command line has them all, else with the first host device, and when
 * the machine is done it is too late.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/hostmem.h"
#include "trace.h"

#include "smmuv3-accel-regs.h"
#include "smmuv3-accel-state.h"
#include "smmuv3-cmdqv-device.h"

/* So that what was not given, or "auto", reads as the value in effect */
static void show_shorthands(SMMUv3State *s3, const SMMUv3AccelRegs *regs)
{
    uint32_t idr1 = regs->reg[SMMU_ACCEL_IDR1];
    uint32_t idr5 = regs->reg[SMMU_ACCEL_IDR5];

    g_free(s3->ssidsize);
    g_free(s3->oas);
    s3->ssidsize = smmuv3_accel_auto_to_str(FIELD_EX32(idr1, IDR1, SSIDSIZE));
    s3->oas = smmuv3_accel_auto_to_str(oas2bits(FIELD_EX32(idr5, IDR5, OAS)));
}

/*
 * Linux does not use an SMMU with a smaller command queue, so a CMDQV would be
 * useless. A CMDQS that is not given is never that small.
 */
static void warn_of_cmdqs(const SMMUv3AccelSpec *spec)
{
    uint32_t idr1 = spec->reg[SMMU_ACCEL_IDR1];
    uint32_t cmdqs = FIELD_EX32(idr1, IDR1, CMDQS);

    if (spec->cmdqv != ON_OFF_AUTO_OFF && spec->given[SMMU_ACCEL_IDR1] &&
        cmdqs < SMMU_ACCEL_CMDQS_LINUX) {
        warn_report("IDR1.CMDQS is %u: Linux as a guest uses neither an SMMU "
                    "with less than %u, nor its CMDQV; idr1=0x%x has 8",
                    cmdqs, SMMU_ACCEL_CMDQS_LINUX,
                    FIELD_DP32(idr1, IDR1, CMDQS, 8));
    }
}

static void fix_regs(SMMUv3AccelState *s, const SMMUv3AccelRegs *regs,
                     const char *host)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);
    g_autofree char *spec = smmuv3_accel_regs_spec(regs);

    assert(!s->regs_fixed);
    s->regs = *regs;
    s->regs_fixed = true;
    s->inherited_from = g_strdup(host);
    show_shorthands(s3, regs);
    /* Tables for the guest are built before the first reset */
    ARM_SMMUV3_GET_CLASS(s3)->init_idregs(s3);
    trace_smmuv3_accel_regs(SMMUv3AccelInfoMode_str(smmuv3_accel_regs_mode(s)),
                            host ?: "no host", spec);
}

char *smmuv3_accel_regs_to_paste(const SMMUv3AccelState *s)
{
    const SMMUv3State *s3 = ARM_SMMUV3(s);
    SMMUv3AccelRegs regs = s->regs;

    /* Known only when the machine is complete */
    regs.cmdqv_param = s3->cmdqv ? s3->cmdqv->regs.param : 0;
    return smmuv3_accel_regs_spec(&regs);
}

uint32_t smmuv3_accel_regs_hardware_cmdqs(const SMMUv3AccelState *s)
{
    const SMMUv3AccelDevice *dev = QLIST_FIRST(&s->devices);

    return smmuv3_accel_hardware_cmdqs(qemu_minrampagesize(),
                                       dev ? &dev->hdev->smmu : NULL);
}

SMMUv3AccelInfoMode smmuv3_accel_regs_mode(const SMMUv3AccelState *s)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(&s->spec);

    if (!s->regs_fixed) {
        return SMMUV3_ACCEL_INFO_MODE_UNDECIDED;
    }
    if (!missing) {
        return SMMUV3_ACCEL_INFO_MODE_SPECIFIED;
    }
    return s->inherited_from ? SMMUV3_ACCEL_INFO_MODE_INHERITED
                             : SMMUV3_ACCEL_INFO_MODE_DEFAULT;
}

bool smmuv3_accel_regs_from_spec(SMMUv3AccelState *s, Error **errp)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(&s->spec);
    SMMUv3AccelRegs regs;

    warn_of_cmdqs(&s->spec);
    if (missing) {
        return smmuv3_accel_spec_validate(&s->spec, errp);
    }
    if (!smmuv3_accel_regs_compose(&s->spec, NULL, &regs, errp)) {
        return false;
    }
    fix_regs(s, &regs, NULL);
    return true;
}

bool smmuv3_accel_regs_from_defaults(SMMUv3AccelState *s)
{
    SMMUv3AccelRegs regs;

    if (!s->spec.dropin) {
        return false;
    }
    s->spec.page_size = qemu_minrampagesize();
    /* What can be wrong was seen at realize */
    smmuv3_accel_regs_compose(&s->spec, NULL, &regs, &error_abort);
    fix_regs(s, &regs, NULL);
    return true;
}

bool smmuv3_accel_regs_admit(SMMUv3AccelState *s,
                             const SMMUv3AccelHostDevice *dev,
                             const char *smmu, Error **errp)
{
    SMMUv3AccelRegs regs = s->regs;
    SMMUv3AccelHostInfo host = dev->smmu;

    host.cmdqv_param = smmuv3_accel_host_cmdqv_param(dev);
    s->spec.page_size = qemu_minrampagesize();
    if (!s->regs_fixed &&
        !smmuv3_accel_regs_compose(&s->spec, &host, &regs, errp)) {
        return false;
    }
    if (!smmuv3_accel_regs_compare(&regs, &host, dev->name, smmu, errp)) {
        return false;
    }
    if (!s->regs_fixed) {
        fix_regs(s, &regs, dev->name);
    }
    return true;
}
