/*
 * Accelerated SMMUv3: when the commands in the guest's queues are executed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_QUEUES_H
#define HW_ARM_SMMUV3_ACCEL_QUEUES_H

#include "hw/arm/smmuv3-accel.h"
#include "exec/memattrs.h"

/* SMMUv3Class::write_mmio */
MemTxResult smmuv3_accel_queues_write(SMMUv3AccelState *s, hwaddr offset,
                                      uint64_t data, unsigned size,
                                      MemTxAttrs attrs);

/*
 * Execute the commands in the queues of a CMDQV, as far as the caller, who is
 * between smmuv3_accel_mmio_begin() and smmuv3_accel_queues_leave(), may
 */
void smmuv3_accel_queues_consume_cmdqv(SMMUv3AccelState *s);

/* Returns: true if the queues of a CMDQV have commands for QEMU to execute */
bool smmuv3_accel_queues_is_pending(const SMMUv3AccelState *s);

/* End what smmuv3_accel_mmio_begin() has begun */
void smmuv3_accel_queues_leave(SMMUv3AccelState *s);

/*
 * Have a vCPU execute the commands that are left in the queues, as they are
 * when the machine has stopped. With TCG, the caller executes them.
 */
void smmuv3_accel_queues_resume(SMMUv3AccelState *s);

#endif /* HW_ARM_SMMUV3_ACCEL_QUEUES_H */
