/*
 * Tegra241 CMDQV: what a VINTF may do, and to whom
 *
 * A queue that a guest writes directly takes what invalidates TLB and ATC, and
 * CMD_SYNC that raises no signal. In a server the hardware sees to it that
 * this concerns the guest's own VMID and devices only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-cmdqv.h"

/* Which of both errors a forbidden command is: known to an SMMUv3, or not */
static bool is_defined(uint32_t opcode)
{
    switch (opcode) {
    case SMMU_CMD_PREFETCH_CONFIG:
    case SMMU_CMD_PREFETCH_ADDR:
    case SMMU_CMD_CFGI_STE:
    case SMMU_CMD_CFGI_STE_RANGE:
    case SMMU_CMD_CFGI_CD:
    case SMMU_CMD_CFGI_CD_ALL:
    case SMMU_CMD_TLBI_EL3_ALL:
    case SMMU_CMD_TLBI_EL3_VA:
    case SMMU_CMD_TLBI_EL2_ALL:
    case SMMU_CMD_TLBI_EL2_ASID:
    case SMMU_CMD_TLBI_EL2_VA:
    case SMMU_CMD_TLBI_EL2_VAA:
    case SMMU_CMD_TLBI_S12_VMALL:
    case SMMU_CMD_TLBI_S2_IPA:
    case SMMU_CMD_TLBI_NSNH_ALL:
    case SMMU_CMD_PRI_RESP:
    case SMMU_CMD_RESUME:
    case SMMU_CMD_STALL_TERM:
        return true;
    default:
        return false;
    }
}

/* Bits 63:32 of a command: VMID in the lower half, or the StreamID */
static bool replace_sid(const SMMUv3Cmdqv *s, const SMMUv3Vintf *vintf,
                        Cmd *cmd)
{
    for (unsigned i = 0; i < smmuv3_cmdqv_nb_sids(s); i++) {
        uint32_t match = vintf->sid_match[i];

        if (FIELD_EX32(match, VINTF_SID_MATCH, ENABLE) &&
            FIELD_EX32(match, VINTF_SID_MATCH, VIRT_SID) == cmd->word[1]) {
            cmd->word[1] = vintf->sid_replace[i];
            return true;
        }
    }
    return false;
}

int smmuv3_cmdqv_filter(const SMMUv3Cmdqv *s, unsigned v, Cmd *cmd)
{
    const SMMUv3Vintf *vintf = &s->vintf[v];
    uint32_t opcode = CMD_TYPE(cmd);

    if (FIELD_EX32(vintf->config, VINTF_CONFIG, HYP_OWN)) {
        return SMMU_CERROR_NONE;
    }
    switch (opcode) {
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
        /* In a guest there is nobody else, and no slot is filled */
        if (s->hyp) {
            cmd->word[1] = deposit32(cmd->word[1], 0, 16,
                                     FIELD_EX32(vintf->config, VINTF_CONFIG,
                                                VMID));
        }
        return SMMU_CERROR_NONE;
    case SMMU_CMD_ATC_INV:
        return !s->hyp || replace_sid(s, vintf, cmd) ? SMMU_CERROR_NONE :
               CMDQV_CERROR_ACCESS;
    case SMMU_CMD_SYNC:
        return CMD_SYNC_CS(cmd) == CMD_SYNC_SIG_NONE ? SMMU_CERROR_NONE :
               SMMU_CERROR_ILL;
    default:
        return is_defined(opcode) ? CMDQV_CERROR_ACCESS : SMMU_CERROR_ILL;
    }
}
