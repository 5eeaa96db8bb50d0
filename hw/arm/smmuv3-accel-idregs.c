/*
 * arm-smmuv3-accel: the ID registers of a vSMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-accel-idregs.h"

#include "smmuv3-accel-rules.c.inc"

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

const char *smmuv3_accel_origin_name(SMMUv3AccelOrigin origin)
{
    static const char *const names[] = {
        [SMMU_ACCEL_ORIGIN_UNKNOWN] = "unknown",
        [SMMU_ACCEL_ORIGIN_DEFAULT] = "default",
        [SMMU_ACCEL_ORIGIN_GIVEN] = "given",
        [SMMU_ACCEL_ORIGIN_INHERITED] = "inherited",
    };

    return names[origin];
}

/* IDR2 and IDR4 describe nothing a vSMMU has: they never need a host */
static bool has_default(SMMUv3AccelReg reg)
{
    return reg == SMMU_ACCEL_IDR2 || reg == SMMU_ACCEL_IDR4;
}

/* Fields and sets of values */

static uint32_t get_field(const SMMUv3AccelRule *rule, uint32_t value)
{
    return extract32(value, rule->shift, rule->length);
}

static uint32_t set_field(const SMMUv3AccelRule *rule, uint32_t value,
                          uint32_t field)
{
    return deposit32(value, rule->shift, rule->length, field);
}

static uint32_t host_field(const SMMUv3AccelRule *rule,
                           const SMMUv3AccelHostInfo *host)
{
    switch (rule->reg) {
    case SMMU_ACCEL_IIDR:
        return get_field(rule, host->iidr);
    case SMMU_ACCEL_AIDR:
        return get_field(rule, host->aidr);
    default:
        return get_field(rule, host->idr[rule->reg]);
    }
}

/* What of @value no rule covers */
static uint32_t reserved_bits(SMMUv3AccelReg reg, uint32_t value)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].reg == reg) {
            value = set_field(&rules[i], value, 0);
        }
    }
    return value;
}

static bool in_set(uint64_t set, uint32_t value)
{
    return set == SMMU_ACCEL_ANY || (value < 64 && (set & BIT_ULL(value)));
}

/* "0..5", "0, 2" */
static void append_set(GString *str, uint64_t set)
{
    const char *sep = "";

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
}

char *smmuv3_accel_set_str(uint64_t set)
{
    GString *str = g_string_new(set == SMMU_ACCEL_ANY ? "any" : NULL);

    if (set != SMMU_ACCEL_ANY) {
        append_set(str, set);
    }
    return g_string_free(str, false);
}

/* The largest value of OAS with no more than @bits, -1 if there is none */
static int oas_from_bits(int bits)
{
    int oas = 5;

    while (oas >= 0 && oas2bits(oas) > bits) {
        oas--;
    }
    return oas;
}

/* The command line */

void smmuv3_accel_spec_init(SMMUv3AccelSpec *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->ril = ON_OFF_AUTO_AUTO;
    spec->ats = ON_OFF_AUTO_AUTO;
    spec->ssidsize = SMMU_ACCEL_AUTO;
    spec->oas = SMMU_ACCEL_AUTO;
}

/* A decimal number, all of @str */
static bool parse_number(const char *str, unsigned *out)
{
    return qemu_isdigit(*str) && !qemu_strtoui(str, NULL, 10, out);
}

bool smmuv3_accel_parse_ssidsize(const char *str, int *out, Error **errp)
{
    unsigned bits;

    if (!strcmp(str, "auto")) {
        *out = SMMU_ACCEL_AUTO;
        return true;
    }
    if (!parse_number(str, &bits) || bits > 20) {
        error_setg(errp, "ssidsize '%s' is neither 0..20 nor 'auto'", str);
        return false;
    }
    *out = bits;
    return true;
}

bool smmuv3_accel_parse_oas(const char *str, int *out, Error **errp)
{
    unsigned bits;

    if (!strcmp(str, "auto")) {
        *out = SMMU_ACCEL_AUTO;
        return true;
    }
    if (parse_number(str, &bits) && bits >= 32 && bits <= 48 &&
        oas2bits(oas_from_bits(bits)) == bits) {
        *out = bits;
        return true;
    }
    error_setg(errp, "oas '%s' is none of 32, 36, 40, 42, 44, 48 and 'auto'%s",
               str, g_str_equal(str, "52") ?
               " (QEMU does not walk tables of 52 bits)" : "");
    return false;
}

char *smmuv3_accel_auto_to_str(int value)
{
    return value == SMMU_ACCEL_AUTO ? g_strdup("auto")
                                    : g_strdup_printf("%d", value);
}

/* "ril=on": @value of the field of @rule as its shorthand; g_free() */
static char *shorthand_str(const SMMUv3AccelRule *rule, uint32_t value)
{
    if (rule->reg == SMMU_ACCEL_IDR5) {
        return g_strdup_printf("%s=%d", rule->shorthand, oas2bits(value));
    }
    if (rule->reg == SMMU_ACCEL_IDR1) {
        return g_strdup_printf("%s=%u", rule->shorthand, value);
    }
    return g_strdup_printf("%s=%s", rule->shorthand, value ? "on" : "off");
}

/* Whether a shorthand sets the field of @rule, and to what */
static bool shorthand_value(const SMMUv3AccelRule *rule,
                            const SMMUv3AccelSpec *spec, uint32_t *value)
{
    OnOffAuto on_off;

    if (!rule->shorthand) {
        return false;
    }
    if (rule->reg == SMMU_ACCEL_IDR5) {
        *value = MAX(oas_from_bits(spec->oas), 0);
        return spec->oas != SMMU_ACCEL_AUTO;
    }
    if (rule->reg == SMMU_ACCEL_IDR1) {
        *value = spec->ssidsize;
        return spec->ssidsize != SMMU_ACCEL_AUTO;
    }
    on_off = rule->reg == SMMU_ACCEL_IDR3 ? spec->ril : spec->ats;
    *value = on_off == ON_OFF_AUTO_ON;
    return on_off != ON_OFF_AUTO_AUTO;
}

char *smmuv3_accel_spec_missing(const SMMUv3AccelSpec *spec)
{
    GString *str = g_string_new(NULL);

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (!spec->given[reg] && !has_default(reg)) {
            g_string_append_printf(str, "%s%s", str->len ? ", " : "",
                                   smmuv3_accel_reg_name(reg));
        }
    }
    return g_string_free(str, str->len == 0);
}

/* A line of complaint if the field of @rule in a given register is wrong */
static void validate_field(const SMMUv3AccelRule *rule,
                           const SMMUv3AccelSpec *spec, GString *str)
{
    uint64_t set = rule->vfio | rule->emulated;
    const char *reg = reg_names[rule->reg][1];
    uint32_t want, value = get_field(rule, spec->reg[rule->reg]);

    if (!in_set(set, value)) {
        g_string_append_printf(str, "\n  %s.%s: %u, can be ",
                               reg, rule->name, value);
        append_set(str, set);
        g_string_append_printf(str, " (%s)", rule->why);
    }
    if (shorthand_value(rule, spec, &want) && want != value) {
        g_autofree char *opt = shorthand_str(rule, want);

        g_string_append_printf(str, "\n  %s.%s: %u by %s=0x%x, but %u by %s",
                               reg, rule->name, value,
                               smmuv3_accel_reg_name(rule->reg),
                               spec->reg[rule->reg], want, opt);
    }
}

static void validate_reserved(SMMUv3AccelReg reg, uint32_t value, GString *str)
{
    value = reserved_bits(reg, value);
    for (int bit = 0; bit < 32; bit++) {
        if (value & BIT(bit)) {
            g_string_append_printf(str, "\n  %s[%d]: 1, can be 0 (reserved)",
                                   reg_names[reg][1], bit);
        }
    }
}

static bool has_granule(uint32_t idr5)
{
    return idr5 & (R_IDR5_GRAN4K_MASK | R_IDR5_GRAN16K_MASK |
                   R_IDR5_GRAN64K_MASK);
}

bool smmuv3_accel_spec_validate(const SMMUv3AccelSpec *spec, Error **errp)
{
    g_autoptr(GString) str = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (spec->given[rules[i].reg]) {
            validate_field(&rules[i], spec, str);
        }
    }
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (spec->given[reg]) {
            validate_reserved(reg, spec->reg[reg], str);
        }
    }
    if (spec->given[SMMU_ACCEL_IDR5] &&
        !has_granule(spec->reg[SMMU_ACCEL_IDR5])) {
        g_string_append(str, "\n  IDR5.GRAN4K, GRAN16K, GRAN64K: all 0, "
                             "one must be 1");
    }
    if (str->len) {
        error_setg(errp, "these ID registers cannot be honoured:%s", str->str);
        return false;
    }
    return true;
}

/* A host */

/*
 * The best value of a field that the host has and that QEMU can do for
 * emulated endpoints next to the host's device.
 */
static uint32_t inherited_field(const SMMUv3AccelRule *rule,
                                const SMMUv3AccelHostInfo *host)
{
    uint64_t set = rule->vfio & rule->emulated;
    uint32_t value;

    if (!rule->inherit) {
        return rule->preset;
    }
    if (rule->compare == SMMU_ACCEL_OAS_BITS) {
        if (!host->oas_bits) {
            return rule->preset;
        }
        value = MAX(oas_from_bits(host->oas_bits), 0);
    } else {
        value = host_field(rule, host);
    }
    while (value && !in_set(set, value)) {
        value--;
    }
    return value;
}

static uint32_t inherited_reg(SMMUv3AccelReg reg, const SMMUv3AccelSpec *spec,
                              const SMMUv3AccelHostInfo *host)
{
    uint32_t field, value = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].reg != reg) {
            continue;
        }
        if (!shorthand_value(&rules[i], spec, &field)) {
            field = inherited_field(&rules[i], host);
        }
        value = set_field(&rules[i], value, field);
    }
    return value;
}

bool smmuv3_accel_regs_compose(const SMMUv3AccelSpec *spec,
                               const SMMUv3AccelHostInfo *host,
                               SMMUv3AccelRegs *out, Error **errp)
{
    memset(out, 0, sizeof(*out));
    if (!smmuv3_accel_spec_validate(spec, errp)) {
        return false;
    }
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (spec->given[reg]) {
            out->reg[reg] = spec->reg[reg];
            out->origin[reg] = SMMU_ACCEL_ORIGIN_GIVEN;
        } else if (has_default(reg)) {
            out->origin[reg] = SMMU_ACCEL_ORIGIN_DEFAULT;
        } else if (host) {
            out->reg[reg] = inherited_reg(reg, spec, host);
            out->origin[reg] = SMMU_ACCEL_ORIGIN_INHERITED;
        }
    }
    return true;
}

/* Whether @host can back a vSMMU with @value in the field of @rule */
static bool host_fits(const SMMUv3AccelRule *rule,
                      const SMMUv3AccelHostInfo *host, uint32_t value)
{
    switch (rule->compare) {
    case SMMU_ACCEL_IGNORE:
        return true;
    case SMMU_ACCEL_AT_MOST:
        return value <= host_field(rule, host);
    case SMMU_ACCEL_AT_LEAST:
        return value >= host_field(rule, host);
    case SMMU_ACCEL_SUBSET:
        return !(value & ~host_field(rule, host));
    case SMMU_ACCEL_ENDIAN:
        return host_field(rule, host) == 0 || host_field(rule, host) == value;
    case SMMU_ACCEL_NO_FORCED_STALL:
        return host_field(rule, host) != 2;
    case SMMU_ACCEL_OAS_BITS:
        return !host->oas_bits || oas2bits(value) <= host->oas_bits;
    }
    g_assert_not_reached();
}

/* The nearest value that @host fits, lower ones first; -1 if there is none */
static int nearest_fit(const SMMUv3AccelRule *rule,
                       const SMMUv3AccelHostInfo *host, int value)
{
    int max = MAKE_64BIT_MASK(0, MIN(rule->length, 6));

    for (int v = MIN(value, max); v >= 0; v--) {
        if (in_set(rule->vfio, v) && host_fits(rule, host, v)) {
            return v;
        }
    }
    for (int v = value + 1; v <= max; v++) {
        if (in_set(rule->vfio, v) && host_fits(rule, host, v)) {
            return v;
        }
    }
    return -1;
}

/* @vsmmu's register with every field changed that @host does not fit */
static uint32_t fitting_reg(const SMMUv3AccelRegs *vsmmu, SMMUv3AccelReg reg,
                            const SMMUv3AccelHostInfo *host)
{
    uint32_t value = vsmmu->reg[reg];

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].reg == reg && rules[i].vfio != SMMU_ACCEL_ANY) {
            int fit = nearest_fit(&rules[i], host, get_field(&rules[i], value));

            value = fit < 0 ? value : set_field(&rules[i], value, fit);
        }
    }
    return value;
}

/* "host 40 bits, vSMMU 48 bits" */
static void append_values(GString *str, const SMMUv3AccelRule *rule,
                          const SMMUv3AccelHostInfo *host, uint32_t value)
{
    if (!in_set(rule->vfio, value)) {
        g_string_append(str, "host device needs ");
        append_set(str, rule->vfio);
        g_string_append_printf(str, ", vSMMU %u", value);
    } else if (rule->compare == SMMU_ACCEL_OAS_BITS) {
        g_string_append_printf(str, "host %u bits, vSMMU %d bits",
                               host->oas_bits, oas2bits(value));
    } else {
        g_string_append_printf(str, "host %u, vSMMU %u",
                               host_field(rule, host), value);
    }
}

/* A line if @host does not fit in the field of @rule */
static void compare_field(const SMMUv3AccelRule *rule,
                          const SMMUv3AccelRegs *vsmmu,
                          const SMMUv3AccelHostInfo *host, GString *str)
{
    uint32_t value = get_field(rule, vsmmu->reg[rule->reg]);
    int fit;

    if (in_set(rule->vfio, value) && host_fits(rule, host, value)) {
        return;
    }
    g_string_append_printf(str, "\n  %s.%s: ", reg_names[rule->reg][1],
                           rule->name);
    append_values(str, rule, host, value);

    fit = nearest_fit(rule, host, value);
    if (fit < 0) {
        g_string_append_printf(str, " (no option helps: %s)", rule->why);
    } else if (rule->shorthand &&
               vsmmu->origin[rule->reg] != SMMU_ACCEL_ORIGIN_GIVEN) {
        g_autofree char *opt = shorthand_str(rule, fit);

        g_string_append_printf(str, " (%s)", opt);
    } else {
        g_string_append_printf(str, " (%s=0x%x)",
                               smmuv3_accel_reg_name(rule->reg),
                               fitting_reg(vsmmu, rule->reg, host));
    }
}

bool smmuv3_accel_regs_compare(const SMMUv3AccelRegs *vsmmu,
                               const SMMUv3AccelHostInfo *host,
                               const char *host_dev, const char *host_smmu,
                               Error **errp)
{
    g_autoptr(GString) str = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        compare_field(&rules[i], vsmmu, host, str);
    }
    if (str->len) {
        error_setg(errp, "device %s: its SMMU%s%s cannot back this vSMMU:%s",
                   host_dev, host_smmu ? " " : "", host_smmu ?: "", str->str);
        return false;
    }
    return true;
}

/* Text */

char *smmuv3_accel_regs_spec(const SMMUv3AccelRegs *regs)
{
    GString *str = g_string_new(NULL);

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] == SMMU_ACCEL_ORIGIN_UNKNOWN ||
            (has_default(reg) && !regs->reg[reg])) {
            continue;
        }
        g_string_append_printf(str, "%s%s=0x%x", str->len ? "," : "",
                               smmuv3_accel_reg_name(reg), regs->reg[reg]);
    }
    return g_string_free(str, false);
}

uint32_t smmuv3_accel_field_value(const SMMUv3AccelRule *rule, uint32_t value)
{
    return get_field(rule, value);
}

bool smmuv3_accel_field_honoured(const SMMUv3AccelRule *rule, uint32_t value)
{
    return in_set(rule->vfio, get_field(rule, value));
}

char *smmuv3_accel_field_text(const SMMUv3AccelRule *rule, uint32_t value)
{
    uint32_t field = get_field(rule, value);

    if (rule->compare == SMMU_ACCEL_OAS_BITS && in_set(rule->vfio, field)) {
        return g_strdup_printf("%u(%dbit)", field, oas2bits(field));
    }
    return g_strdup_printf(rule->vfio == SMMU_ACCEL_ANY ? "0x%x" : "%u",
                           field);
}
