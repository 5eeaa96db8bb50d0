/*
 * Accelerated SMMUv3: attach host devices as the guest wants
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_EVALUATE_H
#define HW_ARM_SMMUV3_ACCEL_EVALUATE_H

#include "hw/arm/smmuv3-accel.h"

struct SMMUv3AccelDevice;

/*
 * Get the current StreamID. Returns false if there is none, because the bus is
 * behind a bridge and the guest has not given it a number yet.
 */
bool smmuv3_accel_device_sid(const struct SMMUv3AccelDevice *dev,
                             uint32_t *sid);

/**
 * smmuv3_accel_evaluate - attach devices as the guest has configured
 * @first: first StreamID to evaluate
 * @last: last one; 0 to UINT32_MAX for all devices
 *
 * Idempotent. Call it whenever the result may have changed: after a write of a
 * control register, a configuration command, a reset, a new bus number of a
 * bridge, lost invalidations. Devices whose StreamID has changed are always
 * included. If the host refuses an attachment, the DMA of the group is blocked,
 * with a message. Errors of the guest are recorded in its event queue. Events
 * and messages are sent after the last attachment, and may change any state.
 */
void smmuv3_accel_evaluate(SMMUv3AccelState *s, uint32_t first, uint32_t last);

/* The same for devices that have no StreamID yet, or whose StreamID changed */
void smmuv3_accel_evaluate_moved(SMMUv3AccelState *s);

/**
 * smmuv3_accel_evaluate_plug - attach a device that has just joined its group
 *
 * For plug, which can fail; all others call smmuv3_accel_evaluate(). Returns:
 * false with @errp set if the host refuses; then the caller removes the device.
 */
bool smmuv3_accel_evaluate_plug(SMMUv3AccelState *s,
                                struct SMMUv3AccelDevice *dev, Error **errp);

/* Whether a device does DMA that the guest forbids and the host cannot block */
bool smmuv3_accel_is_exposed(SMMUv3AccelState *s);

/* Timer for exposed devices: try to block them, and report them again */
void smmuv3_accel_exposed_timer(void *opaque);

#endif /* HW_ARM_SMMUV3_ACCEL_EVALUATE_H */
