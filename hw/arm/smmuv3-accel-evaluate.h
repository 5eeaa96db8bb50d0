/*
 * Accelerated SMMUv3: what host devices are attached to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_EVALUATE_H
#define HW_ARM_SMMUV3_ACCEL_EVALUATE_H

#include "smmuv3-accel-state.h"

/*
 * The StreamID as of now. A bus behind a bridge has no number until the guest
 * gives it one, and a device there no StreamID: false.
 */
bool smmuv3_accel_device_sid(const SMMUv3AccelDevice *dev, uint32_t *sid);

/**
 * smmuv3_accel_evaluate - make attachments what the guest configured
 * @first: first StreamID concerned
 * @last: last one; 0 to UINT32_MAX for all devices
 *
 * Idempotent. Called by whatever may have changed the outcome: a control
 * register, a configuration command, reset, a bridge that gets another bus
 * number, lost invalidations. A device whose StreamID is found to have changed
 * is always concerned. Groups that the host refuses to attach as wanted end
 * with their DMA blocked, and a message. What the guest got wrong is recorded
 * in its event queue. Events and messages come after the last attachment, and
 * may change anything.
 */
void smmuv3_accel_evaluate(SMMUv3AccelState *s, uint32_t first, uint32_t last);

/* The same for devices without a StreamID yet, or with another one than before */
void smmuv3_accel_evaluate_moved(SMMUv3AccelState *s);

/**
 * smmuv3_accel_evaluate_plug - attach a device that has just joined its group
 *
 * For plug, which can fail; all others call smmuv3_accel_evaluate(). Returns:
 * false with @errp set if the host refuses; the caller takes the device away.
 */
bool smmuv3_accel_evaluate_plug(SMMUv3AccelState *s, SMMUv3AccelDevice *dev,
                                Error **errp);

/* Whether a device has DMA that the guest does not want, and nobody could stop */
bool smmuv3_accel_is_exposed(SMMUv3AccelState *s);

/* Timer of who is exposed: try again, and say so again */
void smmuv3_accel_exposed_timer(void *opaque);

#endif /* HW_ARM_SMMUV3_ACCEL_EVALUATE_H */
