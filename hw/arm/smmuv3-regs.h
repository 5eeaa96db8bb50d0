/*
 * SMMUv3: its registers, as a table (IHI 0070, 6.3)
 *
 * Pure: no device, no memory. A row describes one register of page 0. Page 1 is
 * an alias of page 0. What is in no row is RES0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_REGS_H
#define HW_ARM_SMMUV3_REGS_H

#include "exec/hwaddr.h"

/* Fields with a guard are read-only while it is 1, or its Ack (6.2) */
typedef enum SMMUv3RegGuard {
    SMMU_REG_NO_GUARD,
    SMMU_REG_SMMUEN,            /* of CR0 */
    SMMU_REG_CMDQEN,
    SMMU_REG_EVENTQEN,
    SMMU_REG_ANY_QUEUE,         /* CMDQEN, EVENTQEN or PRIQEN */
    SMMU_REG_GERROR_IRQEN,      /* of IRQ_CTRL */
    SMMU_REG_EVENTQ_IRQEN,
} SMMUv3RegGuard;

/* Fields of one register that have the same need and the same guard */
typedef struct SMMUv3RegField {
    uint64_t mask;
    uint32_t need;              /* bits of IDR0; RES0 unless all are 1 */
    SMMUv3RegGuard guard;
} SMMUv3RegField;

#define SMMU_REG_MAX_FIELDS 4

typedef struct SMMUv3Reg {
    const char *name;           /* and the title of its section */
    uint16_t offset;
    uint8_t size;               /* in bytes: 4 or 8 */
    bool ro;
    bool resets;                /* to @reset; otherwise it keeps its value */
    uint32_t reset;
    uint32_t update;            /* writes without this bit are ignored */
    SMMUv3RegField field[SMMU_REG_MAX_FIELDS];
} SMMUv3Reg;

/* The registers that decide what can be written */
typedef struct SMMUv3RegControl {
    const uint32_t *idr;        /* IDR0 to IDR5 */
    uint32_t cr0;               /* CR0 and CR0ACK, by OR */
    uint32_t irq_ctrl;
} SMMUv3RegControl;

/**
 * smmuv3_regs:
 * @n: set to the number of rows
 *
 * Returns the table, in the order of the offsets.
 */
const SMMUv3Reg *smmuv3_regs(size_t *n);

/* Returns the register with the byte at @offset of page 0, NULL if none has */
const SMMUv3Reg *smmuv3_reg_find(hwaddr offset);

/* Returns the bits that @reg has; the others are RES0 */
uint64_t smmuv3_reg_bits(const SMMUv3Reg *reg, const uint32_t *idr);

/* Returns the bits that a write changes now */
uint64_t smmuv3_reg_writable(const SMMUv3Reg *reg, const SMMUv3RegControl *c);

/**
 * smmuv3_reg_write:
 * @offset: of the access, in page 0
 * @size: of the access: 4 or 8
 * @value: the value of the whole register, which this changes
 *
 * Returns false if the write is ignored.
 */
bool smmuv3_reg_write(const SMMUv3Reg *reg, const SMMUv3RegControl *c,
                      hwaddr offset, unsigned size, uint64_t data,
                      uint64_t *value);

/*
 * What registers with any value mean. Values out of range, which can be read
 * back, act as the nearest legal one.
 */

/* The log2 of the entries of a queue, for an IDR1 field of @max */
unsigned smmuv3_queue_log2size(uint64_t base, unsigned max);

/* The address of a queue, aligned to its size */
uint64_t smmuv3_queue_addr(uint64_t base, unsigned log2size,
                           unsigned entry_size);

/* The log2 of the StreamIDs in the stream table */
unsigned smmuv3_strtab_log2size(uint32_t cfg, const uint32_t *idr);

/* The StreamID bits that index level 2, 0 if the table is linear */
unsigned smmuv3_strtab_split(uint32_t cfg, const uint32_t *idr);

/* The address of a linear table or of level 1, aligned to its size */
uint64_t smmuv3_strtab_addr(uint64_t base, uint32_t cfg, const uint32_t *idr);

#endif /* HW_ARM_SMMUV3_REGS_H */
