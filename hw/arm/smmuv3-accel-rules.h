/*
 * arm-smmuv3-accel: the rules for the fields of the ID registers
 *
 * Pure: no ioctl, no QOM, no globals. One table with a row for each field
 * determines what the command line may set, what is inherited from a host, how
 * a vSMMU is compared with a host, and how registers are printed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_RULES_H
#define HW_ARM_SMMUV3_ACCEL_RULES_H

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

/* How a field of the vSMMU compares with that of a host */
typedef enum SMMUv3AccelCompare {
    SMMU_ACCEL_IGNORE,              /* the host's value is not read */
    SMMU_ACCEL_AT_MOST,             /* vSMMU <= host */
    SMMU_ACCEL_AT_LEAST,            /* vSMMU >= host */
    SMMU_ACCEL_SUBSET,              /* every bit of the vSMMU is in the host */
    SMMU_ACCEL_ENDIAN,              /* host has the same, or 0 (mixed) */
    SMMU_ACCEL_STALLS_LIKE,         /* the same, or 1 (none) on 0 (a choice) */
    SMMU_ACCEL_OAS_BITS,            /* at most the range of stage 2 */
} SMMUv3AccelCompare;

/*
 * One field of one register. @vfio and @emulated are sets: bit n stands for
 * value n, SMMU_ACCEL_ANY for every value that fits the field. A value in
 * neither set is refused at realize; one that is not in @vfio is refused when
 * a host device is attached.
 */
#define SMMU_ACCEL_ANY UINT64_MAX

/* IDR5.STALL_MAX of a vSMMU that can stall, unless it is given */
#define SMMU_ACCEL_STALLS 32

typedef struct SMMUv3AccelRule {
    SMMUv3AccelReg reg;
    const char *name;
    uint8_t shift;
    uint8_t length;
    uint64_t vfio;                  /* values for host devices */
    uint64_t emulated;              /* values for QEMU's own walk */
    SMMUv3AccelCompare compare;
    bool inherit;                   /* from the host, if in @emulated, too */
    uint32_t preset;                /* when not inherited, or impossible */
    uint32_t dropin;                /* of newer QEMU with accel=on and without
                                       a host device, if it is not the preset;
                                       allowed there beside @vfio */
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

/* Returns the option that gives @reg: "idr0".."idr5", "iidr", "aidr" */
const char *smmuv3_accel_reg_name(SMMUv3AccelReg reg);

/* Returns the architecture's name of @reg, without the prefix: "IDR0" */
const char *smmuv3_accel_reg_title(SMMUv3AccelReg reg);

/* Returns the bits of @value, a value of @reg, that are in no row */
uint32_t smmuv3_accel_reg_reserved(SMMUv3AccelReg reg, uint32_t value);

/* Whether @value is in @set, which is @vfio or @emulated of a rule */
bool smmuv3_accel_in_set(uint64_t set, uint32_t value);

/**
 * smmuv3_accel_set_str:
 *
 * Returns a set of values as text: "0..5", "0, 2" or "any" (g_free()).
 */
char *smmuv3_accel_set_str(uint64_t set);

/* The field of @rule in @value of its register */
uint32_t smmuv3_accel_field_value(const SMMUv3AccelRule *rule, uint32_t value);

/* Returns @value of its register with the field of @rule set to @field */
uint32_t smmuv3_accel_field_set(const SMMUv3AccelRule *rule, uint32_t value,
                                uint32_t field);

/* Whether QEMU can honour that field for a host device */
bool smmuv3_accel_field_honoured(const SMMUv3AccelRule *rule, uint32_t value);

/**
 * smmuv3_accel_field_text:
 *
 * Returns the same for humans (g_free()): "2", "0x43b" for a code, and
 * "5(48bit)" for OAS.
 */
char *smmuv3_accel_field_text(const SMMUv3AccelRule *rule, uint32_t value);

/**
 * smmuv3_accel_field_option:
 * @rule: one with a shorthand
 *
 * Returns the option that sets the field to @field: "ril=on", "oas=48"
 * (g_free()).
 */
char *smmuv3_accel_field_option(const SMMUv3AccelRule *rule, uint32_t field);

/* The largest value of IDR5.OAS with no more than @bits, -1 if there is none */
int smmuv3_accel_oas_from_bits(int bits);

#endif /* HW_ARM_SMMUV3_ACCEL_RULES_H */
