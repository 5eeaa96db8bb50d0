/*
 * arm-smmuv3-accel: the ID registers of a vSMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-accel-idregs.h"

/* IDR2 and IDR4 describe nothing a vSMMU has: they never need a host */
static bool has_default(SMMUv3AccelReg reg)
{
    return reg == SMMU_ACCEL_IDR2 || reg == SMMU_ACCEL_IDR4;
}

/* The command line */

void smmuv3_accel_spec_init(SMMUv3AccelSpec *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->ril = ON_OFF_AUTO_AUTO;
    spec->ats = ON_OFF_AUTO_AUTO;
    spec->ssidsize = SMMU_ACCEL_AUTO;
    spec->oas = SMMU_ACCEL_AUTO;
    spec->cmdqv = ON_OFF_AUTO_OFF;
    spec->page_size = 4 * KiB;      /* the smallest one */
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
        oas2bits(smmuv3_accel_oas_from_bits(bits)) == bits) {
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

bool smmuv3_accel_spec_shorthand(const SMMUv3AccelRule *rule,
                                 const SMMUv3AccelSpec *spec, uint32_t *value)
{
    OnOffAuto on_off;

    if (!rule->shorthand) {
        return false;
    }
    if (rule->reg == SMMU_ACCEL_IDR5) {
        *value = MAX(smmuv3_accel_oas_from_bits(spec->oas), 0);
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
    const char *reg = smmuv3_accel_reg_title(rule->reg);
    uint32_t want, value = smmuv3_accel_field_value(rule, spec->reg[rule->reg]);

    if (!smmuv3_accel_in_set(set, value)) {
        g_autofree char *can_be = smmuv3_accel_set_str(set);

        g_string_append_printf(str, "\n  %s.%s: %u, can be %s (%s)", reg,
                               rule->name, value, can_be, rule->why);
    }
    if (smmuv3_accel_spec_shorthand(rule, spec, &want) && want != value) {
        g_autofree char *opt = smmuv3_accel_field_option(rule, want);

        g_string_append_printf(str, "\n  %s.%s: %u by %s=0x%x, but %u by %s",
                               reg, rule->name, value,
                               smmuv3_accel_reg_name(rule->reg),
                               spec->reg[rule->reg], want, opt);
    }
}

static void validate_reserved(SMMUv3AccelReg reg, uint32_t value, GString *str)
{
    value = smmuv3_accel_reg_reserved(reg, value);
    for (int bit = 0; bit < 32; bit++) {
        if (value & BIT(bit)) {
            g_string_append_printf(str, "\n  %s[%d]: 1, can be 0 (reserved)",
                                   smmuv3_accel_reg_title(reg), bit);
        }
    }
}

static bool has_granule(uint32_t idr5)
{
    return idr5 & (R_IDR5_GRAN4K_MASK | R_IDR5_GRAN16K_MASK |
                   R_IDR5_GRAN64K_MASK);
}

static bool has_stalls(uint32_t idr0)
{
    return FIELD_EX32(idr0, IDR0, STALL_MODEL) == 0;
}

/* IHI 0070, 6.3.6 */
static void validate_stalls(const uint32_t *reg, GString *str)
{
    bool stalls = has_stalls(reg[SMMU_ACCEL_IDR0]);
    uint32_t max = FIELD_EX32(reg[SMMU_ACCEL_IDR5], IDR5, STALL_MAX);

    if (stalls != !!max) {
        g_string_append_printf(str, "\n  IDR5.STALL_MAX: %u, but IDR0."
                               "STALL_MODEL: %u; it must %sbe 0 with that", max,
                               !stalls, stalls ? "not " : "");
    }
}

bool smmuv3_accel_spec_validate(const SMMUv3AccelSpec *spec, Error **errp)
{
    g_autoptr(GString) str = g_string_new(NULL);
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
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
    if (spec->given[SMMU_ACCEL_IDR0] && spec->given[SMMU_ACCEL_IDR5]) {
        validate_stalls(spec->reg, str);
    }
    if (str->len) {
        error_setg(errp, "these ID registers cannot be honoured:%s", str->str);
        return false;
    }
    return true;
}

/* A host */

uint32_t smmuv3_accel_host_field(const SMMUv3AccelRule *rule,
                                 const SMMUv3AccelHostInfo *host)
{
    switch (rule->reg) {
    case SMMU_ACCEL_IIDR:
        return smmuv3_accel_field_value(rule, host->iidr);
    case SMMU_ACCEL_AIDR:
        return smmuv3_accel_field_value(rule, host->aidr);
    default:
        return smmuv3_accel_field_value(rule, host->idr[rule->reg]);
    }
}

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
        value = MAX(smmuv3_accel_oas_from_bits(host->oas_bits), 0);
    } else {
        value = smmuv3_accel_host_field(rule, host);
    }
    while (value && !smmuv3_accel_in_set(set, value)) {
        value--;
    }
    return value;
}

/* A CMDQV */

uint32_t smmuv3_accel_hardware_cmdqs(uint64_t page_size,
                                     const SMMUv3AccelHostInfo *host)
{
    uint32_t cmdqs = 63 - clz64(page_size / sizeof(Cmd));

    if (host) {
        cmdqs = MIN(cmdqs, FIELD_EX32(host->idr[1], IDR1, CMDQS));
    }
    return MIN(cmdqs, SMMU_CMDQS);
}

static uint32_t composed_param(const SMMUv3AccelSpec *spec,
                               const SMMUv3AccelHostInfo *host)
{
    uint32_t host_param = host ? host->cmdqv_param : 0;

    if (spec->cmdqv == ON_OFF_AUTO_OFF ||
        (spec->cmdqv == ON_OFF_AUTO_AUTO && !host_param)) {
        return 0;
    }
    return spec->cmdqv_param ?: host_param ?: SMMU_ACCEL_CMDQV_PARAM;
}

/* Limit CMDQS so that hardware can have the queues of a CMDQV */
static uint32_t limit_cmdqs(uint32_t idr1, const SMMUv3AccelSpec *spec,
                            const SMMUv3AccelHostInfo *host)
{
    uint32_t most = smmuv3_accel_hardware_cmdqs(spec->page_size, host);

    return FIELD_DP32(idr1, IDR1, CMDQS,
                      MIN(FIELD_EX32(idr1, IDR1, CMDQS), most));
}

/* A register that is not given, from @host or, without one, of newer QEMU */
static uint32_t composed_reg(SMMUv3AccelReg reg, const SMMUv3AccelSpec *spec,
                             const SMMUv3AccelHostInfo *host)
{
    uint32_t field, value = 0;
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        if (rules[i].reg != reg) {
            continue;
        }
        if (!smmuv3_accel_spec_shorthand(&rules[i], spec, &field)) {
            field = host ? inherited_field(&rules[i], host) :
                    rules[i].dropin ?: rules[i].preset;
        }
        value = smmuv3_accel_field_set(&rules[i], value, field);
    }
    return value;
}

/*
 * STALL_MODEL and STALL_MAX belong together. If one of them is given, it decides
 * what the other one is.
 */
static void compose_stalls(const SMMUv3AccelSpec *spec, bool has_host,
                           uint32_t *reg)
{
    uint32_t *idr0 = &reg[SMMU_ACCEL_IDR0], *idr5 = &reg[SMMU_ACCEL_IDR5];

    if (!spec->given[SMMU_ACCEL_IDR5]) {
        *idr5 = FIELD_DP32(*idr5, IDR5, STALL_MAX,
                           has_stalls(*idr0) ? SMMU_ACCEL_STALLS : 0);
    } else if (!spec->given[SMMU_ACCEL_IDR0]) {
        bool max = FIELD_EX32(*idr5, IDR5, STALL_MAX);

        /* A host without stalls stays so, which is an error then */
        if (!max || !has_host) {
            *idr0 = FIELD_DP32(*idr0, IDR0, STALL_MODEL, !max);
        }
    }
}

/* The host has no stalls, but a given STALL_MAX says so */
static bool check_stalls(const uint32_t *reg, Error **errp)
{
    g_autoptr(GString) str = g_string_new(NULL);

    validate_stalls(reg, str);
    if (str->len) {
        error_setg(errp, "these ID registers cannot be honoured:%s", str->str);
        return false;
    }
    return true;
}

bool smmuv3_accel_regs_compose(const SMMUv3AccelSpec *spec,
                               const SMMUv3AccelHostInfo *host,
                               SMMUv3AccelRegs *out, Error **errp)
{
    memset(out, 0, sizeof(*out));
    out->dropin = spec->dropin;
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
            out->reg[reg] = composed_reg(reg, spec, host);
            out->origin[reg] = SMMU_ACCEL_ORIGIN_INHERITED;
        } else if (spec->dropin) {
            out->reg[reg] = composed_reg(reg, spec, NULL);
            out->origin[reg] = SMMU_ACCEL_ORIGIN_DEFAULT;
        }
    }
    if (host || spec->dropin) {
        compose_stalls(spec, host, out->reg);
        if (!check_stalls(out->reg, errp)) {
            return false;
        }
    }
    out->cmdqv_param = composed_param(spec, host);
    if (out->cmdqv_param && !spec->given[SMMU_ACCEL_IDR1]) {
        out->reg[SMMU_ACCEL_IDR1] = limit_cmdqs(out->reg[SMMU_ACCEL_IDR1],
                                                spec, host);
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
    if (regs->cmdqv_param) {
        g_string_append_printf(str, "%scmdqv=on,cmdqv-param=0x%x",
                               str->len ? "," : "", regs->cmdqv_param);
    }
    return g_string_free(str, false);
}
