/*
 * arm-smmuv3-accel: the ID registers of a vSMMU
 *
 * Pure: no ioctl, no QOM, no globals. One table of rules, a row per field,
 * drives everything here: what may be given on the command line, what is taken
 * from a host, how a vSMMU compares with a host, and how registers are printed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_IDREGS_H
#define HW_ARM_SMMUV3_ACCEL_IDREGS_H

#include "qapi/qapi-types-common.h"

typedef enum SMMUv3AccelReg {
    SMMU_ACCEL_IDR0,
    SMMU_ACCEL_IDR1,
    SMMU_ACCEL_IDR2,
    SMMU_ACCEL_IDR3,
    SMMU_ACCEL_IDR4,
    SMMU_ACCEL_IDR5,
    SMMU_ACCEL_IIDR,
    SMMU_ACCEL_AIDR,
    SMMU_ACCEL_NR_REGS
} SMMUv3AccelReg;

/* Where the value of a register comes from */
typedef enum SMMUv3AccelOrigin {
    SMMU_ACCEL_ORIGIN_UNKNOWN,      /* neither given nor inherited yet */
    SMMU_ACCEL_ORIGIN_DEFAULT,      /* IDR2 and IDR4, which are 0 */
    SMMU_ACCEL_ORIGIN_GIVEN,        /* on the command line */
    SMMU_ACCEL_ORIGIN_INHERITED,    /* from the first host device */
} SMMUv3AccelOrigin;

/* The registers of a vSMMU; an UNKNOWN one reads as 0 */
typedef struct SMMUv3AccelRegs {
    uint32_t reg[SMMU_ACCEL_NR_REGS];
    SMMUv3AccelOrigin origin[SMMU_ACCEL_NR_REGS];
} SMMUv3AccelRegs;

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
} SMMUv3AccelSpec;

/* What the kernel says of the physical SMMU of one device */
typedef struct SMMUv3AccelHostInfo {
    uint32_t idr[6];                /* raw, struct iommu_hw_info_arm_smmuv3 */
    uint32_t iidr;
    uint32_t aidr;
    uint8_t oas_bits;               /* from the stage-2 IOVA range, or 0 */
} SMMUv3AccelHostInfo;

/* How a field of the vSMMU compares with that of a host */
typedef enum SMMUv3AccelCompare {
    SMMU_ACCEL_IGNORE,              /* the host's value is not looked at */
    SMMU_ACCEL_AT_MOST,             /* vSMMU <= host */
    SMMU_ACCEL_AT_LEAST,            /* vSMMU >= host */
    SMMU_ACCEL_SUBSET,              /* every bit of the vSMMU is in the host */
    SMMU_ACCEL_ENDIAN,              /* host the same, or 0: mixed */
    SMMU_ACCEL_NO_FORCED_STALL,     /* host anything but 2: stall forced */
    SMMU_ACCEL_OAS_BITS,            /* at most what the stage 2 maps */
} SMMUv3AccelCompare;

/*
 * One field of one register. @vfio and @emulated are sets: bit n stands for
 * value n, SMMU_ACCEL_ANY for every value that fits the field. A value in
 * neither set is refused at realize; one that is not in @vfio is refused when
 * a host device is attached.
 */
#define SMMU_ACCEL_ANY UINT64_MAX

typedef struct SMMUv3AccelRule {
    SMMUv3AccelReg reg;
    const char *name;
    uint8_t shift;
    uint8_t length;
    uint64_t vfio;                  /* what forwarding to a host can honour */
    uint64_t emulated;              /* what QEMU's own walker does */
    SMMUv3AccelCompare compare;
    bool inherit;                   /* from the host, if the walker can too */
    uint32_t preset;                /* when not inherited, or impossible */
    const char *shorthand;          /* option for this field, or NULL */
    const char *why;
} SMMUv3AccelRule;

/**
 * smmuv3_accel_rules:
 * @n: set to the number of rows
 *
 * Returns the rule table, ordered by register and bit.
 */
const SMMUv3AccelRule *smmuv3_accel_rules(size_t *n);

/**
 * smmuv3_accel_set_str:
 *
 * Returns a set of values as text: "0..5", "0, 2" or "any" (g_free()).
 */
char *smmuv3_accel_set_str(uint64_t set);

/**
 * smmuv3_accel_reg_name:
 *
 * Returns the option that gives @reg ("idr0".."idr5", "iidr", "aidr").
 */
const char *smmuv3_accel_reg_name(SMMUv3AccelReg reg);

/* Returns "given", "inherited", "default" or "unknown" */
const char *smmuv3_accel_origin_name(SMMUv3AccelOrigin origin);

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
 * device honours, with the shorthands on top. That the result fits @host is
 * for smmuv3_accel_regs_compare() to say: ril=on may ask for too much.
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
 * smmuv3_accel_regs_spec:
 *
 * Returns the known registers as options to paste, "idr0=0x...,idr1=..."
 * (g_free()). IDR2 and IDR4 appear when they are not 0.
 */
char *smmuv3_accel_regs_spec(const SMMUv3AccelRegs *regs);

/* The field of @rule in @value of its register */
uint32_t smmuv3_accel_field_value(const SMMUv3AccelRule *rule, uint32_t value);

/* Whether that field can be honoured for a host device */
bool smmuv3_accel_field_honoured(const SMMUv3AccelRule *rule, uint32_t value);

/**
 * smmuv3_accel_field_text:
 *
 * Returns the same for people (g_free()): "2", "0x43b" of what is a code, and
 * "5(48bit)" of OAS.
 */
char *smmuv3_accel_field_text(const SMMUv3AccelRule *rule, uint32_t value);

#endif /* HW_ARM_SMMUV3_ACCEL_IDREGS_H */
