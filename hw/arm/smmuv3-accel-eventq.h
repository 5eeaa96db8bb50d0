/*
 * Accelerated SMMUv3: events of the physical SMMU into the guest's queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_EVENTQ_H
#define HW_ARM_SMMUV3_ACCEL_EVENTQ_H

#include "hw/arm/smmuv3-accel.h"

/* Make the kernel's event queue exist when, and as large as, the guest's */
void smmuv3_accel_eventq_update(SMMUv3AccelState *s);
/* Before the host goes */
void smmuv3_accel_eventq_close(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_EVENTQ_H */
