/*
 * Accelerated SMMUv3: a guest's command queues in hardware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-accel-cmdqv.h"
#include "smmuv3-accel-state.h"

bool smmuv3_accel_cmdqv_realize(SMMUv3AccelState *s, Error **errp)
{
    return true;
}

void smmuv3_accel_cmdqv_decide(SMMUv3AccelState *s)
{
}

bool smmuv3_accel_cmdqv_is_wanted(const SMMUv3AccelState *s)
{
    return s->cmdqv;
}

SMMUv3AccelCmdqvMode smmuv3_accel_cmdqv_mode(const SMMUv3AccelState *s)
{
    return SMMU_ACCEL_CMDQV_NONE;
}

const char *smmuv3_accel_cmdqv_why(const SMMUv3AccelState *s)
{
    return NULL;
}

void smmuv3_accel_cmdqv_take_back(SMMUv3AccelState *s, const char *why)
{
}
