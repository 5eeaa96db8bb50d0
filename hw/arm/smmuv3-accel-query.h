/*
 * Accelerated SMMUv3: what a vSMMU is and does, for the monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_QUERY_H
#define HW_ARM_SMMUV3_ACCEL_QUERY_H

#include "qapi/qapi-types-smmuv3-accel.h"
#include "hw/arm/smmuv3-accel.h"

/**
 * smmuv3_accel_query - describe a realized vSMMU
 *
 * Reads only, and makes no host call. Called by query-smmuv3-accel.
 *
 * Returns: the description, qapi_free_SMMUv3AccelInfo().
 */
SMMUv3AccelInfo *smmuv3_accel_query(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_QUERY_H */
