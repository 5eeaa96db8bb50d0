/*
 * Accelerated SMMUv3: which vCPU accesses a register, and from where
 *
 * The unit tests have a fake implementation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_VCPU_H
#define HW_ARM_SMMUV3_ACCEL_VCPU_H

#include "exec/memory.h"

/**
 * smmuv3_accel_vcpu_at - is this access the guest's own instruction?
 * @mr: the region accessed
 *
 * Returns: true if the thread is a vCPU whose current exit is exactly this
 * access, so no other device model is on its stack. False for a write by a
 * device's DMA or MSI, and always without KVM, where this is unknown.
 */
bool smmuv3_accel_vcpu_at(MemoryRegion *mr, hwaddr offset, unsigned size,
                          bool is_write);

/*
 * Whether this vCPU has stopped, or has been asked to stop: by vm_stop, reset,
 * migration or quit, which do so with the BQL held.
 */
bool smmuv3_accel_vcpu_shall_stop(void);

/* Whether smmuv3_accel_vcpu_run() can use a running vCPU: only with KVM */
bool smmuv3_accel_vcpu_can_run(void);

/**
 * smmuv3_accel_vcpu_run - call @func soon at the top level of a vCPU thread
 *
 * Without KVM, where the BQL is never dropped, @func is called at once, with
 * @alone false.
 */
void smmuv3_accel_vcpu_run(void (*func)(void *opaque, bool alone),
                           void *opaque);

#endif /* HW_ARM_SMMUV3_ACCEL_VCPU_H */
