/*
 * Accelerated SMMUv3: what the base class calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_HOOKS_H
#define HW_ARM_SMMUV3_ACCEL_HOOKS_H

#include "hw/arm/smmuv3-accel.h"

/* Called by class_init: fills in the hooks of SMMUv3Class */
void smmuv3_accel_class_add_hooks(ObjectClass *oc);

/* Called when the machine has started to run: everything is evaluated anew */
void smmuv3_accel_started(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_HOOKS_H */
