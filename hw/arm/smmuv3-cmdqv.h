/*
 * Tegra241 CMDQV: more command queues for an SMMUv3, some for its guests
 *
 * A CMDQV stands beside one SMMUv3. Its command queues (VCMDQs, numbered
 * globally) are given to virtual interfaces (VINTFs), which have them as
 * logical queues (LVCMDQs) 0, 1, ... There is no public manual; what is here
 * is what Linux's driver knows, drivers/iommu/arm/arm-smmu-v3/tegra241-cmdqv.c.
 *
 * Pure: registers, and what a command may do. Who reads the queues, and
 * whether that is QEMU at all, is the caller's business. It serves two roles:
 * a server's CMDQV, which has VINTFs to give away and whose owner may have all
 * of the SMMU's commands (@hyp), and that of a guest, which has neither.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_CMDQV_H
#define HW_ARM_SMMUV3_CMDQV_H

#include "exec/hwaddr.h"
#include "hw/arm/smmuv3.h"
#include "hw/registerfields.h"
#include "qemu/host-utils.h"
#include "smmuv3-internal.h"

#define CMDQV_MAX_VINTFS    64
#define CMDQV_MAX_VCMDQS    128
#define CMDQV_MAX_SIDS      16
#define CMDQV_MAX_LOG2SIZE  19

/* Pages; that of VINTF v and its twin, at CMDQV_VINTF + v * CMDQV_VINTF_SIZE */
#define CMDQV_PAGE_SIZE     0x10000
#define CMDQV_VCMDQ0        0x10000     /* control of all VCMDQs */
#define CMDQV_VCMDQ1        0x20000     /* their addresses */
#define CMDQV_VINTF         0x30000     /* the same, of a VINTF's LVCMDQs */
#define CMDQV_VINTF_SIZE    0x20000
#define CMDQV_SLOT_SIZE     0x80        /* of a queue, in each of them */

/* The configuration page */
REG32(CMDQV_CONFIG,             0x0)
    FIELD(CMDQV_CONFIG, EN,             0, 1)
    FIELD(CMDQV_CONFIG, CONS_DRAM_EN,   20, 1)
REG32(CMDQV_PARAM,              0x4)
    FIELD(CMDQV_PARAM, VER,             0, 4)
    FIELD(CMDQV_PARAM, LOG2_VCMDQS,     4, 4)
    FIELD(CMDQV_PARAM, LOG2_VINTFS,     8, 4)
    FIELD(CMDQV_PARAM, LOG2_SIDS,       12, 4)
REG32(CMDQV_STATUS,             0x8)
REG32(CMDQV_VINTF_ERR_MAP,      0x14)   /* 2 registers */
REG32(CMDQV_VINTF_INT_MASK,     0x1c)   /* 2 */
REG32(CMDQV_CMDQ_ERR_MAP,       0x24)   /* 4 */
REG32(CMDQV_CMDQ_ALLOC_MAP,     0x200)  /* 128 */
    FIELD(CMDQV_CMDQ_ALLOC_MAP, ALLOC,  0, 1)
    FIELD(CMDQV_CMDQ_ALLOC_MAP, LVCMDQ, 1, 7)
    FIELD(CMDQV_CMDQ_ALLOC_MAP, VINTF,  15, 6)

/* In it, the registers of VINTF v, at CMDQV_VINTF_REGS + 0x100 * v */
#define CMDQV_VINTF_REGS        0x1000
#define CMDQV_VINTF_REGS_SIZE   0x100
REG32(VINTF_CONFIG,             0x0)
    FIELD(VINTF_CONFIG, EN,             0, 1)
    FIELD(VINTF_CONFIG, VMID,           1, 16)
    FIELD(VINTF_CONFIG, HYP_OWN,        17, 1)
REG32(VINTF_STATUS,             0x4)
    FIELD(VINTF_STATUS, ENABLED,        0, 1)
    FIELD(VINTF_STATUS, STATUS,         1, 3)
    FIELD(VINTF_STATUS, NUM_LVCMDQS,    16, 8)
REG32(VINTF_SID_MATCH,          0x40)   /* 16 */
    FIELD(VINTF_SID_MATCH, ENABLE,      0, 1)
    FIELD(VINTF_SID_MATCH, VIRT_SID,    1, 20)
REG32(VINTF_SID_REPLACE,        0x80)   /* 16 */
    FIELD(VINTF_SID_REPLACE, PHYS_SID,  0, 20)
REG32(VINTF_LVCMDQ_ERR_MAP,     0xc0)   /* 4 */

/* A queue: its slot in page 0 */
REG32(VCMDQ_CONS,               0x0)
    FIELD(VCMDQ_CONS, INDEX,            0, 20)
    FIELD(VCMDQ_CONS, ERR,              24, 7)
REG32(VCMDQ_PROD,               0x4)
REG32(VCMDQ_CONFIG,             0x8)
    FIELD(VCMDQ_CONFIG, EN,             0, 1)
REG32(VCMDQ_STATUS,             0xc)
    FIELD(VCMDQ_STATUS, EN_OK,          0, 1)
REG32(VCMDQ_GERROR,             0x10)
    FIELD(VCMDQ_GERROR, CMDQ_ERR,       0, 1)
    FIELD(VCMDQ_GERROR, CONS_DRAM_WR_ABT, 1, 1)
    FIELD(VCMDQ_GERROR, CMDQ_INIT_ERR,  2, 1)
REG32(VCMDQ_GERRORN,            0x14)

#define CMDQV_SLOT_REGS     (A_VCMDQ_GERRORN / 4 + 1)

/* ... and in page 1 */
REG64(VCMDQ_BASE,               0x0)
    FIELD(VCMDQ_BASE, LOG2SIZE,         0, 5)
REG64(VCMDQ_CONS_INDX_BASE,     0x8)

/* VCMDQ_CONS.ERR: SMMUCmdError, and one more */
enum {
    CMDQV_CERROR_ACCESS = 4,    /* a command that the owner may not use */
};

typedef struct SMMUv3Vcmdq {
    uint32_t alloc;             /* CMDQ_ALLOC_MAP */
    uint32_t cons;
    uint32_t prod;
    uint32_t config;
    uint32_t status;
    uint32_t gerror;
    uint32_t gerrorn;
    uint64_t base;
    uint64_t cons_base;
} SMMUv3Vcmdq;

typedef struct SMMUv3Vintf {
    uint32_t config;
    uint32_t sid_match[CMDQV_MAX_SIDS];
    uint32_t sid_replace[CMDQV_MAX_SIDS];
} SMMUv3Vintf;

typedef struct SMMUv3Cmdqv {
    /* What it is; set before the first reset */
    uint32_t param;             /* PARAM */
    bool hyp;                   /* HYP_OWN can be set */
    uint8_t max_log2size;       /* of a queue; more does not enable */

    uint32_t config;
    uint64_t vintf_int_mask;
    SMMUv3Vintf vintf[CMDQV_MAX_VINTFS];
    SMMUv3Vcmdq vcmdq[CMDQV_MAX_VCMDQS];
} SMMUv3Cmdqv;

/* What the caller has to do about a write */
typedef enum SMMUv3CmdqvEffect {
    CMDQV_EFFECT_NONE,
    CMDQV_EFFECT_RECONFIGURE,   /* queues may have been stopped or moved */
    CMDQV_EFFECT_DISABLE,       /* queue @q has been stopped by its EN */
    CMDQV_EFFECT_ENABLE,        /* queue @q runs; there may be commands */
    CMDQV_EFFECT_DOORBELL,      /* queue @q has commands, or goes on */
} SMMUv3CmdqvEffect;

typedef struct SMMUv3CmdqvOutcome {
    SMMUv3CmdqvEffect effect;
    unsigned q;
    bool irq;                   /* pulse the interrupt */
} SMMUv3CmdqvOutcome;

/* Where a register is; the same for all its names */
typedef enum SMMUv3CmdqvPage {
    CMDQV_PAGE_NONE,            /* reads as zero, ignores writes */
    CMDQV_PAGE_GLOBAL,
    CMDQV_PAGE_VINTF,           /* registers of VINTF @index */
    CMDQV_PAGE_VCMDQ0,          /* slot of VCMDQ @index */
    CMDQV_PAGE_VCMDQ1,
} SMMUv3CmdqvPage;

typedef struct SMMUv3CmdqvReg {
    SMMUv3CmdqvPage page;
    unsigned index;
    uint32_t reg;               /* offset in what @page says */
    bool by_vintf;              /* through the page of a VINTF */
} SMMUv3CmdqvReg;

static inline unsigned smmuv3_cmdqv_nb_vintfs(const SMMUv3Cmdqv *s)
{
    return 1U << FIELD_EX32(s->param, CMDQV_PARAM, LOG2_VINTFS);
}

static inline unsigned smmuv3_cmdqv_nb_vcmdqs(const SMMUv3Cmdqv *s)
{
    return 1U << FIELD_EX32(s->param, CMDQV_PARAM, LOG2_VCMDQS);
}

static inline unsigned smmuv3_cmdqv_nb_sids(const SMMUv3Cmdqv *s)
{
    return 1U << FIELD_EX32(s->param, CMDQV_PARAM, LOG2_SIDS);
}

/* LVCMDQs of a VINTF */
static inline unsigned smmuv3_cmdqv_nb_lvcmdqs(const SMMUv3Cmdqv *s)
{
    return smmuv3_cmdqv_nb_vcmdqs(s) / smmuv3_cmdqv_nb_vintfs(s);
}

static inline uint64_t smmuv3_cmdqv_size(const SMMUv3Cmdqv *s)
{
    return CMDQV_VINTF + CMDQV_VINTF_SIZE * smmuv3_cmdqv_nb_vintfs(s);
}

/**
 * smmuv3_cmdqv_guest_param - the largest PARAM that a guest can have on a host
 * @version, @log2_vcmdqs, @log2_sids: as reported by the host's kernel
 *
 * Returns: 0 if no PARAM is valid for these values.
 */
static inline uint32_t smmuv3_cmdqv_guest_param(unsigned version,
                                                unsigned log2_vcmdqs,
                                                unsigned log2_sids)
{
    uint32_t param = FIELD_DP32(0, CMDQV_PARAM, VER, version);

    if (version != 1 || log2_vcmdqs > ctz32(CMDQV_MAX_VCMDQS) ||
        log2_sids > ctz32(CMDQV_MAX_SIDS)) {
        return 0;
    }
    param = FIELD_DP32(param, CMDQV_PARAM, LOG2_VCMDQS, log2_vcmdqs);
    return FIELD_DP32(param, CMDQV_PARAM, LOG2_SIDS, log2_sids);
}

/**
 * smmuv3_cmdqv_param_illegal - what about a value of PARAM cannot be
 *
 * Returns: a literal, or NULL if nothing does.
 */
const char *smmuv3_cmdqv_param_illegal(uint32_t param);

/**
 * smmuv3_cmdqv_state_illegal - what no register write can make, and matters
 *
 * Returns: a literal, or NULL. For what comes from a migration stream.
 */
const char *smmuv3_cmdqv_state_illegal(const SMMUv3Cmdqv *s);
const char *smmuv3_vcmdq_illegal(const SMMUv3Cmdqv *s, unsigned q);

/* Set all registers to what they are after a reset */
void smmuv3_cmdqv_reset(SMMUv3Cmdqv *s);

/* What is at @offset now; an LVCMDQ that is not mapped is NONE */
SMMUv3CmdqvReg smmuv3_cmdqv_decode(const SMMUv3Cmdqv *s, hwaddr offset);

/**
 * smmuv3_cmdqv_read, smmuv3_cmdqv_write - access a register
 * @offset: aligned to @size
 * @size: 4, or 8 for two registers or both halves of one
 */
uint64_t smmuv3_cmdqv_read(const SMMUv3Cmdqv *s, hwaddr offset, unsigned size);
SMMUv3CmdqvOutcome smmuv3_cmdqv_write(SMMUv3Cmdqv *s, hwaddr offset,
                                      uint64_t value, unsigned size);

static inline bool smmuv3_vcmdq_is_mapped(const SMMUv3Vcmdq *vcmdq)
{
    return FIELD_EX32(vcmdq->alloc, CMDQV_CMDQ_ALLOC_MAP, ALLOC);
}

/* Errors that are active: software has not acknowledged them */
static inline uint32_t smmuv3_vcmdq_errors(const SMMUv3Vcmdq *vcmdq)
{
    return vcmdq->gerror ^ vcmdq->gerrorn;
}

static inline unsigned smmuv3_vcmdq_lvcmdq(const SMMUv3Vcmdq *vcmdq)
{
    return FIELD_EX32(vcmdq->alloc, CMDQV_CMDQ_ALLOC_MAP, LVCMDQ);
}

/* The VINTF that VCMDQ @q belongs to, if it is mapped */
static inline unsigned smmuv3_cmdqv_owner(const SMMUv3Cmdqv *s, unsigned q)
{
    return FIELD_EX32(s->vcmdq[q].alloc, CMDQV_CMDQ_ALLOC_MAP, VINTF);
}

static inline bool smmuv3_cmdqv_vintf_enabled(const SMMUv3Cmdqv *s, unsigned v)
{
    return FIELD_EX32(s->config, CMDQV_CONFIG, EN) &&
           FIELD_EX32(s->vintf[v].config, VINTF_CONFIG, EN);
}

/* Whether EN of VCMDQ @q means anything, and whether its BASE can be used */
bool smmuv3_cmdqv_base_is_legal(const SMMUv3Cmdqv *s, unsigned q);
bool smmuv3_cmdqv_may_run(const SMMUv3Cmdqv *s, unsigned q);

/* A register in page 0 or 1 of a queue, for the two above */
uint32_t smmuv3_vcmdq_read(const SMMUv3Vcmdq *vcmdq, SMMUv3CmdqvPage page,
                           uint32_t reg);
void smmuv3_vcmdq_write(SMMUv3Cmdqv *s, unsigned q, SMMUv3CmdqvPage page,
                        uint32_t reg, uint32_t value, SMMUv3CmdqvOutcome *out);

/* The VCMDQ that is LVCMDQ @l of VINTF @v, or -1 */
int smmuv3_cmdqv_find(const SMMUv3Cmdqv *s, unsigned v, unsigned l);

/* Whether VCMDQ @q has a command that can be executed */
bool smmuv3_cmdqv_pending(const SMMUv3Cmdqv *s, unsigned q);

/* Returns: the number of queues that have one */
unsigned smmuv3_cmdqv_nb_pending(const SMMUv3Cmdqv *s);

/* Where the next command of VCMDQ @q is, and that it has been executed */
uint64_t smmuv3_cmdqv_head(const SMMUv3Cmdqv *s, unsigned q);
void smmuv3_cmdqv_advance(SMMUv3Cmdqv *s, unsigned q);

/**
 * smmuv3_cmdqv_stop - the next command of VCMDQ @q cannot be executed
 * @error: for VCMDQ_CONS.ERR
 *
 * The queue goes on when software has acknowledged that.
 * Returns: whether to pulse the interrupt.
 */
bool smmuv3_cmdqv_stop(SMMUv3Cmdqv *s, unsigned q, int error);

/* Address and size in bytes of the memory of VCMDQ @q */
uint64_t smmuv3_cmdqv_queue_addr(const SMMUv3Cmdqv *s, unsigned q);
uint64_t smmuv3_cmdqv_queue_size(const SMMUv3Cmdqv *s, unsigned q);

/**
 * smmuv3_cmdqv_givable - check if hardware can have the queues as they are
 * @nb: (out) their number; they are LVCMDQ 0 and following of VINTF 0
 *
 * For a guest's CMDQV. Returns: NULL, or a literal that says why it cannot.
 */
const char *smmuv3_cmdqv_givable(const SMMUv3Cmdqv *s, unsigned *nb);

/* Set only the registers in page 0 of a queue, to the values in hardware */
void smmuv3_vcmdq_adopt(SMMUv3Vcmdq *vcmdq, const uint32_t *slot);

/**
 * smmuv3_cmdqv_filter - what a VINTF may do, and to whom
 * @v: VINTF
 * @cmd: (inout) in host order; VMID and StreamID are replaced by those of @v
 *
 * Returns: 0, or what goes into VCMDQ_CONS.ERR.
 */
int smmuv3_cmdqv_filter(const SMMUv3Cmdqv *s, unsigned v, Cmd *cmd);

#endif /* HW_ARM_SMMUV3_CMDQV_H */
