/*
 * arm-smmuv3-accel: the rules for the fields of the ID registers
 *
 * The table is in the order of registers and bits; a bit in no row is reserved
 * and 0. The functions below it read the rows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-accel-rules.h"

/* Fields that the base class does not define (IHI 0070, 6.3.5, 6.3.7, 6.3.8) */
FIELD(IDR4, IMPDEF,        0, 32)
FIELD(IDR5, DS,            7, 1)
FIELD(IIDR, IMPLEMENTER,   0, 12)
FIELD(IIDR, REVISION,     12, 4)
FIELD(IIDR, VARIANT,      16, 4)
FIELD(IIDR, PRODUCTID,    20, 12)
FIELD(AIDR, ARCH_MINOR,    0, 4)
FIELD(AIDR, ARCH_MAJOR,    4, 4)

#define ANY        SMMU_ACCEL_ANY
#define ONLY(v)    BIT_ULL(v)
#define UPTO(v)    MAKE_64BIT_MASK(0, (v) + 1)
#define FROM(a, b) (UPTO(b) & ~MAKE_64BIT_MASK(0, a))

#define FIELD_RULE(r, f, ...)                                                 \
    { .reg = SMMU_ACCEL_ ## r, .name = #f,                                    \
      .shift = R_ ## r ## _ ## f ## _SHIFT,                                   \
      .length = R_ ## r ## _ ## f ## _LENGTH, __VA_ARGS__ }

/* QEMU implements the field: hosts do not matter, but it has to be in @v */
#define OWN(r, f, v, e, p, w)                                                 \
    FIELD_RULE(r, f, .vfio = v, .emulated = e, .preset = p, .why = w)

/* A feature that is not supported */
#define NONE(r, f, w) OWN(r, f, ONLY(0), ONLY(0), 0, w)

/* The host limits the vSMMU; without a host, newer QEMU has @p */
#define HOST(r, f, v, e, c, opt, p, w)                                        \
    FIELD_RULE(r, f, .vfio = v, .emulated = e, .compare = SMMU_ACCEL_ ## c,   \
               .inherit = true, .shorthand = opt, .preset = p, .why = w)

/* The host's value is compared, but not inherited */
#define CHECK(r, f, v, e, c, p, w)                                            \
    FIELD_RULE(r, f, .vfio = v, .emulated = e, .compare = SMMU_ACCEL_ ## c,   \
               .preset = p, .why = w)

/*
 * Host bits that are not in the list in the documentation of struct
 * iommu_hw_info_arm_smmuv3 must not be read: their rule is IGNORE or OAS_BITS,
 * and they are not inherited. IIDR and AIDR are not feature bits: they are
 * passed on, and no decision depends on them.
 */
static const SMMUv3AccelRule rules[] = {
    OWN(IDR0, S2P, ONLY(0), UPTO(1), 0,
        "a guest's stage 2 cannot be forwarded"),
    OWN(IDR0, S1P, ONLY(1), ONLY(1), 1,
        "stage 1 is what this device is for"),
    CHECK(IDR0, TTF, FROM(2, 3), ONLY(2), SUBSET, 2,
          "tables are walked by the host, QEMU itself walks AArch64 only"),
    OWN(IDR0, COHACC, ONLY(1), ONLY(1), 1,
        "VFIO needs a coherent SMMU, and the firmware tables say so"),
    NONE(IDR0, BTM, "broadcast TLB maintenance does not reach a nested SMMU"),
    NONE(IDR0, HTTU, "the kernel does not nest access and dirty flag updates"),
    NONE(IDR0, DORMHINT, "QEMU has no dormant hint"),
    NONE(IDR0, HYP, "an EL2 StreamWorld cannot be forwarded"),
    FIELD_RULE(IDR0, ATS, .vfio = UPTO(1), .emulated = UPTO(1),
               .shorthand = "ats",
               .why = "ATS is a property of each device, not of the SMMU"),
    NONE(IDR0, NS1ATS, "split-stage ATS needs a stage 2 of the guest"),
    HOST(IDR0, ASID16, UPTO(1), UPTO(1), AT_MOST, NULL, 1,
         "ASIDs go to the host as they are"),
    OWN(IDR0, MSI, UPTO(1), UPTO(1), 1,
        "a guest can wait for CMD_SYNC in memory, without an exit"),
    NONE(IDR0, SEV, "QEMU sends no event at the end of a CMD_SYNC"),
    NONE(IDR0, ATOS, "QEMU has no address translation operations"),
    NONE(IDR0, PRI, "QEMU has no PRI queue"),
    NONE(IDR0, VMW, "VMID wildcards need a stage 2 of the guest"),
    FIELD_RULE(IDR0, VMID16, .vfio = UPTO(1), .emulated = UPTO(1), .dropin = 1,
               .why = "the kernel puts in the VMID; without S2P it means "
                      "nothing"),
    HOST(IDR0, CD2L, UPTO(1), UPTO(1), AT_MOST, NULL, 0,
         "CD tables are walked by the host"),
    NONE(IDR0, VATOS, "QEMU has no address translation operations"),
    CHECK(IDR0, TTENDIAN, ONLY(0) | ONLY(2), ONLY(2), ENDIAN, 2,
          "tables are walked by the host, QEMU itself walks little-endian"),
    NONE(IDR0, ATSRECERR, "QEMU does not report ATS errors"),
    HOST(IDR0, STALL_MODEL, UPTO(1), UPTO(1), STALLS_LIKE, NULL,
         1,
         "0 needs a host that lets software choose; no guest can resume what "
         "an SMMU with 2 stalls"),
    CHECK(IDR0, TERM_MODEL, UPTO(1), ONLY(1), AT_LEAST, 1,
          "1 keeps to CD.A=1, which is legal everywhere; 0 allows CD.A=0 too"),
    OWN(IDR0, STLEVEL, UPTO(1), UPTO(1), 1,
        "QEMU walks the stream table of the guest, the host does not"),
    NONE(IDR0, RME_IMPL, "QEMU has no realms here"),

    OWN(IDR1, SIDSIZE, FROM(16, 32), FROM(16, 32), SMMU_IDR1_SIDSIZE,
        "a PCIe root complex has StreamIDs of 16 bits; QEMU walks the table"),
    HOST(IDR1, SSIDSIZE, UPTO(20), UPTO(20), AT_MOST, "ssidsize", 0,
         "S1CDMax goes to the host as it is"),
    NONE(IDR1, PRIQS, "QEMU has no PRI queue"),
    OWN(IDR1, EVENTQS, UPTO(SMMU_EVENTQS), UPTO(SMMU_EVENTQS), SMMU_EVENTQS,
        "the event queue is QEMU's"),
    OWN(IDR1, CMDQS, UPTO(SMMU_CMDQS), UPTO(SMMU_CMDQS), SMMU_CMDQS,
        "the command queue is QEMU's, and so is each of a CMDQV's that does "
        "not fit into hardware"),
    NONE(IDR1, ATTR_PERMS_OVR, "the kernel takes no overrides in an STE"),
    NONE(IDR1, ATTR_TYPES_OVR, "the kernel takes no overrides in an STE"),
    NONE(IDR1, REL, "QEMU has no fixed tables or queues"),
    NONE(IDR1, QUEUES_PRESET, "QEMU has no fixed tables or queues"),
    NONE(IDR1, TABLES_PRESET, "QEMU has no fixed tables or queues"),
    NONE(IDR1, ECMDQ, "QEMU has one command queue"),

    NONE(IDR2, BA_VATOS, "QEMU has no VATOS page"),

    /* Newer QEMU always sets it; a host without it ignores the bits */
    FIELD_RULE(IDR3, HAD, .vfio = ONLY(0), .emulated = UPTO(1), .dropin = 1,
               .why = "whether the host has it must not be read (uAPI)"),
    NONE(IDR3, PBHA, "whether the host has it must not be read (uAPI)"),
    OWN(IDR3, XNX, ONLY(0), UPTO(1), 0,
        "a guest's stage 2 cannot be forwarded"),
    NONE(IDR3, PPS, "QEMU has no PRI queue"),
    NONE(IDR3, MPAM, "the kernel does not nest MPAM"),
    OWN(IDR3, FWB, ONLY(0), UPTO(1), 0,
        "a guest's stage 2 cannot be forwarded"),
    NONE(IDR3, STT, "QEMU does not walk small translation tables"),
    HOST(IDR3, RIL, UPTO(1), UPTO(1), AT_MOST, "ril", 1,
         "range invalidations go to the host as they are"),
    HOST(IDR3, BBML, UPTO(2), UPTO(2), AT_MOST, NULL, 2,
         "what a change of block size does is up to the host's TLB"),
    NONE(IDR3, E0PD, "whether the host has it must not be read (uAPI)"),
    NONE(IDR3, PTWNNC, "whether the host has it must not be read (uAPI)"),
    NONE(IDR3, DPT, "QEMU has no device permission table"),

    OWN(IDR4, IMPDEF, ANY, ANY, 0, "implementation defined"),

    FIELD_RULE(IDR5, OAS, .vfio = UPTO(5), .emulated = UPTO(5),
               .compare = SMMU_ACCEL_OAS_BITS, .inherit = true,
               .preset = SMMU_IDR5_OAS, .shorthand = "oas",
               .why = "stage 1 must not output more bits than stage 2 "
                      "accepts; QEMU walks up to 48 bits"),
    HOST(IDR5, GRAN4K, UPTO(1), UPTO(1), SUBSET, NULL, 1,
         "tables are walked by the host"),
    HOST(IDR5, GRAN16K, UPTO(1), UPTO(1), SUBSET, NULL, 1,
         "tables are walked by the host"),
    HOST(IDR5, GRAN64K, UPTO(1), UPTO(1), SUBSET, NULL, 1,
         "tables are walked by the host"),
    NONE(IDR5, DS, "QEMU walks and invalidates no 52 bits with 4K or 16K pages"),
    HOST(IDR5, VAX, UPTO(1), ONLY(0), AT_MOST, NULL, 0,
         "tables are walked by the host, QEMU itself walks up to 48 bits"),
    OWN(IDR5, STALL_MAX, UPTO(SMMU_ACCEL_STALLS), UPTO(SMMU_ACCEL_STALLS), 0,
        "QEMU tells a guest of so many stalled transactions at a time; 0 if "
        "and only if IDR0.STALL_MODEL is 1"),

    /* A guest needs the host's value to work around errata */
    FIELD_RULE(IIDR, IMPLEMENTER, .vfio = ANY, .emulated = ANY,
               .inherit = true, .why = "tells the guest of errata, no more"),
    FIELD_RULE(IIDR, REVISION, .vfio = ANY, .emulated = ANY,
               .inherit = true, .why = "tells the guest of errata, no more"),
    FIELD_RULE(IIDR, VARIANT, .vfio = ANY, .emulated = ANY,
               .inherit = true, .why = "tells the guest of errata, no more"),
    FIELD_RULE(IIDR, PRODUCTID, .vfio = ANY, .emulated = ANY,
               .inherit = true, .why = "tells the guest of errata, no more"),

    /* Each feature has its own bit: an SMMUv3.0 host, with AIDR 0, works */
    FIELD_RULE(AIDR, ARCH_MINOR, .vfio = ANY, .emulated = ANY,
               .inherit = true, .preset = 1, .why = "only sums up what the IDRs say"),
    FIELD_RULE(AIDR, ARCH_MAJOR, .vfio = ANY, .emulated = ANY,
               .inherit = true, .why = "only sums up what the IDRs say"),
};

const SMMUv3AccelRule *smmuv3_accel_rules(size_t *n)
{
    *n = ARRAY_SIZE(rules);
    return rules;
}

static const char *const reg_names[SMMU_ACCEL_NR_REGS][2] = {
    [SMMU_ACCEL_IDR0] = { "idr0", "IDR0" },
    [SMMU_ACCEL_IDR1] = { "idr1", "IDR1" },
    [SMMU_ACCEL_IDR2] = { "idr2", "IDR2" },
    [SMMU_ACCEL_IDR3] = { "idr3", "IDR3" },
    [SMMU_ACCEL_IDR4] = { "idr4", "IDR4" },
    [SMMU_ACCEL_IDR5] = { "idr5", "IDR5" },
    [SMMU_ACCEL_IIDR] = { "iidr", "IIDR" },
    [SMMU_ACCEL_AIDR] = { "aidr", "AIDR" },
};

const char *smmuv3_accel_reg_name(SMMUv3AccelReg reg)
{
    return reg_names[reg][0];
}

const char *smmuv3_accel_reg_title(SMMUv3AccelReg reg)
{
    return reg_names[reg][1];
}

uint32_t smmuv3_accel_reg_reserved(SMMUv3AccelReg reg, uint32_t value)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].reg == reg) {
            value = smmuv3_accel_field_set(&rules[i], value, 0);
        }
    }
    return value;
}

bool smmuv3_accel_in_set(uint64_t set, uint32_t value)
{
    return set == SMMU_ACCEL_ANY || (value < 64 && (set & BIT_ULL(value)));
}

char *smmuv3_accel_set_str(uint64_t set)
{
    g_autoptr(GString) str = g_string_new(NULL);
    const char *sep = "";

    if (set == SMMU_ACCEL_ANY) {
        return g_strdup("any");
    }
    for (int first = 0; first < 64; first++) {
        int last = first;

        if (!(set & BIT_ULL(first))) {
            continue;
        }
        while (last < 63 && (set & BIT_ULL(last + 1))) {
            last++;
        }
        g_string_append_printf(str, "%s%d", sep, first);
        if (last > first) {
            g_string_append_printf(str, "%s%d",
                                   last > first + 1 ? ".." : ", ", last);
        }
        sep = ", ";
        first = last;
    }
    return g_strdup(str->str);
}

uint32_t smmuv3_accel_field_value(const SMMUv3AccelRule *rule, uint32_t value)
{
    return extract32(value, rule->shift, rule->length);
}

uint32_t smmuv3_accel_field_set(const SMMUv3AccelRule *rule, uint32_t value,
                                uint32_t field)
{
    return deposit32(value, rule->shift, rule->length, field);
}

bool smmuv3_accel_field_honoured(const SMMUv3AccelRule *rule, uint32_t value)
{
    return smmuv3_accel_in_set(rule->vfio,
                               smmuv3_accel_field_value(rule, value));
}

char *smmuv3_accel_field_text(const SMMUv3AccelRule *rule, uint32_t value)
{
    uint32_t field = smmuv3_accel_field_value(rule, value);

    if (rule->compare == SMMU_ACCEL_OAS_BITS &&
        smmuv3_accel_in_set(rule->vfio, field)) {
        return g_strdup_printf("%u(%dbit)", field, oas2bits(field));
    }
    return g_strdup_printf(rule->vfio == SMMU_ACCEL_ANY ? "0x%x" : "%u",
                           field);
}

char *smmuv3_accel_field_option(const SMMUv3AccelRule *rule, uint32_t field)
{
    if (rule->reg == SMMU_ACCEL_IDR5) {
        return g_strdup_printf("%s=%d", rule->shorthand, oas2bits(field));
    }
    if (rule->reg == SMMU_ACCEL_IDR1) {
        return g_strdup_printf("%s=%u", rule->shorthand, field);
    }
    return g_strdup_printf("%s=%s", rule->shorthand, field ? "on" : "off");
}

int smmuv3_accel_oas_from_bits(int bits)
{
    int oas = 5;

    while (oas >= 0 && oas2bits(oas) > bits) {
        oas--;
    }
    return oas;
}
