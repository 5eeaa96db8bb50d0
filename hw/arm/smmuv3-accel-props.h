/*
 * Accelerated SMMUv3: properties
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_PROPS_H
#define HW_ARM_SMMUV3_ACCEL_PROPS_H

#include "hw/arm/smmuv3-accel.h"

/* Called by class_init */
void smmuv3_accel_class_add_props(ObjectClass *oc);

/*
 * Take over what is a property of arm-smmuv3 already. Called by realize.
 * Returns: false with @errp set if a value cannot be read.
 */
bool smmuv3_accel_props_to_spec(SMMUv3AccelState *s, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_PROPS_H */
