/*
 * Tegra241 CMDQV: one queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/log.h"
#include "smmuv3-cmdqv.h"

#define GERROR_MASK         (R_VCMDQ_GERROR_CMDQ_ERR_MASK | \
                             R_VCMDQ_GERROR_CONS_DRAM_WR_ABT_MASK | \
                             R_VCMDQ_GERROR_CMDQ_INIT_ERR_MASK)
#define ADDRESS_MASK        MAKE_64BIT_MASK(0, 48)

static uint32_t read_page0(const SMMUv3Vcmdq *vcmdq, uint32_t reg)
{
    switch (reg) {
    case A_VCMDQ_CONS:
        return vcmdq->cons;
    case A_VCMDQ_PROD:
        return vcmdq->prod;
    case A_VCMDQ_CONFIG:
        return vcmdq->config;
    case A_VCMDQ_STATUS:
        return vcmdq->status;
    case A_VCMDQ_GERROR:
        return vcmdq->gerror;
    case A_VCMDQ_GERRORN:
        return vcmdq->gerrorn;
    default:
        return 0;
    }
}

static uint32_t read_page1(const SMMUv3Vcmdq *vcmdq, uint32_t reg)
{
    switch (reg) {
    case A_VCMDQ_BASE:
    case A_VCMDQ_BASE + 4:
        return vcmdq->base >> 8 * (reg - A_VCMDQ_BASE);
    case A_VCMDQ_CONS_INDX_BASE:
    case A_VCMDQ_CONS_INDX_BASE + 4:
        return vcmdq->cons_base >> 8 * (reg - A_VCMDQ_CONS_INDX_BASE);
    default:
        return 0;
    }
}

uint32_t smmuv3_vcmdq_read(const SMMUv3Vcmdq *vcmdq, SMMUv3CmdqvPage page,
                           uint32_t reg)
{
    return page == CMDQV_PAGE_VCMDQ0 ? read_page0(vcmdq, reg) :
           read_page1(vcmdq, reg);
}

int smmuv3_cmdqv_find(const SMMUv3Cmdqv *s, unsigned v, unsigned l)
{
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        if (smmuv3_vcmdq_is_mapped(&s->vcmdq[q]) &&
            smmuv3_cmdqv_owner(s, q) == v &&
            smmuv3_vcmdq_lvcmdq(&s->vcmdq[q]) == l) {
            return q;
        }
    }
    return -1;
}

bool smmuv3_cmdqv_may_run(const SMMUv3Cmdqv *s, unsigned q)
{
    return smmuv3_vcmdq_is_mapped(&s->vcmdq[q]) &&
           smmuv3_cmdqv_vintf_enabled(s, smmuv3_cmdqv_owner(s, q));
}

/* Returns: whether to pulse the interrupt */
static bool raise_error(SMMUv3Cmdqv *s, unsigned q, uint32_t error)
{
    SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    if (smmuv3_vcmdq_errors(vcmdq) & error) {
        return false;
    }
    vcmdq->gerror ^= error;
    return smmuv3_vcmdq_is_mapped(vcmdq) &&
           !(s->vintf_int_mask & BIT_ULL(smmuv3_cmdqv_owner(s, q)));
}

static unsigned log2size(const SMMUv3Vcmdq *vcmdq)
{
    return FIELD_EX64(vcmdq->base, VCMDQ_BASE, LOG2SIZE);
}

static uint64_t address(const SMMUv3Vcmdq *vcmdq)
{
    return vcmdq->base & ~(uint64_t)R_VCMDQ_BASE_LOG2SIZE_MASK;
}

/* An index without its wrap bit, and with it */
static uint32_t index_mask(const SMMUv3Vcmdq *vcmdq)
{
    return (1U << log2size(vcmdq)) - 1;
}

static uint32_t wrap_mask(const SMMUv3Vcmdq *vcmdq)
{
    return (2U << log2size(vcmdq)) - 1;
}

bool smmuv3_cmdqv_base_is_legal(const SMMUv3Cmdqv *s, unsigned q)
{
    const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    return log2size(vcmdq) <= s->max_log2size &&
           !(address(vcmdq) & (((uint64_t)sizeof(Cmd) << log2size(vcmdq)) - 1));
}

static void write_enable(SMMUv3Cmdqv *s, unsigned q, uint32_t value,
                         SMMUv3CmdqvOutcome *out)
{
    SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];
    uint32_t was = vcmdq->status;

    vcmdq->config = value & R_VCMDQ_CONFIG_EN_MASK;
    if (!vcmdq->config) {
        vcmdq->status = 0;
        out->effect = was ? CMDQV_EFFECT_DISABLE : CMDQV_EFFECT_NONE;
    } else if (was) {
        return;
    } else if (smmuv3_cmdqv_may_run(s, q) &&
               smmuv3_cmdqv_base_is_legal(s, q)) {
        vcmdq->status = R_VCMDQ_STATUS_EN_OK_MASK;
        out->effect = CMDQV_EFFECT_ENABLE;
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "cmdqv: VCMDQ%u cannot be enabled: "
                      "CMDQV or VINTF off, not mapped, or BASE 0x%" PRIx64
                      " too large or not aligned\n", q, vcmdq->base);
        out->irq = raise_error(s, q, R_VCMDQ_GERROR_CMDQ_INIT_ERR_MASK);
    }
}

static void write_gerrorn(SMMUv3Vcmdq *vcmdq, uint32_t value,
                          SMMUv3CmdqvOutcome *out)
{
    bool stood = smmuv3_vcmdq_errors(vcmdq) & R_VCMDQ_GERROR_CMDQ_ERR_MASK;

    vcmdq->gerrorn = value & GERROR_MASK;
    if (stood && !(smmuv3_vcmdq_errors(vcmdq) & R_VCMDQ_GERROR_CMDQ_ERR_MASK)) {
        vcmdq->cons = FIELD_DP32(vcmdq->cons, VCMDQ_CONS, ERR, 0);
        out->effect = vcmdq->status ? CMDQV_EFFECT_DOORBELL :
                      CMDQV_EFFECT_NONE;
    }
}

static void write_page0(SMMUv3Cmdqv *s, unsigned q, uint32_t reg,
                        uint32_t value, SMMUv3CmdqvOutcome *out)
{
    SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    switch (reg) {
    case A_VCMDQ_CONS:
        if (!vcmdq->status) {
            vcmdq->cons = value & (R_VCMDQ_CONS_INDEX_MASK |
                                   R_VCMDQ_CONS_ERR_MASK);
        }
        break;
    case A_VCMDQ_PROD:
        vcmdq->prod = value & R_VCMDQ_CONS_INDEX_MASK;
        out->effect = vcmdq->status ? CMDQV_EFFECT_DOORBELL :
                      CMDQV_EFFECT_NONE;
        break;
    case A_VCMDQ_CONFIG:
        write_enable(s, q, value, out);
        break;
    case A_VCMDQ_GERRORN:
        write_gerrorn(vcmdq, value, out);
        break;
    }
}

static void write_page1(SMMUv3Vcmdq *vcmdq, uint32_t reg, uint32_t value)
{
    if (vcmdq->status) {
        return;
    }
    switch (reg) {
    case A_VCMDQ_BASE:
    case A_VCMDQ_BASE + 4:
        vcmdq->base = ADDRESS_MASK &
            deposit64(vcmdq->base, 8 * (reg - A_VCMDQ_BASE), 32, value);
        break;
    case A_VCMDQ_CONS_INDX_BASE:
    case A_VCMDQ_CONS_INDX_BASE + 4:
        vcmdq->cons_base = ADDRESS_MASK &
            deposit64(vcmdq->cons_base, 8 * (reg - A_VCMDQ_CONS_INDX_BASE), 32,
                      value);
        break;
    }
}

void smmuv3_vcmdq_write(SMMUv3Cmdqv *s, unsigned q, SMMUv3CmdqvPage page,
                        uint32_t reg, uint32_t value, SMMUv3CmdqvOutcome *out)
{
    if (page == CMDQV_PAGE_VCMDQ0) {
        write_page0(s, q, reg, value, out);
    } else {
        write_page1(&s->vcmdq[q], reg, value);
    }
}

bool smmuv3_cmdqv_pending(const SMMUv3Cmdqv *s, unsigned q)
{
    const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    return vcmdq->status &&
           !(smmuv3_vcmdq_errors(vcmdq) & R_VCMDQ_GERROR_CMDQ_ERR_MASK) &&
           ((vcmdq->prod ^ vcmdq->cons) & wrap_mask(vcmdq));
}

unsigned smmuv3_cmdqv_nb_pending(const SMMUv3Cmdqv *s)
{
    unsigned n = 0;

    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        n += smmuv3_cmdqv_pending(s, q);
    }
    return n;
}

uint64_t smmuv3_cmdqv_queue_addr(const SMMUv3Cmdqv *s, unsigned q)
{
    return address(&s->vcmdq[q]);
}

uint64_t smmuv3_cmdqv_queue_size(const SMMUv3Cmdqv *s, unsigned q)
{
    return (uint64_t)sizeof(Cmd) << log2size(&s->vcmdq[q]);
}

uint64_t smmuv3_cmdqv_head(const SMMUv3Cmdqv *s, unsigned q)
{
    const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    return address(vcmdq) + (vcmdq->cons & index_mask(vcmdq)) * sizeof(Cmd);
}

void smmuv3_cmdqv_advance(SMMUv3Cmdqv *s, unsigned q)
{
    SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    vcmdq->cons = deposit32(vcmdq->cons, 0, log2size(vcmdq) + 1,
                            vcmdq->cons + 1);
}

bool smmuv3_cmdqv_stop(SMMUv3Cmdqv *s, unsigned q, int error)
{
    s->vcmdq[q].cons = FIELD_DP32(s->vcmdq[q].cons, VCMDQ_CONS, ERR, error);
    return raise_error(s, q, R_VCMDQ_GERROR_CMDQ_ERR_MASK);
}

const char *smmuv3_cmdqv_givable(const SMMUv3Cmdqv *s, unsigned *nb)
{
    unsigned nb_on = 0;

    if (!smmuv3_cmdqv_vintf_enabled(s, 0)) {
        return "the guest has not enabled its CMDQV";
    }
    if (FIELD_EX32(s->config, CMDQV_CONFIG, CONS_DRAM_EN)) {
        return "the guest wants CONS to be copied to memory";
    }
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        if (smmuv3_vcmdq_is_mapped(&s->vcmdq[q]) != !!s->vcmdq[q].status) {
            return "the guest has not enabled all queues that it has mapped";
        }
        if (smmuv3_vcmdq_errors(&s->vcmdq[q])) {
            return "the guest has not acknowledged an error of a queue";
        }
        nb_on += s->vcmdq[q].status != 0;
    }
    /* LVCMDQs are mapped in order from 0, without gaps */
    *nb = nb_on;
    return nb_on ? NULL : "the guest has not enabled a queue";
}

void smmuv3_vcmdq_adopt(SMMUv3Vcmdq *vcmdq, const uint32_t *slot)
{
    vcmdq->cons = slot[R_VCMDQ_CONS] & (R_VCMDQ_CONS_INDEX_MASK |
                                        R_VCMDQ_CONS_ERR_MASK);
    vcmdq->prod = slot[R_VCMDQ_PROD] & R_VCMDQ_CONS_INDEX_MASK;
    vcmdq->config = slot[R_VCMDQ_CONFIG] & R_VCMDQ_CONFIG_EN_MASK;
    vcmdq->status = vcmdq->config;
    vcmdq->gerror = slot[R_VCMDQ_GERROR] & GERROR_MASK;
    vcmdq->gerrorn = slot[R_VCMDQ_GERRORN] & GERROR_MASK;
    /* ERR is UNKNOWN while there is no error (IHI 0070, SMMU_CMDQ_CONS) */
    if (!(smmuv3_vcmdq_errors(vcmdq) & R_VCMDQ_GERROR_CMDQ_ERR_MASK)) {
        vcmdq->cons = FIELD_DP32(vcmdq->cons, VCMDQ_CONS, ERR, 0);
    }
}

static bool is_lvcmdq(const SMMUv3Cmdqv *s, unsigned q)
{
    unsigned v = smmuv3_cmdqv_owner(s, q);
    unsigned l = smmuv3_vcmdq_lvcmdq(&s->vcmdq[q]);

    return l < smmuv3_cmdqv_nb_lvcmdqs(s) && smmuv3_cmdqv_find(s, v, l) == q &&
           (!l || smmuv3_cmdqv_find(s, v, l - 1) >= 0);
}

const char *smmuv3_vcmdq_illegal(const SMMUv3Cmdqv *s, unsigned q)
{
    const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

    if (vcmdq->alloc && q >= smmuv3_cmdqv_nb_vcmdqs(s)) {
        return "there are more VCMDQs";
    }
    if (smmuv3_vcmdq_is_mapped(vcmdq)) {
        if (smmuv3_cmdqv_owner(s, q) >= smmuv3_cmdqv_nb_vintfs(s)) {
            return "a VCMDQ belongs to no VINTF";
        }
        if (!is_lvcmdq(s, q)) {
            return "a VCMDQ is no LVCMDQ, or that of another one";
        }
    }
    if (vcmdq->status && !(smmuv3_cmdqv_may_run(s, q) &&
                           smmuv3_cmdqv_base_is_legal(s, q))) {
        return "a VCMDQ is on that cannot be";
    }
    if ((vcmdq->gerror | vcmdq->gerrorn) & ~GERROR_MASK) {
        return "a VCMDQ has an error that is none";
    }
    return NULL;
}
