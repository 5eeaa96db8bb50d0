/*
 * Accelerated SMMUv3: messages about what went wrong at run time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_REPORT_H
#define HW_ARM_SMMUV3_ACCEL_REPORT_H

#include "hw/arm/smmuv3-accel.h"

/**
 * smmuv3_accel_complain - report what went wrong on behalf of the guest
 * @err: consumed
 *
 * One message in five seconds, as the guest may be able to repeat the cause.
 */
void smmuv3_accel_complain(SMMUv3AccelState *s, Error *err);

/**
 * smmuv3_accel_report_exposed - report that a device's DMA could not be blocked
 * @err: consumed
 *
 * One message in five seconds, which no other message can hold back: the caller
 * repeats it until it is over.
 */
void smmuv3_accel_report_exposed(SMMUv3AccelState *s, Error *err);

#endif /* HW_ARM_SMMUV3_ACCEL_REPORT_H */
