/*
 * Accelerated SMMUv3: move events of the physical SMMU to the guest's queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_EVENTQ_H
#define HW_ARM_SMMUV3_ACCEL_EVENTQ_H

#include "hw/arm/smmuv3-accel.h"

/* Create or free the kernel's event queue to match the guest's queue */
void smmuv3_accel_eventq_update(SMMUv3AccelState *s);
/* Called before the host object is released */
void smmuv3_accel_eventq_close(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_EVENTQ_H */
