/*
 * Accelerated SMMUv3: properties
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_PROPS_H
#define HW_ARM_SMMUV3_ACCEL_PROPS_H

#include "qom/object.h"

/* Called by class_init */
void smmuv3_accel_class_add_props(ObjectClass *oc);

#endif /* HW_ARM_SMMUV3_ACCEL_PROPS_H */
