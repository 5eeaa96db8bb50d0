/*
 * Tegra241 CMDQV: registers
 *
 * Where Linux's driver does not tell how the hardware behaves, this takes what
 * is nearest to the SMMU's own queues (IHI 0070, 3.5 and 6.3): bits without a
 * meaning are RES0, and what needs a queue to be off is ignored while it is on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/log.h"
#include "smmuv3-cmdqv.h"

/* 16 bytes for a command (PER_CMD_OFFSET), batches of 8 clocks, 32 commands */
#define CONFIG_RESET        0x00020083
/* CONS_DRAM_EN is wired to 0: CONS is not copied to memory */
#define CONFIG_MASK         0x000fffff

#define ALLOC_MASK          (R_CMDQV_CMDQ_ALLOC_MAP_ALLOC_MASK | \
                             R_CMDQV_CMDQ_ALLOC_MAP_LVCMDQ_MASK | \
                             R_CMDQV_CMDQ_ALLOC_MAP_VINTF_MASK)
#define SID_MATCH_MASK      (R_VINTF_SID_MATCH_ENABLE_MASK | \
                             R_VINTF_SID_MATCH_VIRT_SID_MASK)

/* The first register of a row, of @n registers of 32 bits, and which it is */
static bool in_row(uint32_t reg, uint32_t first, unsigned n, unsigned *i)
{
    *i = (reg - first) / 4;
    return reg >= first && *i < n;
}

const char *smmuv3_cmdqv_param_illegal(uint32_t param)
{
    if (param >> 16) {
        return "bits 31 to 16 are reserved";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, VER) != 1) {
        return "VER (bits 3 to 0) has to be 1";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, LOG2_VCMDQS) > 7) {
        return "LOG2_VCMDQS (bits 7 to 4) is 7 at most";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, LOG2_VINTFS) > 6) {
        return "LOG2_VINTFS (bits 11 to 8) is 6 at most";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, LOG2_SIDS) > 4) {
        return "LOG2_SIDS (bits 15 to 12) is 4 at most";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, LOG2_VINTFS) >
        FIELD_EX32(param, CMDQV_PARAM, LOG2_VCMDQS)) {
        return "there is less than one VCMDQ for a VINTF";
    }
    return NULL;
}

void smmuv3_cmdqv_reset(SMMUv3Cmdqv *s)
{
    s->config = CONFIG_RESET;
    s->vintf_int_mask = 0;
    memset(s->vintf, 0, sizeof(s->vintf));
    memset(s->vcmdq, 0, sizeof(s->vcmdq));
}

static bool belongs_to(const SMMUv3Cmdqv *s, unsigned q, unsigned v)
{
    return smmuv3_vcmdq_is_mapped(&s->vcmdq[q]) &&
           smmuv3_cmdqv_owner(s, q) == v;
}

static SMMUv3CmdqvReg decode_config(const SMMUv3Cmdqv *s, hwaddr offset)
{
    if (offset < CMDQV_VINTF_REGS) {
        return (SMMUv3CmdqvReg) { CMDQV_PAGE_GLOBAL, .reg = offset };
    }
    offset -= CMDQV_VINTF_REGS;
    if (offset / CMDQV_VINTF_REGS_SIZE >= smmuv3_cmdqv_nb_vintfs(s)) {
        return (SMMUv3CmdqvReg) { CMDQV_PAGE_NONE };
    }
    return (SMMUv3CmdqvReg) {
        .page = CMDQV_PAGE_VINTF,
        .index = offset / CMDQV_VINTF_REGS_SIZE,
        .reg = offset % CMDQV_VINTF_REGS_SIZE,
    };
}

SMMUv3CmdqvReg smmuv3_cmdqv_decode(const SMMUv3Cmdqv *s, hwaddr offset)
{
    unsigned slot = offset % CMDQV_PAGE_SIZE / CMDQV_SLOT_SIZE;
    bool by_vintf = offset >= CMDQV_VINTF;
    /* Pages 0 are at odd places, the VINTFs' too */
    bool page0 = offset / CMDQV_PAGE_SIZE % 2;
    int q;

    if (offset < CMDQV_PAGE_SIZE) {
        return decode_config(s, offset);
    }
    if (offset >= smmuv3_cmdqv_size(s)) {
        return (SMMUv3CmdqvReg) { CMDQV_PAGE_NONE };
    }
    if (by_vintf) {
        q = smmuv3_cmdqv_find(s, (offset - CMDQV_VINTF) / CMDQV_VINTF_SIZE,
                              slot);
    } else {
        q = slot < smmuv3_cmdqv_nb_vcmdqs(s) ? slot : -1;
    }
    if (q < 0) {
        return (SMMUv3CmdqvReg) { CMDQV_PAGE_NONE };
    }
    return (SMMUv3CmdqvReg) {
        .page = page0 ? CMDQV_PAGE_VCMDQ0 : CMDQV_PAGE_VCMDQ1,
        .index = q,
        .reg = offset % CMDQV_SLOT_SIZE,
        .by_vintf = by_vintf,
    };
}

/* The error maps are what the queues say, now */
static uint64_t vintf_err_map(const SMMUv3Cmdqv *s)
{
    uint64_t map = 0;

    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        if (smmuv3_vcmdq_is_mapped(&s->vcmdq[q]) &&
            smmuv3_vcmdq_errors(&s->vcmdq[q])) {
            map |= BIT_ULL(smmuv3_cmdqv_owner(s, q));
        }
    }
    return map;
}

static uint32_t vcmdq_err_map(const SMMUv3Cmdqv *s, unsigned word)
{
    uint32_t map = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        map |= smmuv3_vcmdq_errors(&s->vcmdq[32 * word + bit]) ? BIT(bit) : 0;
    }
    return map;
}

static uint32_t lvcmdq_err_map(const SMMUv3Cmdqv *s, unsigned v, unsigned word)
{
    uint32_t map = 0;

    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];

        if (belongs_to(s, q, v) && smmuv3_vcmdq_lvcmdq(vcmdq) / 32 == word &&
            smmuv3_vcmdq_errors(vcmdq)) {
            map |= BIT(smmuv3_vcmdq_lvcmdq(vcmdq) % 32);
        }
    }
    return map;
}

static uint32_t vintf_status(const SMMUv3Cmdqv *s, unsigned v)
{
    uint32_t status = 0;
    unsigned nb_mapped = 0;

    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        nb_mapped += belongs_to(s, q, v);
    }
    status = FIELD_DP32(status, VINTF_STATUS, ENABLED,
                        smmuv3_cmdqv_vintf_enabled(s, v));
    status = FIELD_DP32(status, VINTF_STATUS, STATUS,
                        !!(vintf_err_map(s) & BIT_ULL(v)));
    return FIELD_DP32(status, VINTF_STATUS, NUM_LVCMDQS, nb_mapped);
}

static uint32_t read_global(const SMMUv3Cmdqv *s, uint32_t reg)
{
    unsigned i;

    switch (reg) {
    case A_CMDQV_CONFIG:
        return s->config;
    case A_CMDQV_PARAM:
        return s->param;
    case A_CMDQV_STATUS:
        return FIELD_EX32(s->config, CMDQV_CONFIG, EN);
    }
    if (in_row(reg, A_CMDQV_VINTF_ERR_MAP, 2, &i)) {
        return extract64(vintf_err_map(s), 32 * i, 32);
    }
    if (in_row(reg, A_CMDQV_VINTF_INT_MASK, 2, &i)) {
        return extract64(s->vintf_int_mask, 32 * i, 32);
    }
    if (in_row(reg, A_CMDQV_CMDQ_ERR_MAP, 4, &i)) {
        return vcmdq_err_map(s, i);
    }
    if (in_row(reg, A_CMDQV_CMDQ_ALLOC_MAP, smmuv3_cmdqv_nb_vcmdqs(s), &i)) {
        return s->vcmdq[i].alloc;
    }
    return 0;
}

static uint32_t read_vintf(const SMMUv3Cmdqv *s, unsigned v, uint32_t reg)
{
    unsigned i;

    if (reg == A_VINTF_CONFIG) {
        return s->vintf[v].config;
    }
    if (reg == A_VINTF_STATUS) {
        return vintf_status(s, v);
    }
    if (in_row(reg, A_VINTF_SID_MATCH, smmuv3_cmdqv_nb_sids(s), &i)) {
        return s->vintf[v].sid_match[i];
    }
    if (in_row(reg, A_VINTF_SID_REPLACE, smmuv3_cmdqv_nb_sids(s), &i)) {
        return s->vintf[v].sid_replace[i];
    }
    if (in_row(reg, A_VINTF_LVCMDQ_ERR_MAP, 4, &i)) {
        return lvcmdq_err_map(s, v, i);
    }
    return 0;
}

static uint32_t read32(const SMMUv3Cmdqv *s, hwaddr offset)
{
    SMMUv3CmdqvReg r = smmuv3_cmdqv_decode(s, offset);

    switch (r.page) {
    case CMDQV_PAGE_GLOBAL:
        return read_global(s, r.reg);
    case CMDQV_PAGE_VINTF:
        return read_vintf(s, r.index, r.reg);
    case CMDQV_PAGE_VCMDQ0:
    case CMDQV_PAGE_VCMDQ1:
        return smmuv3_vcmdq_read(&s->vcmdq[r.index], r.page, r.reg);
    case CMDQV_PAGE_NONE:
        break;
    }
    return 0;
}

uint64_t smmuv3_cmdqv_read(const SMMUv3Cmdqv *s, hwaddr offset, unsigned size)
{
    uint64_t value = read32(s, offset);

    return size == 8 ? deposit64(value, 32, 32, read32(s, offset + 4)) : value;
}

/* A queue that lost what it stands on stays off until its EN is written */
static void stop_orphans(SMMUv3Cmdqv *s)
{
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        if (!smmuv3_cmdqv_may_run(s, q)) {
            s->vcmdq[q].status = 0;
        }
    }
}

/*
 * LVCMDQs are mapped one after the other, and unmapped the other way round;
 * what would leave a gap is ignored. The fields of a mapped queue do not
 * change before it is unmapped.
 */
static bool alloc_is_legal(const SMMUv3Cmdqv *s, unsigned q, uint32_t value)
{
    const SMMUv3Vcmdq *vcmdq = &s->vcmdq[q];
    unsigned v = FIELD_EX32(value, CMDQV_CMDQ_ALLOC_MAP, VINTF);
    unsigned l = FIELD_EX32(value, CMDQV_CMDQ_ALLOC_MAP, LVCMDQ);

    if (smmuv3_vcmdq_is_mapped(vcmdq)) {
        return value == vcmdq->alloc ||
               (!FIELD_EX32(value, CMDQV_CMDQ_ALLOC_MAP, ALLOC) &&
                smmuv3_cmdqv_find(s, smmuv3_cmdqv_owner(s, q),
                                  smmuv3_vcmdq_lvcmdq(vcmdq) + 1) < 0);
    }
    if (!FIELD_EX32(value, CMDQV_CMDQ_ALLOC_MAP, ALLOC)) {
        return true;
    }
    return v < smmuv3_cmdqv_nb_vintfs(s) && l < smmuv3_cmdqv_nb_lvcmdqs(s) &&
           smmuv3_cmdqv_find(s, v, l) < 0 &&
           (!l || smmuv3_cmdqv_find(s, v, l - 1) >= 0);
}

static void write_alloc(SMMUv3Cmdqv *s, unsigned q, uint32_t value)
{
    value &= ALLOC_MASK;
    if (!alloc_is_legal(s, q, value)) {
        qemu_log_mask(LOG_GUEST_ERROR, "cmdqv: CMDQ_ALLOC_MAP(%u) cannot be "
                      "0x%x: LVCMDQs are mapped in ascending order, once, and "
                      "unmapped in descending order\n", q, value);
        return;
    }
    s->vcmdq[q].alloc = value;
}

static void write_global(SMMUv3Cmdqv *s, uint32_t reg, uint32_t value)
{
    unsigned i;

    if (reg == A_CMDQV_CONFIG) {
        s->config = value & CONFIG_MASK;
    } else if (in_row(reg, A_CMDQV_VINTF_INT_MASK, 2, &i)) {
        s->vintf_int_mask = deposit64(s->vintf_int_mask, 32 * i, 32, value) &
            MAKE_64BIT_MASK(0, smmuv3_cmdqv_nb_vintfs(s));
    } else if (in_row(reg, A_CMDQV_CMDQ_ALLOC_MAP, smmuv3_cmdqv_nb_vcmdqs(s),
                      &i)) {
        write_alloc(s, i, value);
    }
    stop_orphans(s);
}

static void write_vintf(SMMUv3Cmdqv *s, unsigned v, uint32_t reg,
                        uint32_t value)
{
    SMMUv3Vintf *vintf = &s->vintf[v];
    unsigned i;

    if (reg == A_VINTF_CONFIG) {
        vintf->config = value & (R_VINTF_CONFIG_EN_MASK |
                                 R_VINTF_CONFIG_VMID_MASK |
                                 (s->hyp ? R_VINTF_CONFIG_HYP_OWN_MASK : 0));
    } else if (in_row(reg, A_VINTF_SID_MATCH, smmuv3_cmdqv_nb_sids(s), &i)) {
        vintf->sid_match[i] = value & SID_MATCH_MASK;
    } else if (in_row(reg, A_VINTF_SID_REPLACE, smmuv3_cmdqv_nb_sids(s), &i)) {
        vintf->sid_replace[i] = value & R_VINTF_SID_REPLACE_PHYS_SID_MASK;
    }
    stop_orphans(s);
}

static void write32(SMMUv3Cmdqv *s, hwaddr offset, uint32_t value,
                    SMMUv3CmdqvOutcome *out)
{
    SMMUv3CmdqvReg r = smmuv3_cmdqv_decode(s, offset);
    uint32_t before = read32(s, offset);

    switch (r.page) {
    case CMDQV_PAGE_GLOBAL:
        write_global(s, r.reg, value);
        break;
    case CMDQV_PAGE_VINTF:
        write_vintf(s, r.index, r.reg, value);
        break;
    case CMDQV_PAGE_VCMDQ0:
    case CMDQV_PAGE_VCMDQ1:
        out->q = r.index;
        smmuv3_vcmdq_write(s, r.index, r.page, r.reg, value, out);
        break;
    case CMDQV_PAGE_NONE:
        return;
    }
    if (r.page != CMDQV_PAGE_VCMDQ0 && read32(s, offset) != before) {
        out->effect = CMDQV_EFFECT_RECONFIGURE;
    }
}

const char *smmuv3_cmdqv_state_illegal(const SMMUv3Cmdqv *s)
{
    for (unsigned v = 0; v < CMDQV_MAX_VINTFS; v++) {
        if (s->vintf[v].config && v >= smmuv3_cmdqv_nb_vintfs(s)) {
            return "there are more VINTFs";
        }
        if (FIELD_EX32(s->vintf[v].config, VINTF_CONFIG, HYP_OWN) && !s->hyp) {
            return "a guest's queue may execute all commands";
        }
    }
    for (unsigned q = 0; q < CMDQV_MAX_VCMDQS; q++) {
        const char *illegal = smmuv3_vcmdq_illegal(s, q);

        if (illegal) {
            return illegal;
        }
    }
    return NULL;
}

SMMUv3CmdqvOutcome smmuv3_cmdqv_write(SMMUv3Cmdqv *s, hwaddr offset,
                                      uint64_t value, unsigned size)
{
    SMMUv3CmdqvOutcome low = { 0 }, high = { 0 };

    write32(s, offset, value, &low);
    if (size == 4) {
        return low;
    }
    /* Of a pair of registers at most one has an effect of its own */
    write32(s, offset + 4, value >> 32, &high);
    high.irq |= low.irq;
    high.effect = MAX(high.effect, low.effect);
    return high;
}
