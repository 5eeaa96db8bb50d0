/*
 * Accelerated SMMUv3: who writes registers while the BQL is dropped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_MMIO_H
#define HW_ARM_SMMUV3_ACCEL_MMIO_H

#include "hw/arm/smmuv3-accel.h"
#include "exec/memattrs.h"
#include "exec/memory.h"

/* Called by realize */
void smmuv3_accel_mmio_init(SMMUv3AccelState *s);

/**
 * smmuv3_accel_mmio_unlock - drop the BQL if nothing stands against it
 *
 * Called around a host call that may take long, within a register write. What
 * SMMUv3AccelMMIO does not guard may be another when the BQL is back.
 *
 * Returns: whether it was dropped, to be passed to smmuv3_accel_mmio_lock().
 */
bool smmuv3_accel_mmio_unlock(SMMUv3AccelState *s);
void smmuv3_accel_mmio_lock(SMMUv3AccelState *s, bool unlocked);

/**
 * smmuv3_accel_mmio_breathe - let others have the BQL once in a while
 *
 * Called between two commands. As after smmuv3_accel_mmio_unlock().
 */
void smmuv3_accel_mmio_breathe(SMMUv3AccelState *s);

/**
 * smmuv3_accel_mmio_begin - begin to write registers, or to execute commands
 * @may_unlock: whether the guest's own access is all that is on the stack, so
 *              that the BQL may be dropped
 *
 * Waits until no other thread does. smmuv3_accel_queues_leave() has to follow.
 */
void smmuv3_accel_mmio_begin(SMMUv3AccelState *s, bool may_unlock);

/**
 * smmuv3_accel_mmio_enter - the same for a write to a region of the SMMU
 * @offset: of the write, for the log
 * @alone: as smmuv3_accel_vcpu_at() says; if not, a device model writes, which
 *         does not wait
 *
 * Returns: false if the write must be refused.
 */
bool smmuv3_accel_mmio_enter(SMMUv3AccelState *s, hwaddr offset, bool alone);

/*
 * Returns: true if another thread has handed over its doorbell: then execute
 * the commands in the queues, and call this again. If not, the others go on.
 */
bool smmuv3_accel_mmio_end(SMMUv3AccelState *s);

/**
 * smmuv3_accel_mmio_hand_over - leave a doorbell to the thread that is busy
 *
 * That thread looks at the queues after every command, and once more before it
 * leaves.
 *
 * Returns: false if there is no such thread, or if it has done enough for
 * others: use smmuv3_accel_mmio_begin().
 */
bool smmuv3_accel_mmio_hand_over(SMMUv3AccelState *s);

/*
 * Returns: true if the thread that has entered may execute commands. If not,
 * they remain for smmuv3_accel_queues_resume().
 */
bool smmuv3_accel_mmio_may_work(const SMMUv3AccelState *s);

/**
 * smmuv3_accel_mmio_wait - wait until no thread writes registers, or waits to
 *
 * For a read by a vCPU that polls for the completion of another vCPU's write,
 * and would only read again.
 */
void smmuv3_accel_mmio_wait(SMMUv3AccelState *s, MemoryRegion *mr,
                            hwaddr offset, unsigned size);

/**
 * smmuv3_accel_mmio_wait_next - wait for the end of the next write, or @ms
 *
 * For the same read if it has no news.
 *
 * Returns: false at once if nobody may wait: below another device model, or if
 * the vCPU has been asked to stop.
 */
bool smmuv3_accel_mmio_wait_next(SMMUv3AccelState *s, MemoryRegion *mr,
                                 hwaddr offset, unsigned size, int ms);

#endif /* HW_ARM_SMMUV3_ACCEL_MMIO_H */
