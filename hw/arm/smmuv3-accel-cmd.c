/*
 * arm-smmuv3-accel: translate guest commands for the kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "smmuv3-accel-cmd.h"

/* The feature that makes a command legal (IHI 0070, 4) */
typedef enum Need {
    ALWAYS,
    IF_S1P,
    IF_S2P,
    IF_HYP,
    IF_ATS,
    IF_PRI,
    IF_STALL,
} Need;

typedef struct CmdRule {
    SMMUv3AccelCmdClass class;  /* ILLEGAL (0) for opcodes without a rule */
    Need need;
    bool ssec;                  /* has SSec, for Secure queues only */
} CmdRule;

/*
 * TLBI_EL3_* are for the Secure queue only. The base class ignores ATC_INV,
 * PRI_RESP, RESUME, STALL_TERM and TLBI_EL2_*, regardless of the ID registers.
 * In the architecture they are CERROR_ILL without the feature, and so here.
 * TLBI_EL2_ALL is an exception: UEFI firmware sends it to every SMMU (SmmuDxe),
 * and leaves GBPA.ABORT set if it fails. There is no EL2 entry to invalidate.
 */
static const CmdRule cmd_rules[] = {
    [SMMU_CMD_PREFETCH_CONFIG] = { SMMU_ACCEL_CMD_LOCAL, ALWAYS, true },
    [SMMU_CMD_PREFETCH_ADDR]   = { SMMU_ACCEL_CMD_LOCAL, ALWAYS, true },
    [SMMU_CMD_CFGI_STE]        = { SMMU_ACCEL_CMD_LOCAL, ALWAYS, true },
    [SMMU_CMD_CFGI_STE_RANGE]  = { SMMU_ACCEL_CMD_LOCAL, ALWAYS, true },
    [SMMU_CMD_CFGI_CD]         = { SMMU_ACCEL_CMD_FORWARD_SID, IF_S1P, true },
    [SMMU_CMD_CFGI_CD_ALL]     = { SMMU_ACCEL_CMD_FORWARD_SID, IF_S1P, true },
    [SMMU_CMD_TLBI_NH_ALL]     = { SMMU_ACCEL_CMD_FORWARD, IF_S1P },
    [SMMU_CMD_TLBI_NH_ASID]    = { SMMU_ACCEL_CMD_FORWARD, IF_S1P },
    [SMMU_CMD_TLBI_NH_VA]      = { SMMU_ACCEL_CMD_FORWARD, IF_S1P },
    [SMMU_CMD_TLBI_NH_VAA]     = { SMMU_ACCEL_CMD_FORWARD, IF_S1P },
    [SMMU_CMD_TLBI_EL2_ALL]    = { SMMU_ACCEL_CMD_LOCAL, ALWAYS },
    [SMMU_CMD_TLBI_EL2_ASID]   = { SMMU_ACCEL_CMD_LOCAL, IF_HYP },
    [SMMU_CMD_TLBI_EL2_VA]     = { SMMU_ACCEL_CMD_LOCAL, IF_HYP },
    [SMMU_CMD_TLBI_EL2_VAA]    = { SMMU_ACCEL_CMD_LOCAL, IF_HYP },
    [SMMU_CMD_TLBI_S12_VMALL]  = { SMMU_ACCEL_CMD_LOCAL, IF_S2P },
    [SMMU_CMD_TLBI_S2_IPA]     = { SMMU_ACCEL_CMD_LOCAL, IF_S2P },
    [SMMU_CMD_TLBI_NSNH_ALL]   = { SMMU_ACCEL_CMD_FORWARD, ALWAYS },
    [SMMU_CMD_ATC_INV]         = { SMMU_ACCEL_CMD_FORWARD_SID, IF_ATS, true },
    [SMMU_CMD_PRI_RESP]        = { SMMU_ACCEL_CMD_LOCAL, IF_PRI, true },
    [SMMU_CMD_RESUME]          = { SMMU_ACCEL_CMD_LOCAL, IF_STALL, true },
    [SMMU_CMD_STALL_TERM]      = { SMMU_ACCEL_CMD_LOCAL, IF_STALL, true },
    [SMMU_CMD_SYNC]            = { SMMU_ACCEL_CMD_LOCAL, ALWAYS },
};

static bool is_met(Need need, const uint32_t *idr)
{
    switch (need) {
    case ALWAYS:
        return true;
    case IF_S1P:
        return FIELD_EX32(idr[0], IDR0, S1P);
    case IF_S2P:
        return FIELD_EX32(idr[0], IDR0, S2P);
    case IF_HYP:
        return FIELD_EX32(idr[0], IDR0, HYP);
    case IF_ATS:
        return FIELD_EX32(idr[0], IDR0, ATS);
    case IF_PRI:
        return FIELD_EX32(idr[0], IDR0, PRI);
    case IF_STALL:
        return FIELD_EX32(idr[0], IDR0, STALL_MODEL) != 1;
    }
    g_assert_not_reached();
}

SMMUv3AccelCmdClass smmuv3_accel_cmd_classify(const Cmd *cmd,
                                              const uint32_t *idr)
{
    uint32_t type = CMD_TYPE(cmd);
    const CmdRule *rule;

    if (type >= ARRAY_SIZE(cmd_rules)) {
        return SMMU_ACCEL_CMD_ILLEGAL;
    }
    if (type == SMMU_CMD_SYNC && CMD_SYNC_CS(cmd) > CMD_SYNC_SIG_SEV) {
        return SMMU_ACCEL_CMD_ILLEGAL;
    }
    rule = &cmd_rules[type];
    if ((rule->ssec && CMD_SSEC(cmd)) || !is_met(rule->need, idr)) {
        return SMMU_ACCEL_CMD_ILLEGAL;
    }
    return rule->class;
}

SMMUv3AccelCmdKind smmuv3_accel_cmd_kind(const Cmd *cmd,
                                         SMMUv3AccelCmdClass class)
{
    if (class == SMMU_ACCEL_CMD_ILLEGAL) {
        return SMMU_ACCEL_CMD_KIND_ILLEGAL;
    }
    switch (CMD_TYPE(cmd)) {
    case SMMU_CMD_CFGI_STE:
    case SMMU_CMD_CFGI_STE_RANGE:
        return SMMU_ACCEL_CMD_KIND_CFGI_STE;
    case SMMU_CMD_CFGI_CD:
    case SMMU_CMD_CFGI_CD_ALL:
        return SMMU_ACCEL_CMD_KIND_CFGI_CD;
    case SMMU_CMD_TLBI_NH_ALL ... SMMU_CMD_TLBI_NSNH_ALL:
        return SMMU_ACCEL_CMD_KIND_TLBI;
    case SMMU_CMD_ATC_INV:
        return SMMU_ACCEL_CMD_KIND_ATC_INV;
    case SMMU_CMD_SYNC:
        return SMMU_ACCEL_CMD_KIND_SYNC;
    default:
        return SMMU_ACCEL_CMD_KIND_OTHER;
    }
}

/* The fields of a host command that do not depend on ID registers */
#define HOST0_OPCODE        MAKE_64BIT_MASK(0, 8)
#define HOST0_ATC_GLOBAL    BIT_ULL(9)
#define HOST0_ATC_SSV       BIT_ULL(11)
#define HOST0_NUM           MAKE_64BIT_MASK(12, 5)
#define HOST0_SCALE         MAKE_64BIT_MASK(20, 5)
#define HOST0_SID           MAKE_64BIT_MASK(32, 32)
#define HOST1_LEAF          BIT_ULL(0)
#define HOST1_TTL           MAKE_64BIT_MASK(8, 2)
#define HOST1_TG            MAKE_64BIT_MASK(10, 2)
#define HOST1_ADDR          MAKE_64BIT_MASK(12, 52)
#define HOST1_ATC_SIZE      MAKE_64BIT_MASK(0, 6)

/* 2^52 pages: larger sizes are reserved */
#define ATC_SIZE_ALL        52

/* The mask of an SSID in a command, with as many bits as the vSMMU has */
static uint64_t ssid_mask(const uint32_t *idr)
{
    return (BIT_ULL(MIN(FIELD_EX32(idr[1], IDR1, SSIDSIZE), 20)) - 1) << 12;
}

static uint64_t asid_mask(const uint32_t *idr)
{
    return MAKE_64BIT_MASK(48, FIELD_EX32(idr[0], IDR0, ASID16) ? 16 : 8);
}

/*
 * Whether the vSMMU has to support the range in @cmd: it has the granule, and
 * the range is neither a level 1 block of 16K nor empty, which is a reserved
 * encoding (IHI 0070, 4.4.1).
 */
static bool range_valid(const Cmd *cmd, const uint32_t *idr)
{
    switch (CMD_TG(cmd)) {
    case 1:
        if (!FIELD_EX32(idr[5], IDR5, GRAN4K)) {
            return false;
        }
        break;
    case 2:
        if (!FIELD_EX32(idr[5], IDR5, GRAN16K) || CMD_TTL(cmd) == 1) {
            return false;
        }
        break;
    case 3:
        if (!FIELD_EX32(idr[5], IDR5, GRAN64K)) {
            return false;
        }
        break;
    }
    return CMD_NUM(cmd) || CMD_SCALE(cmd) || CMD_TTL(cmd);
}

/*
 * TLBI_NH_VA and TLBI_NH_VAA. NUM, SCALE, TG and TTL are RES0 without RIL, and
 * are ignored with TG=0: then the command invalidates one address.
 */
static void tlbi_va_to_host(uint64_t *w, const Cmd *cmd, const uint32_t *idr)
{
    bool vaa = CMD_TYPE(cmd) == SMMU_CMD_TLBI_NH_VAA;
    uint64_t mask0 = HOST0_OPCODE | (vaa ? 0 : asid_mask(idr));
    uint64_t mask1 = HOST1_LEAF | HOST1_ADDR;

    if (FIELD_EX32(idr[3], IDR3, RIL) && CMD_TG(cmd)) {
        if (!range_valid(cmd, idr)) {
            /*
             * The host's queue must not stop, so invalidate more than the
             * guest requests. TLBI_NH_ASID would leave global entries.
             */
            w[0] = SMMU_CMD_TLBI_NH_ALL;
            w[1] = 0;
            return;
        }
        mask0 |= HOST0_NUM | HOST0_SCALE;
        mask1 |= HOST1_TTL | HOST1_TG;
    }
    w[0] &= mask0;
    w[1] &= mask1;
}

static SMMUv3AccelHostCmd host_cmd(uint64_t word0, uint64_t word1)
{
    return (SMMUv3AccelHostCmd) {
        .cmd = { cpu_to_le64(word0), cpu_to_le64(word1) },
    };
}

SMMUv3AccelHostCmd smmuv3_accel_host_cmd_tlbi_all(void)
{
    return host_cmd(SMMU_CMD_TLBI_NH_ALL, 0);
}

SMMUv3AccelHostCmd smmuv3_accel_host_cmd_cfgi_cd_all(uint32_t sid)
{
    return host_cmd(SMMU_CMD_CFGI_CD_ALL | (uint64_t)sid << 32, 0);
}

SMMUv3AccelHostCmd smmuv3_accel_host_cmd_atc_inv_all(uint32_t sid,
                                                     bool substreams)
{
    return host_cmd(SMMU_CMD_ATC_INV | (uint64_t)sid << 32 |
                    (substreams ? HOST0_ATC_SSV | HOST0_ATC_GLOBAL : 0),
                    ATC_SIZE_ALL);
}

SMMUv3AccelHostCmd smmuv3_accel_host_cmd_for(const SMMUv3AccelHostCmd *cmd,
                                             uint32_t sid)
{
    return host_cmd(deposit64(le64_to_cpu(cmd->cmd[0]), 32, 32, sid),
                    le64_to_cpu(cmd->cmd[1]));
}

bool smmuv3_accel_host_cmd_is_tlbi(const SMMUv3AccelHostCmd *cmd)
{
    switch (smmuv3_accel_host_cmd_type(cmd)) {
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
    case SMMU_CMD_TLBI_NSNH_ALL:
        return true;
    default:
        return false;
    }
}

void smmuv3_accel_cmd_to_host(const Cmd *cmd, const uint32_t *idr,
                              SMMUv3AccelHostCmd *out)
{
    uint64_t w[2] = {
        (uint64_t)cmd->word[1] << 32 | cmd->word[0],
        (uint64_t)cmd->word[3] << 32 | cmd->word[2],
    };
    uint64_t mask[2] = { HOST0_OPCODE, 0 };

    switch (CMD_TYPE(cmd)) {
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
        tlbi_va_to_host(w, cmd, idr);
        mask[0] = mask[1] = UINT64_MAX;
        break;
    case SMMU_CMD_TLBI_NH_ASID:
        mask[0] |= asid_mask(idr);
        break;
    case SMMU_CMD_CFGI_CD:
        mask[0] |= HOST0_SID | ssid_mask(idr);
        mask[1] = HOST1_LEAF;
        break;
    case SMMU_CMD_CFGI_CD_ALL:
        mask[0] |= HOST0_SID;
        break;
    case SMMU_CMD_ATC_INV:
        mask[0] |= HOST0_SID;
        if (FIELD_EX32(idr[1], IDR1, SSIDSIZE)) {
            mask[0] |= HOST0_ATC_GLOBAL | HOST0_ATC_SSV | ssid_mask(idr);
        }
        mask[1] = HOST1_ATC_SIZE | HOST1_ADDR;
        if ((w[1] & HOST1_ATC_SIZE) > ATC_SIZE_ALL) {
            w[1] = ATC_SIZE_ALL;
        }
        break;
    }
    out->cmd[0] = cpu_to_le64(w[0] & mask[0]);
    out->cmd[1] = cpu_to_le64(w[1] & mask[1]);
}
