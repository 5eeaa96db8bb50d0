/*
 * Tegra241 CMDQV beside an emulated SMMUv3
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
} SMMUv3CmdqvDevice;

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

#endif /* HW_ARM_SMMUV3_CMDQV_DEVICE_H */
