/*
 * arm-smmuv3-accel: the ID registers of a vSMMU
 *
 * Pure: no ioctl, no QOM, no globals. What they are by the command line and by
 * the host, and whether a host can stand behind them; field by field, as the
 * table of smmuv3-accel-rules.h says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_IDREGS_H
#define HW_ARM_SMMUV3_ACCEL_IDREGS_H

#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-smmuv3-accel.h"
#include "smmuv3-accel-rules.h"

/* The registers of a vSMMU; an UNKNOWN one reads as 0 */
typedef struct SMMUv3AccelRegs {
    uint32_t reg[SMMU_ACCEL_NR_REGS];
    SMMUv3AccelOrigin origin[SMMU_ACCEL_NR_REGS];
    bool dropin;                    /* may have SMMUv3AccelRule.dropin */
    uint32_t cmdqv_param;           /* PARAM of its CMDQV; 0: no CMDQV */
} SMMUv3AccelRegs;

/* PARAM, unless the command line or a host at start has another one */
#define SMMU_ACCEL_CMDQV_PARAM 0x4011

/* log2 of the smallest command queue with which Linux uses an SMMU */
#define SMMU_ACCEL_CMDQS_LINUX 7

/* ssidsize= and oas= not given, or given as "auto" */
#define SMMU_ACCEL_AUTO (-1)

/* What the command line says */
typedef struct SMMUv3AccelSpec {
    uint32_t reg[SMMU_ACCEL_NR_REGS];
    bool given[SMMU_ACCEL_NR_REGS];
    OnOffAuto ril;
    OnOffAuto ats;
    int ssidsize;                   /* 0..20 or SMMU_ACCEL_AUTO */
    int oas;                        /* in bits, or SMMU_ACCEL_AUTO */
    bool dropin;                    /* accel=on: as newer QEMU without a host */
    OnOffAuto cmdqv;
    uint32_t cmdqv_param;           /* 0: not given */
    uint64_t page_size;             /* smallest page of guest memory */
} SMMUv3AccelSpec;

/* What the kernel says of the physical SMMU of one device */
typedef struct SMMUv3AccelHostInfo {
    uint32_t idr[6];                /* raw, struct iommu_hw_info_arm_smmuv3 */
    uint32_t iidr;
    uint32_t aidr;
    uint8_t oas_bits;               /* from the stage-2 IOVA range, or 0 */
    uint32_t cmdqv_param;           /* maximum for a guest; 0: no CMDQV */
    bool invalidates_twice;         /* needs each TLBI and CFGI twice */
} SMMUv3AccelHostInfo;

/* The field of @rule in the registers of @host */
uint32_t smmuv3_accel_host_field(const SMMUv3AccelRule *rule,
                                 const SMMUv3AccelHostInfo *host);

/**
 * smmuv3_accel_hardware_cmdqs:
 * @page_size: the smallest page that guest memory has on the host
 * @host: NULL if there is none yet
 *
 * Returns the largest IDR1.CMDQS with which hardware can have every queue of a
 * CMDQV. Hardware reads a queue at physical addresses, so a queue larger than a
 * page may not be contiguous, and the kernel refuses more than @host's CMDQS.
 */
uint32_t smmuv3_accel_hardware_cmdqs(uint64_t page_size,
                                     const SMMUv3AccelHostInfo *host);

/* Set @spec to "nothing given": without this, ssidsize and oas would read 0 */
void smmuv3_accel_spec_init(SMMUv3AccelSpec *spec);

/**
 * smmuv3_accel_parse_ssidsize:
 * @str: "auto" or "0".."20"
 * @out: the number, or SMMU_ACCEL_AUTO
 */
bool smmuv3_accel_parse_ssidsize(const char *str, int *out, Error **errp);

/**
 * smmuv3_accel_parse_oas:
 * @str: "auto" or a size in bits: "32", "36", "40", "42", "44", "48"
 * @out: the number of bits, or SMMU_ACCEL_AUTO
 */
bool smmuv3_accel_parse_oas(const char *str, int *out, Error **errp);

/* Returns the text of an ssidsize or oas, as the parsers take it; g_free() */
char *smmuv3_accel_auto_to_str(int value);

/* Whether a shorthand of @spec sets the field of @rule, and to what */
bool smmuv3_accel_spec_shorthand(const SMMUv3AccelRule *rule,
                                 const SMMUv3AccelSpec *spec, uint32_t *value);

/**
 * smmuv3_accel_spec_missing:
 *
 * Returns the registers that only a host device could supply, as
 * "idr0, idr1, iidr" (g_free()), or NULL when @spec is complete.
 */
char *smmuv3_accel_spec_missing(const SMMUv3AccelSpec *spec);

/**
 * smmuv3_accel_spec_validate:
 *
 * Whether what is given can be honoured, and shorthands agree with registers.
 * All that is wrong goes into one message, by field name. compose does this
 * too; realize wants it before there is any host.
 */
bool smmuv3_accel_spec_validate(const SMMUv3AccelSpec *spec, Error **errp);

/**
 * smmuv3_accel_regs_compose:
 * @host: the host to inherit from, NULL if there is none yet
 * @out: the registers; without a host, those that are missing are UNKNOWN
 *
 * A given register is taken as it is, any other from @host, masked to what the
 * device honours, with the shorthands on top. Without a host, a drop-in for
 * newer QEMU takes its values, and nothing is UNKNOWN. With a CMDQV, CMDQS is
 * limited to what hardware supports. That the result fits @host is for
 * smmuv3_accel_regs_compare() to say: ril=on may ask for too much.
 */
bool smmuv3_accel_regs_compose(const SMMUv3AccelSpec *spec,
                               const SMMUv3AccelHostInfo *host,
                               SMMUv3AccelRegs *out, Error **errp);

/**
 * smmuv3_accel_regs_compare:
 * @host_dev: the device as the user knows it ("0000:03:00.0")
 * @host_smmu: the name of its SMMU, or NULL
 *
 * Whether the SMMU described by @host can stand behind @vsmmu. If not, the
 * message holds a line per field: both values, and the option to change.
 */
bool smmuv3_accel_regs_compare(const SMMUv3AccelRegs *vsmmu,
                               const SMMUv3AccelHostInfo *host,
                               const char *host_dev, const char *host_smmu,
                               Error **errp);

/**
 * smmuv3_accel_regs_software_queues:
 *
 * Returns a literal that says why hardware cannot have the queues of @vsmmu's
 * CMDQV on @host; NULL if it can, or if there is no CMDQV.
 */
const char *smmuv3_accel_regs_software_queues(const SMMUv3AccelRegs *vsmmu,
                                              const SMMUv3AccelHostInfo *host);

/**
 * smmuv3_accel_regs_spec:
 *
 * Returns the known registers as options to paste, "idr0=0x...,idr1=..."
 * (g_free()). IDR2 and IDR4 appear when they are not 0, a CMDQV if there is
 * one.
 */
char *smmuv3_accel_regs_spec(const SMMUv3AccelRegs *regs);

#endif /* HW_ARM_SMMUV3_ACCEL_IDREGS_H */
