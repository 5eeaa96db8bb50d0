/*
 * Tegra241 CMDQV beside an SMMUv3: registers, and execution of its queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_CMDQV_DEVICE_H
#define HW_ARM_SMMUV3_CMDQV_DEVICE_H

#include "exec/memory.h"
#include "hw/arm/smmuv3.h"
#include "migration/vmstate.h"
#include "qemu/timer.h"
#include "smmuv3-cmdqv.h"

/* Of the SMMU's memory regions and interrupts as a sysbus device */
#define SMMUV3_CMDQV_MMIO   1
#define SMMUV3_CMDQV_IRQ    4

typedef struct SMMUv3CmdqvDevice {
    SMMUv3Cmdqv regs;
    SMMUv3State *smmu;
    MemoryRegion iomem;
    qemu_irq irq;
    QEMUTimer *more;            /* queues that are not empty wait for it */
    bool loaded;                /* by the current incoming migration */
    uint64_t commands, errors;  /* executed by QEMU; met in either mode */
} SMMUv3CmdqvDevice;

/* A queue has up to 2^19 commands: let other queues and the main loop run */
#define CMDQV_COMMANDS_AT_ONCE 1024

/* A subsection of the SMMU's */
extern const VMStateDescription vmstate_smmuv3_cmdqv;

/**
 * smmuv3_cmdqv_realize - make a CMDQV if x-cmdqv-vintfs= asks for one
 *
 * Called when @s has its own memory region and interrupts.
 */
bool smmuv3_cmdqv_realize(SMMUv3State *s, Error **errp);

/* Reset it, if there is one */
void smmuv3_cmdqv_device_reset(SMMUv3State *s);

/**
 * smmuv3_cmdqv_device_init - add the memory region and interrupt of a CMDQV
 * @d: regs.param, .hyp and .max_log2size are set
 * @ops: of the region, with @opaque
 * @more: timer callback on the virtual clock for smmuv3_cmdqv_soon()
 *
 * For both roles, at realize.
 */
void smmuv3_cmdqv_device_init(SMMUv3CmdqvDevice *d, SMMUv3State *s,
                              const MemoryRegionOps *ops, QEMUTimerCB *more,
                              void *opaque);
void smmuv3_cmdqv_soon(SMMUv3CmdqvDevice *d);

/**
 * smmuv3_cmdqv_consume, smmuv3_cmdqv_consume_all - execute commands
 * @limit: maximum number of commands
 *
 * Calls the hooks of the SMMU's class like its own queue does, which may drop
 * the BQL. Returns: true if there are more commands.
 */
bool smmuv3_cmdqv_consume(SMMUv3CmdqvDevice *d, unsigned q, unsigned limit);
bool smmuv3_cmdqv_consume_all(SMMUv3CmdqvDevice *d, unsigned limit);

#endif /* HW_ARM_SMMUV3_CMDQV_DEVICE_H */
