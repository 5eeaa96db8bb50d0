/*
 * Accelerated SMMUv3: register writes that wait for the host without the BQL
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

/* SMMUv3Class::write_mmio */
MemTxResult smmuv3_accel_mmio_write(SMMUv3AccelState *s, hwaddr offset,
                                    uint64_t data, unsigned size,
                                    MemTxAttrs attrs);

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
 * smmuv3_accel_mmio_enter - begin a write to another region of the SMMU
 * @mr, @offset, @size: the access
 *
 * Waits until no other thread writes registers.
 *
 * Returns: false if the access must be refused, else
 * smmuv3_accel_mmio_leave() has to follow.
 */
bool smmuv3_accel_mmio_enter(SMMUv3AccelState *s, MemoryRegion *mr,
                             hwaddr offset, unsigned size);
void smmuv3_accel_mmio_leave(SMMUv3AccelState *s);

/*
 * Returns: true if the thread that has entered may execute commands. If not,
 * they remain for smmuv3_accel_mmio_resume().
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

/* Execute commands that were left in a queue, as when the machine stopped */
void smmuv3_accel_mmio_resume(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_MMIO_H */
