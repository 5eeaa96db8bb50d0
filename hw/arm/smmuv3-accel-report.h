/*
 * Accelerated SMMUv3: messages about errors at run time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_REPORT_H
#define HW_ARM_SMMUV3_ACCEL_REPORT_H

#include "hw/arm/smmuv3-accel.h"

/**
 * smmuv3_accel_complain - report an error at run time
 * @err: consumed
 *
 * Prints one message in five seconds, because the guest may be able to repeat
 * the cause.
 */
void smmuv3_accel_complain(SMMUv3AccelState *s, Error *err);

/**
 * smmuv3_accel_report_exposed - report that a device's DMA could not be blocked
 * @err: consumed
 *
 * Prints one message in five seconds, which no other message can suppress. The
 * caller repeats it as long as the condition lasts.
 */
void smmuv3_accel_report_exposed(SMMUv3AccelState *s, Error *err);

#endif /* HW_ARM_SMMUV3_ACCEL_REPORT_H */
