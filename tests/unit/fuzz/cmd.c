/*
 * Fuzz target: commands of a guest as the host sees them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3-accel-cmd.h"
#include "fuzz.h"
#include "oracle.h"

#define NH_ALL  0x10

static void check(const Cmd *cmd, const uint64_t in[2],
                  const SMMUv3AccelHostCmd *host, const uint32_t *idr)
{
    uint64_t out[2] = { le64_to_cpu(host->cmd[0]), le64_to_cpu(host->cmd[1]) };
    uint64_t mask[2];

    g_assert(oracle_cmd_mask(out[0], idr, mask));
    g_assert_cmphex(out[0] & ~mask[0], ==, 0);
    g_assert_cmphex(out[1] & ~mask[1], ==, 0);
    g_assert(smmuv3_accel_host_cmd_is_tlbi(host) !=
             oracle_cmd_has_sid(out[0]));
    if (oracle_cmd_has_sid(out[0])) {
        g_assert_cmphex(smmuv3_accel_host_cmd_sid(host), ==, cmd->word[1]);
    }
    if ((out[0] & 0xff) == NH_ALL && (in[0] & 0xff) != NH_ALL) {
        /* A range that the host's queue would stop at */
        g_assert_cmphex(out[0] | out[1], ==, NH_ALL);
        return;
    }
    g_assert_cmphex(out[0] & 0xff, ==, in[0] & 0xff);
    /* What is forwarded has not changed */
    g_assert_cmphex(out[0] & ~in[0], ==, 0);
    if ((in[0] & 0xff) != 0x40 || (in[1] & 0x3f) <= 52) {
        g_assert_cmphex(out[1] & ~in[1], ==, 0);
    } else {
        g_assert_cmphex(out[1] & 0x3f, ==, 52);
    }
}

/* IDs, addresses and sizes must not get lost, or too little is invalidated */
static void check_kept(const uint64_t in[2], const SMMUv3AccelHostCmd *host,
                       const uint32_t *idr)
{
    uint64_t out[2] = { le64_to_cpu(host->cmd[0]), le64_to_cpu(host->cmd[1]) };
    bool asid16 = idr[0] >> 12 & 1;

    switch (out[0] & 0xff) {
    case 0x12:
        g_assert_cmphex(out[1] >> 12, ==, in[1] >> 12);
        /* fall through */
    case 0x11:
        g_assert_cmphex(out[0] >> 48, ==, in[0] >> 48 &
                                          (asid16 ? 0xffff : 0xff));
        break;
    case 0x13:
        g_assert_cmphex(out[1] >> 12, ==, in[1] >> 12);
        break;
    case 0x40:
        /* Sizes above 52 are reserved, and become "all" */
        g_assert_cmphex(out[1] >> 12, ==, (in[1] & 0x3f) > 52 ? 0 :
                                          in[1] >> 12);
        break;
    }
}

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    uint64_t words[2] = { input_u64(in), input_u64(in) };
    Cmd cmd = {
        .word = { words[0], words[0] >> 32, words[1], words[1] >> 32 },
    };
    SMMUv3AccelHostCmd host, other;
    SMMUv3AccelCmdClass class;
    uint32_t idr[6];

    for (int i = 0; i < 6; i++) {
        idr[i] = input_u32(in);
    }
    class = smmuv3_accel_cmd_classify(&cmd, idr);
    g_assert_cmpint(smmuv3_accel_cmd_kind(&cmd, class), <,
                    SMMU_ACCEL_CMD_KIND__MAX);
    if (class != SMMU_ACCEL_CMD_FORWARD &&
        class != SMMU_ACCEL_CMD_FORWARD_SID) {
        return;
    }
    smmuv3_accel_cmd_to_host(&cmd, idr, &host);
    check(&cmd, words, &host, idr);
    check_kept(words, &host, idr);
    g_assert((class == SMMU_ACCEL_CMD_FORWARD_SID) ==
             oracle_cmd_has_sid(words[0]));
    if (class == SMMU_ACCEL_CMD_FORWARD_SID) {
        other = smmuv3_accel_host_cmd_for(&host, ~cmd.word[1]);
        g_assert_cmphex(smmuv3_accel_host_cmd_sid(&other), ==, ~cmd.word[1]);
        g_assert_cmphex(other.cmd[1], ==, host.cmd[1]);
        g_assert_cmphex((uint32_t)le64_to_cpu(other.cmd[0]), ==,
                        (uint32_t)le64_to_cpu(host.cmd[0]));
    }
}
