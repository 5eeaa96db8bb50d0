/*
 * What is always true of the registers of a CMDQV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cmdqv-model.h"

#define VMID_MASK   0xffffU

static unsigned pick_queue(const SMMUv3Cmdqv *s, Input *in)
{
    return input_u8(in) % smmuv3_cmdqv_nb_vcmdqs(s);
}

static hwaddr pick_offset(const SMMUv3Cmdqv *s, Input *in)
{
    uint8_t choice = input_u8(in);
    unsigned q = pick_queue(s, in);
    hwaddr slot = CMDQV_SLOT_SIZE * q + (choice >> 3 & 7) * 4;

    switch (choice & 7) {
    case 0:
        return choice >> 3 & 7;
    case 1:
        return A_CMDQV_CMDQ_ALLOC_MAP + 4 * q;
    case 2:
        return CMDQV_VINTF_REGS + CMDQV_VINTF_REGS_SIZE *
               (q % smmuv3_cmdqv_nb_vintfs(s)) + input_u8(in);
    case 3:
        return CMDQV_VCMDQ0 + slot;
    case 4:
        return CMDQV_VCMDQ1 + slot;
    case 5:
        return CMDQV_VINTF + CMDQV_VINTF_SIZE *
               (q % smmuv3_cmdqv_nb_vintfs(s)) + slot % CMDQV_VINTF_SIZE;
    case 6:
        return CMDQV_VINTF + CMDQV_PAGE_SIZE + slot;
    default:
        return input_u32(in);
    }
}

static void access_register(SMMUv3Cmdqv *s, Input *in)
{
    hwaddr offset = pick_offset(s, in);
    uint8_t how = input_u8(in);
    unsigned size = how & 1 ? 8 : 4;
    SMMUv3CmdqvOutcome out;

    offset &= ~(hwaddr)(size - 1);
    if (how & 2) {
        smmuv3_cmdqv_read(s, offset, size);
        return;
    }
    out = smmuv3_cmdqv_write(s, offset, how & 4 ? input_u64(in) : input_u8(in),
                             size);
    switch (out.effect) {
    case CMDQV_EFFECT_ENABLE:
    case CMDQV_EFFECT_DOORBELL:
        g_assert(s->vcmdq[out.q].status);
        break;
    case CMDQV_EFFECT_DISABLE:
        g_assert(!s->vcmdq[out.q].status);
        break;
    default:
        break;
    }
    g_assert_cmpuint(out.q, <, smmuv3_cmdqv_nb_vcmdqs(s));
}

/* What leaves the queue of a guest is for its VMID, or its StreamIDs */
static void filter(const SMMUv3Cmdqv *s, Input *in)
{
    unsigned v = input_u8(in) % smmuv3_cmdqv_nb_vintfs(s);
    const SMMUv3Vintf *vintf = &s->vintf[v];
    Cmd cmd;

    for (int i = 0; i < 4; i++) {
        cmd.word[i] = input_u32(in);
    }
    if (smmuv3_cmdqv_filter(s, v, &cmd) ||
        FIELD_EX32(vintf->config, VINTF_CONFIG, HYP_OWN)) {
        g_assert(s->hyp || !FIELD_EX32(vintf->config, VINTF_CONFIG, HYP_OWN));
        return;
    }
    switch (CMD_TYPE(&cmd)) {
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
        g_assert(!s->hyp || (cmd.word[1] & VMID_MASK) ==
                 FIELD_EX32(vintf->config, VINTF_CONFIG, VMID));
        break;
    case SMMU_CMD_ATC_INV:
        for (unsigned i = 0; s->hyp; i++) {
            g_assert_cmpuint(i, <, smmuv3_cmdqv_nb_sids(s));
            if (vintf->sid_match[i] & 1 &&
                cmd.word[1] == vintf->sid_replace[i]) {
                break;
            }
        }
        break;
    default:
        g_assert_cmphex(CMD_TYPE(&cmd), ==, SMMU_CMD_SYNC);
        g_assert_cmpuint(CMD_SYNC_CS(&cmd), ==, CMD_SYNC_SIG_NONE);
    }
}

/* Hardware has had the queue, and gives it back */
static void adopt(SMMUv3Cmdqv *s, Input *in)
{
    SMMUv3Vcmdq *q = &s->vcmdq[pick_queue(s, in)];
    uint32_t slot[CMDQV_SLOT_REGS], config = q->config, status = q->status;

    for (int i = 0; i < CMDQV_SLOT_REGS; i++) {
        slot[i] = input_u32(in);
    }
    smmuv3_vcmdq_adopt(q, slot);
    q->config = config;
    q->status = status;
}

void cmdqv_model_act(SMMUv3Cmdqv *s, Input *in)
{
    unsigned q = pick_queue(s, in);

    switch (input_below(in, 8)) {
    case 0:
        filter(s, in);
        break;
    case 1:
        adopt(s, in);
        break;
    case 2:
        if (smmuv3_cmdqv_pending(s, q)) {
            smmuv3_cmdqv_stop(s, q, input_below(in, 8));
            g_assert(!smmuv3_cmdqv_pending(s, q));
        }
        break;
    case 3:
        if (smmuv3_cmdqv_pending(s, q)) {
            smmuv3_cmdqv_advance(s, q);
        }
        break;
    default:
        access_register(s, in);
        break;
    }
}

/* Hardware gets whole queues in memory that the guest has named */
static void check_givable(const SMMUv3Cmdqv *s)
{
    unsigned nb = 0;

    if (s->hyp || smmuv3_cmdqv_nb_vintfs(s) > 1 ||
        smmuv3_cmdqv_givable(s, &nb)) {
        return;
    }
    g_assert_cmpuint(nb, >, 0);
    for (unsigned l = 0; l < nb; l++) {
        int q = smmuv3_cmdqv_find(s, 0, l);

        g_assert_cmpint(q, >=, 0);
        g_assert(s->vcmdq[q].status && !smmuv3_vcmdq_errors(&s->vcmdq[q]));
    }
}

void cmdqv_model_check(const SMMUv3Cmdqv *s)
{
    g_assert_cmpstr(smmuv3_cmdqv_state_illegal(s), ==, NULL);
    check_givable(s);
    for (unsigned q = 0; q < smmuv3_cmdqv_nb_vcmdqs(s); q++) {
        uint64_t addr = smmuv3_cmdqv_queue_addr(s, q);
        uint64_t size = smmuv3_cmdqv_queue_size(s, q), head;

        if (!s->vcmdq[q].status) {
            g_assert(!smmuv3_cmdqv_pending(s, q));
            continue;
        }
        g_assert(smmuv3_cmdqv_may_run(s, q));
        g_assert_cmphex(addr & (size - 1), ==, 0);
        g_assert_cmphex(size, <=, 16ULL << s->max_log2size);
        head = smmuv3_cmdqv_head(s, q);
        g_assert(head >= addr && head - addr <= size - 16);
        g_assert_cmphex(head & 15, ==, 0);
    }
}
