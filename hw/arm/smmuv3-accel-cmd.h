/*
 * arm-smmuv3-accel: translate guest commands for the kernel
 *
 * Pure: no ioctl, no QOM, no globals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_CMD_H
#define HW_ARM_SMMUV3_ACCEL_CMD_H

#include "hw/arm/smmuv3.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "qemu/bswap.h"
#include "smmuv3-internal.h"

typedef enum SMMUv3AccelCmdClass {
    SMMU_ACCEL_CMD_ILLEGAL,     /* CERROR_ILL */
    SMMU_ACCEL_CMD_LOCAL,       /* the host need not know */
    SMMU_ACCEL_CMD_FORWARD,     /* after QEMU's own caches, to the host */
    SMMU_ACCEL_CMD_FORWARD_SID, /* the same, if CMD_SID() has a vDEVICE */
} SMMUv3AccelCmdClass;

/* A struct iommu_viommu_arm_smmuv3_invalidate: two little-endian words */
typedef struct SMMUv3AccelHostCmd {
    uint64_t cmd[2];
} SMMUv3AccelHostCmd;

/**
 * smmuv3_accel_cmd_classify:
 * @cmd: in host order
 * @idr: the vSMMU's IDR0..IDR5
 *
 * Returns: the class of @cmd on an SMMU with these registers (IHI 0070, 4).
 */
SMMUv3AccelCmdClass smmuv3_accel_cmd_classify(const Cmd *cmd,
                                              const uint32_t *idr);

/**
 * smmuv3_accel_cmd_kind:
 * @class: of @cmd, from smmuv3_accel_cmd_classify()
 */
SMMUv3AccelCmdKind smmuv3_accel_cmd_kind(const Cmd *cmd,
                                         SMMUv3AccelCmdClass class);

/**
 * smmuv3_accel_cmd_to_host:
 * @cmd: one that is FORWARD or FORWARD_SID
 *
 * Build a command for the kernel, from known fields only: the kernel checks
 * opcode, VMID and SID, and passes everything else to the hardware unchanged.
 * A range command with a reserved encoding becomes a larger invalidation.
 */
void smmuv3_accel_cmd_to_host(const Cmd *cmd, const uint32_t *idr,
                              SMMUv3AccelHostCmd *out);

/* The opcode and the StreamID of a command from smmuv3_accel_cmd_to_host() */
static inline SMMUCommandType
smmuv3_accel_host_cmd_type(const SMMUv3AccelHostCmd *cmd)
{
    return le64_to_cpu(cmd->cmd[0]) & 0xff;
}

static inline uint32_t smmuv3_accel_host_cmd_sid(const SMMUv3AccelHostCmd *cmd)
{
    return le64_to_cpu(cmd->cmd[0]) >> 32;
}

/* Whether it is for the TLB of the whole vIOMMU, not for one StreamID */
bool smmuv3_accel_host_cmd_is_tlbi(const SMMUv3AccelHostCmd *cmd);

/* The same command for another StreamID */
SMMUv3AccelHostCmd smmuv3_accel_host_cmd_for(const SMMUv3AccelHostCmd *cmd,
                                             uint32_t sid);

/*
 * Commands that QEMU sends on its own: invalidate all TLB entries of stage 1;
 * all cached CDs of one StreamID; its whole ATC, without a SubstreamID or with
 * any.
 */
SMMUv3AccelHostCmd smmuv3_accel_host_cmd_tlbi_all(void);
SMMUv3AccelHostCmd smmuv3_accel_host_cmd_cfgi_cd_all(uint32_t sid);
SMMUv3AccelHostCmd smmuv3_accel_host_cmd_atc_inv_all(uint32_t sid,
                                                     bool substreams);

#endif /* HW_ARM_SMMUV3_ACCEL_CMD_H */
