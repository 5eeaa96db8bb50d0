/*
 * arm-smmuv3-accel: whether a host can back the ID registers of a vSMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-accel-idregs.h"
#include "smmuv3-cmdqv.h"

/* Whether @host can back a vSMMU with @value in the field of @rule */
static bool host_fits(const SMMUv3AccelRule *rule,
                      const SMMUv3AccelHostInfo *host, uint32_t value)
{
    uint32_t have = smmuv3_accel_host_field(rule, host);

    switch (rule->compare) {
    case SMMU_ACCEL_IGNORE:
        return true;
    case SMMU_ACCEL_AT_MOST:
        return value <= have;
    case SMMU_ACCEL_AT_LEAST:
        return value >= have;
    case SMMU_ACCEL_SUBSET:
        return !(value & ~have);
    case SMMU_ACCEL_ENDIAN:
        return have == 0 || have == value;
    case SMMU_ACCEL_STALLS_LIKE:
        return have == value || (have == 0 && value == 1);
    case SMMU_ACCEL_OAS_BITS:
        return !host->oas_bits || oas2bits(value) <= host->oas_bits;
    }
    g_assert_not_reached();
}

static bool can_be(const SMMUv3AccelRule *rule,
                   const SMMUv3AccelHostInfo *host, uint32_t value)
{
    return smmuv3_accel_in_set(rule->vfio, value) &&
           host_fits(rule, host, value);
}

/* A value that newer QEMU shows without asking a host; no guest relies on it */
static bool let_pass(const SMMUv3AccelRule *rule, const SMMUv3AccelRegs *vsmmu,
                     uint32_t value)
{
    return vsmmu->dropin && rule->dropin && value == rule->dropin;
}

/* The nearest value that fits, preferring lower ones; -1 if there is none */
static int nearest_fit(const SMMUv3AccelRule *rule,
                       const SMMUv3AccelHostInfo *host, int value)
{
    int max = MAKE_64BIT_MASK(0, MIN(rule->length, 6));

    for (int v = MIN(value, max); v >= 0; v--) {
        if (can_be(rule, host, v)) {
            return v;
        }
    }
    for (int v = value + 1; v <= max; v++) {
        if (can_be(rule, host, v)) {
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
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (const SMMUv3AccelRule *r = rules; r < rules + n; r++) {
        int fit;

        if (r->reg != reg || r->vfio == SMMU_ACCEL_ANY) {
            continue;
        }
        fit = nearest_fit(r, host, smmuv3_accel_field_value(r, value));
        if (fit >= 0) {
            value = smmuv3_accel_field_set(r, value, fit);
        }
    }
    return value;
}

/* "host 40 bits, vSMMU 48 bits" */
static void append_values(GString *str, const SMMUv3AccelRule *rule,
                          const SMMUv3AccelHostInfo *host, uint32_t value)
{
    if (!smmuv3_accel_in_set(rule->vfio, value)) {
        g_autofree char *needs = smmuv3_accel_set_str(rule->vfio);

        g_string_append_printf(str, "host device needs %s, vSMMU %u", needs,
                               value);
    } else if (rule->compare == SMMU_ACCEL_OAS_BITS) {
        g_string_append_printf(str, "host %u bits, vSMMU %d bits",
                               host->oas_bits, oas2bits(value));
    } else {
        g_string_append_printf(str, "host %u, vSMMU %u",
                               smmuv3_accel_host_field(rule, host), value);
    }
}

/* Append a line if @host does not fit in the field of @rule */
static void compare_field(const SMMUv3AccelRule *rule,
                          const SMMUv3AccelRegs *vsmmu,
                          const SMMUv3AccelHostInfo *host, GString *str)
{
    uint32_t value = smmuv3_accel_field_value(rule, vsmmu->reg[rule->reg]);
    int fit;

    if (can_be(rule, host, value) || let_pass(rule, vsmmu, value)) {
        return;
    }
    g_string_append_printf(str, "\n  %s.%s: ",
                           smmuv3_accel_reg_title(rule->reg), rule->name);
    append_values(str, rule, host, value);

    fit = nearest_fit(rule, host, value);
    if (fit < 0) {
        g_string_append_printf(str, " (no option helps: %s)", rule->why);
    } else if (rule->shorthand &&
               vsmmu->origin[rule->reg] != SMMU_ACCEL_ORIGIN_GIVEN) {
        g_autofree char *opt = smmuv3_accel_field_option(rule, fit);

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
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        compare_field(&rules[i], vsmmu, host, str);
    }
    if (str->len) {
        error_setg(errp, "device %s: its SMMU%s%s cannot back this vSMMU:%s",
                   host_dev, host_smmu ? " " : "", host_smmu ?: "", str->str);
        return false;
    }
    return true;
}

const char *smmuv3_accel_regs_software_queues(const SMMUv3AccelRegs *vsmmu,
                                              const SMMUv3AccelHostInfo *host)
{
    uint32_t param = vsmmu->cmdqv_param;

    if (!param) {
        return NULL;
    }
    if (!host->cmdqv_param) {
        return "the host has no CMDQV of version 1, or its kernel is older "
               "than 6.17 or has no CONFIG_TEGRA241_CMDQV";
    }
    if (FIELD_EX32(param, CMDQV_PARAM, LOG2_VCMDQS) >
        FIELD_EX32(host->cmdqv_param, CMDQV_PARAM, LOG2_VCMDQS)) {
        return "the host's CMDQV has fewer queues than cmdqv-param= says";
    }
    if (FIELD_EX32(vsmmu->reg[SMMU_ACCEL_IDR1], IDR1, CMDQS) >
        FIELD_EX32(host->idr[1], IDR1, CMDQS)) {
        return "the host's IDR1.CMDQS is less than idr1= says";
    }
    return NULL;
}
