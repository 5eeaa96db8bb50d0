/*
 * Accelerated SMMUv3: register writes that wait for the host without the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_MMIO_H
#define HW_ARM_SMMUV3_ACCEL_MMIO_H

#include "hw/arm/smmuv3-accel.h"
#include "exec/memattrs.h"

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

/* Go on with commands that were left in the queue because the machine stopped */
void smmuv3_accel_mmio_resume(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_MMIO_H */
