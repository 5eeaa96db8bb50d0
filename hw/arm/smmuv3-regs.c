/*
 * SMMUv3: its registers, as a table (IHI 0070, 6.3)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-regs.h"

#define ATS         R_IDR0_ATS_MASK
#define ATSRECERR   R_IDR0_ATSRECERR_MASK
#define BTM         R_IDR0_BTM_MASK
#define HYP         R_IDR0_HYP_MASK
#define MSI         R_IDR0_MSI_MASK
#define PRI         R_IDR0_PRI_MASK
#define VMW         R_IDR0_VMW_MASK
#define TWO_LEVELS  (1U << R_IDR0_STLEVEL_SHIFT)

/* Bit 62 of a base register: the Read-Allocate or Write-Allocate hint */
#define HINT        BIT_ULL(62)

/* An ID register: @reg is its name and that of its offset */
#define ID(reg) { .name = #reg, .offset = A_##reg, .size = 4, .ro = true }

/* The Nth of the registers of IMPLEMENTATION DEFINED use, 0xfd0 to 0xffc */
#define ID_REG(n)                                                           \
    { .name = "ID_REGS", .offset = A_IDREGS + 4 * (n), .size = 4, .ro = true }

/* CR0 and CR0ACK, IRQ_CTRL and IRQ_CTRLACK, GERROR and GERRORN */
#define CR0_FIELDS .field = {                                               \
        { .mask = 0xd },                    /* CMDQEN, EVENTQEN, SMMUEN */  \
        { .mask = BIT(1), .need = PRI },    /* PRIQEN */                    \
        { .mask = BIT(4), .need = ATS },    /* ATSCHK */                    \
        { .mask = 0x1c0, .need = VMW },     /* VMW */                       \
    }
#define IRQ_CTRL_FIELDS .field = {                                          \
        { .mask = 0x5 },                    /* EVENTQ_IRQEN, GERROR_IRQEN */ \
        { .mask = BIT(1), .need = PRI },    /* PRIQ_IRQEN */                \
    }
#define GERROR_FIELDS .field = {                                            \
        { .mask = 0x105 },                  /* SFM, EVENTQ_ABT, CMDQ */     \
        { .mask = 0xb0, .need = MSI },      /* MSI_{GERROR,EVENTQ,CMDQ} */  \
        { .mask = BIT(3), .need = PRI },    /* PRIQ_ABT */                  \
        { .mask = BIT(6), .need = MSI | PRI },  /* MSI_PRIQ_ABT */          \
    }

/* The registers that configure the MSI of an interrupt: address, data, type */
#define IRQ_CFG(irq, n, bytes, bits)                                        \
    { .name = #irq "_IRQ_CFG" #n, .offset = A_##irq##_IRQ_CFG##n,           \
      .size = bytes, .field = { { bits, MSI, SMMU_REG_##irq##_IRQEN } } }

/*
 * Registers and fields that are left out belong to features that no subclass
 * has: a PRI queue, ATOS, MPAM, DPT, preset tables, enhanced command queues.
 * PROD and CONS have all bits of an index, also if the queue needs fewer.
 */
static const SMMUv3Reg regs[] = {
    ID(IDR0), ID(IDR1), ID(IDR2), ID(IDR3), ID(IDR4), ID(IDR5),
    ID(IIDR), ID(AIDR),
    { .name = "CR0", .offset = A_CR0, .size = 4, .resets = true,
      CR0_FIELDS },
    { .name = "CR0ACK", .offset = A_CR0ACK, .size = 4, .ro = true,
      .resets = true, CR0_FIELDS },
    { .name = "CR1", .offset = A_CR1, .size = 4,
      .field = {
          { .mask = 0xfc0, .guard = SMMU_REG_SMMUEN },      /* TABLE_* */
          { .mask = 0x3f, .guard = SMMU_REG_ANY_QUEUE },    /* QUEUE_* */
      } },
    { .name = "CR2", .offset = A_CR2, .size = 4,
      .field = {
          { R_CR2_RECINVSID_MASK, 0, SMMU_REG_SMMUEN },
          { BIT(0), HYP, SMMU_REG_SMMUEN },                 /* E2H */
          { BIT(2), BTM, SMMU_REG_SMMUEN },                 /* PTM */
          { BIT(3), ATSRECERR, SMMU_REG_SMMUEN },           /* REC_CFG_ATS */
      } },
    { .name = "STATUSR", .offset = A_STATUSR, .size = 4, .ro = true,
      .resets = true },
    /* Without IDR1.ATTR_*_OVR, the attributes are stored but have no effect */
    { .name = "GBPA", .offset = A_GBPA, .size = 4, .resets = true,
      .reset = SMMU_GBPA_RESET_VAL, .update = R_GBPA_UPDATE_MASK,
      .field = { { .mask = R_GBPA_ABORT_MASK | 0xf3f1f } } },
    { .name = "IRQ_CTRL", .offset = A_IRQ_CTRL, .size = 4, .resets = true,
      IRQ_CTRL_FIELDS },
    { .name = "IRQ_CTRLACK", .offset = A_IRQ_CTRL_ACK, .size = 4, .ro = true,
      .resets = true, IRQ_CTRL_FIELDS },
    { .name = "GERROR", .offset = A_GERROR, .size = 4, .ro = true,
      .resets = true, GERROR_FIELDS },
    { .name = "GERRORN", .offset = A_GERRORN, .size = 4, .resets = true,
      GERROR_FIELDS },
    IRQ_CFG(GERROR, 0, 8, SMMU_MSI_ADDR_MASK),
    IRQ_CFG(GERROR, 1, 4, UINT32_MAX),
    IRQ_CFG(GERROR, 2, 4, 0x3f),                /* SH, MemAttr */
    { .name = "STRTAB_BASE", .offset = A_STRTAB_BASE, .size = 8,
      .field = { { HINT | SMMU_BASE_ADDR_MASK, 0, SMMU_REG_SMMUEN } } },
    { .name = "STRTAB_BASE_CFG", .offset = A_STRTAB_BASE_CFG, .size = 4,
      .field = {
          { R_STRTAB_BASE_CFG_LOG2SIZE_MASK, 0, SMMU_REG_SMMUEN },
          { R_STRTAB_BASE_CFG_SPLIT_MASK | R_STRTAB_BASE_CFG_FMT_MASK,
            TWO_LEVELS, SMMU_REG_SMMUEN },
      } },
    { .name = "CMDQ_BASE", .offset = A_CMDQ_BASE, .size = 8,
      .field = { { HINT | SMMU_QUEUE_ADDR_MASK | 0x1f, 0, SMMU_REG_CMDQEN } } },
    { .name = "CMDQ_PROD", .offset = A_CMDQ_PROD, .size = 4, .resets = true,
      .field = { { .mask = 0xfffff } } },
    { .name = "CMDQ_CONS", .offset = A_CMDQ_CONS, .size = 4, .resets = true,
      .field = { { R_CMDQ_CONS_ERR_MASK | 0xfffff, 0, SMMU_REG_CMDQEN } } },
    { .name = "EVENTQ_BASE", .offset = A_EVENTQ_BASE, .size = 8,
      .field = { { HINT | SMMU_QUEUE_ADDR_MASK | 0x1f, 0,
                   SMMU_REG_EVENTQEN } } },
    { .name = "EVENTQ_PROD", .offset = A_EVENTQ_PROD, .size = 4, .resets = true,
      .field = { { EVT_Q_OVERFLOW | 0xfffff, 0, SMMU_REG_EVENTQEN } } },
    { .name = "EVENTQ_CONS", .offset = A_EVENTQ_CONS, .size = 4, .resets = true,
      .field = { { .mask = EVT_Q_OVERFLOW | 0xfffff } } },
    IRQ_CFG(EVENTQ, 0, 8, SMMU_MSI_ADDR_MASK),
    IRQ_CFG(EVENTQ, 1, 4, UINT32_MAX),
    IRQ_CFG(EVENTQ, 2, 4, 0x3f),                /* SH, MemAttr */
    ID_REG(0), ID_REG(1), ID_REG(2), ID_REG(3), ID_REG(4), ID_REG(5),
    ID_REG(6), ID_REG(7), ID_REG(8), ID_REG(9), ID_REG(10), ID_REG(11),
};

const SMMUv3Reg *smmuv3_regs(size_t *n)
{
    *n = ARRAY_SIZE(regs);
    return regs;
}

const SMMUv3Reg *smmuv3_reg_find(hwaddr offset)
{
    for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
        if (offset - regs[i].offset < regs[i].size) {
            return &regs[i];
        }
    }
    return NULL;
}

static bool has_field(const SMMUv3RegField *field, const uint32_t *idr)
{
    return (idr[0] & field->need) == field->need;
}

uint64_t smmuv3_reg_bits(const SMMUv3Reg *reg, const uint32_t *idr)
{
    uint64_t bits = 0;

    if (reg->ro && !reg->field[0].mask) {
        /* The whole register is one constant */
        return UINT32_MAX;
    }
    for (int i = 0; i < SMMU_REG_MAX_FIELDS; i++) {
        if (has_field(&reg->field[i], idr)) {
            bits |= reg->field[i].mask;
        }
    }
    return bits;
}

static bool is_guarded(SMMUv3RegGuard guard, const SMMUv3RegControl *c)
{
    static const uint32_t cr0[] = {
        [SMMU_REG_SMMUEN] = R_CR0_SMMU_ENABLE_MASK,
        [SMMU_REG_CMDQEN] = R_CR0_CMDQEN_MASK,
        [SMMU_REG_EVENTQEN] = R_CR0_EVENTQEN_MASK,
        [SMMU_REG_ANY_QUEUE] = R_CR0_CMDQEN_MASK | R_CR0_EVENTQEN_MASK |
                               R_CR0_PRIQEN_MASK,
        [SMMU_REG_EVENTQ_IRQEN] = 0,
    };
    static const uint32_t irq_ctrl[] = {
        [SMMU_REG_GERROR_IRQEN] = R_IRQ_CTRL_GERROR_IRQEN_MASK,
        [SMMU_REG_EVENTQ_IRQEN] = R_IRQ_CTRL_EVENTQ_IRQEN_MASK,
    };

    return c->cr0 & cr0[guard] || c->irq_ctrl & irq_ctrl[guard];
}

uint64_t smmuv3_reg_writable(const SMMUv3Reg *reg, const SMMUv3RegControl *c)
{
    uint64_t bits = 0;

    for (int i = 0; i < SMMU_REG_MAX_FIELDS && !reg->ro; i++) {
        const SMMUv3RegField *field = &reg->field[i];

        if (has_field(field, c->idr) && !is_guarded(field->guard, c)) {
            bits |= field->mask;
        }
    }
    return bits;
}

bool smmuv3_reg_write(const SMMUv3Reg *reg, const SMMUv3RegControl *c,
                      hwaddr offset, unsigned size, uint64_t data,
                      uint64_t *value)
{
    unsigned shift = (offset - reg->offset) * 8;
    uint64_t mask = smmuv3_reg_writable(reg, c) &
                    MAKE_64BIT_MASK(shift, size * 8);

    data <<= shift;
    if (!mask || (data & reg->update) != reg->update) {
        return false;
    }
    /* Drop reserved bits that an older QEMU has stored, and migrated */
    *value &= smmuv3_reg_bits(reg, c->idr);
    *value = (*value & ~mask) | (data & mask);
    return true;
}

unsigned smmuv3_queue_log2size(uint64_t base, unsigned max)
{
    return MIN(extract64(base, 0, 5), max);
}

/* Clears the lowest @bits of @addr */
static uint64_t align_down(uint64_t addr, unsigned bits)
{
    return bits < 64 ? addr & (UINT64_MAX << bits) : 0;
}

uint64_t smmuv3_queue_addr(uint64_t base, unsigned log2size,
                           unsigned entry_size)
{
    return align_down(base & SMMU_QUEUE_ADDR_MASK,
                      log2size + ctz32(entry_size));
}

unsigned smmuv3_strtab_log2size(uint32_t cfg, const uint32_t *idr)
{
    return MIN(FIELD_EX32(cfg, STRTAB_BASE_CFG, LOG2SIZE),
               FIELD_EX32(idr[1], IDR1, SIDSIZE));
}

unsigned smmuv3_strtab_split(uint32_t cfg, const uint32_t *idr)
{
    unsigned split = FIELD_EX32(cfg, STRTAB_BASE_CFG, SPLIT);

    if (!(idr[0] & TWO_LEVELS) || FIELD_EX32(cfg, STRTAB_BASE_CFG, FMT) != 1) {
        return 0;
    }
    return split == 8 || split == 10 ? split : 6;
}

/* The alignment follows LOG2SIZE as it is written, beyond IDR1.SIDSIZE, too */
uint64_t smmuv3_strtab_addr(uint64_t base, uint32_t cfg, const uint32_t *idr)
{
    unsigned log2size = FIELD_EX32(cfg, STRTAB_BASE_CFG, LOG2SIZE);
    unsigned split = smmuv3_strtab_split(cfg, idr);
    /* An STE has 64 bytes, a level 1 descriptor has 8 */
    int bits = split ? (int)log2size - (int)split + 3 : log2size + 6;

    return align_down(base & SMMU_BASE_ADDR_MASK, MAX(bits, 6));
}
