/*
 * Accelerated SMMUv3: which vCPU is at a register, and from where
 *
 * The unit tests have a fake of this file.
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
 * Whether the thread is a vCPU that left the guest for exactly this access, so
 * that no frame of another device model is on its stack. A write by a device's
 * DMA or MSI is none, nor is any without KVM, where nobody can tell.
 */
bool smmuv3_accel_vcpu_at(MemoryRegion *mr, hwaddr offset, unsigned size,
                          bool is_write);

/*
 * Whether this vCPU has stopped, or somebody waits for it to stop: vm_stop,
 * reset, migration, quit. That is said with the BQL held.
 */
bool smmuv3_accel_vcpu_shall_stop(void);

/* Whether smmuv3_accel_vcpu_run() has a vCPU that runs: with KVM only */
bool smmuv3_accel_vcpu_can_run(void);

/**
 * smmuv3_accel_vcpu_run - call @func soon on a vCPU's thread, below nothing
 *
 * Without KVM, where the BQL is never dropped, it is called at once, with
 * @alone false.
 */
void smmuv3_accel_vcpu_run(void (*func)(void *opaque, bool alone),
                           void *opaque);

#endif /* HW_ARM_SMMUV3_ACCEL_VCPU_H */
