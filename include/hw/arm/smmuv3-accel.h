/*
 * Accelerated SMMUv3: stage 1 of the guest walked by the host's SMMUv3
 *
 * The interface for the board; the rest is in hw/arm/smmuv3-accel-state.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_H
#define HW_ARM_SMMUV3_ACCEL_H

#include "exec/hwaddr.h"
#include "hw/arm/smmuv3.h"
#include "qapi/error.h"
#include "qom/object.h"

OBJECT_DECLARE_SIMPLE_TYPE(SMMUv3AccelState, ARM_SMMUV3_ACCEL)

/**
 * smmuv3_accel_set_msi_doorbell - set the doorbell of the MSI controller
 * @s: the vSMMU
 * @gpa: guest physical address of the doorbell register (GITS_TRANSLATER, or
 *       SETSPI_NS of a GICv2m frame); 0: there is none
 *
 * Called by the board when it plugs the vSMMU. MSIs of host devices are routed
 * to @gpa, regardless of the doorbell's address in the guest's stage 1.
 */
static inline void smmuv3_accel_set_msi_doorbell(SMMUv3AccelState *s,
                                                 hwaddr gpa)
{
    /* Use a property, so that a board links without the device */
    object_property_set_uint(OBJECT(s), "x-msi-doorbell", gpa, &error_abort);
}

#endif /* HW_ARM_SMMUV3_ACCEL_H */
