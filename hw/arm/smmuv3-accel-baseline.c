/*
 * arm-smmuv3-accel: the most that several hosts can back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "smmuv3-accel-spec.h"
#include "smmuv3-cmdqv.h"

#define GRANULES (R_IDR5_GRAN4K_MASK | R_IDR5_GRAN16K_MASK | \
                  R_IDR5_GRAN64K_MASK)

/* The best value of a field for two hosts; @a and @b are the best for each */
static uint32_t common_field(SMMUv3AccelCompare compare, uint32_t a,
                             uint32_t b)
{
    switch (compare) {
    case SMMU_ACCEL_IGNORE:             /* hosts set no limit: what both have */
    case SMMU_ACCEL_AT_MOST:
    case SMMU_ACCEL_OAS_BITS:
        return MIN(a, b);
    case SMMU_ACCEL_AT_LEAST:
    case SMMU_ACCEL_STALLS_LIKE:
    case SMMU_ACCEL_ENDIAN:             /* 0, mixed, backs the others */
        return MAX(a, b);
    case SMMU_ACCEL_SUBSET:
        return a & b;
    }
    g_assert_not_reached();
}

static uint32_t common_fields(SMMUv3AccelReg reg, uint32_t a, uint32_t b)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++) {
        const SMMUv3AccelRule *r = &rules[i];

        if (r->reg == reg) {
            uint32_t field = common_field(r->compare,
                                          smmuv3_accel_field_value(r, a),
                                          smmuv3_accel_field_value(r, b));

            value = smmuv3_accel_field_set(r, value, field);
        }
    }
    return value;
}

static uint32_t common_reg(SMMUv3AccelReg reg, uint32_t a, uint32_t b)
{
    switch (reg) {
    case SMMU_ACCEL_IDR4:
    case SMMU_ACCEL_IIDR:
        /* A value between the two would name something that does not exist */
        return a == b ? a : 0;
    case SMMU_ACCEL_AIDR:
        /* The major version is in the upper bits: the older one is smaller */
        return MIN(a, b);
    default:
        return common_fields(reg, a, b);
    }
}

/* The result has a CMDQV if all have one, with the least of their sizes */
static uint32_t common_param(uint32_t a, uint32_t b)
{
    uint32_t param = MIN(a, b);

    if (!param || FIELD_EX32(a, CMDQV_PARAM, VER) !=
                  FIELD_EX32(b, CMDQV_PARAM, VER)) {
        return 0;
    }
    param = FIELD_DP32(param, CMDQV_PARAM, LOG2_VCMDQS,
                       MIN(FIELD_EX32(a, CMDQV_PARAM, LOG2_VCMDQS),
                           FIELD_EX32(b, CMDQV_PARAM, LOG2_VCMDQS)));
    return FIELD_DP32(param, CMDQV_PARAM, LOG2_SIDS,
                      MIN(FIELD_EX32(a, CMDQV_PARAM, LOG2_SIDS),
                          FIELD_EX32(b, CMDQV_PARAM, LOG2_SIDS)));
}

/* "4K+64K" */
static char *granules_str(uint32_t idr5)
{
    return g_strdup_printf("%s%s%s",
                           idr5 & R_IDR5_GRAN4K_MASK ? "+4K" : "",
                           idr5 & R_IDR5_GRAN16K_MASK ? "+16K" : "",
                           idr5 & R_IDR5_GRAN64K_MASK ? "+64K" : "");
}

static void explain_granules(const SMMUv3AccelNamedRegs *regs, size_t n,
                             GString *str)
{
    g_string_append(str, "\n  IDR5.GRAN4K, GRAN16K, GRAN64K: none in common");
    for (size_t i = 0; i < n; i++) {
        g_autofree char *granules =
            granules_str(regs[i].regs.reg[SMMU_ACCEL_IDR5]);

        g_string_append_printf(str, "%s%s: %s", i ? ", " : " (", regs[i].name,
                               *granules ? granules + 1 : "none");
    }
    g_string_append_c(str, ')');
}

static void explain_field(const SMMUv3AccelRule *rule,
                          const SMMUv3AccelNamedRegs *regs, size_t n,
                          GString *str)
{
    const char *reg = smmuv3_accel_reg_title(rule->reg);
    g_autofree char *set = smmuv3_accel_set_str(rule->vfio);

    g_string_append_printf(str, "\n  %s.%s: a host device needs %s", reg,
                           rule->name, set);
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(str, "%s%s: %u", i ? ", " : " (", regs[i].name,
                               smmuv3_accel_field_value(rule,
                                   regs[i].regs.reg[rule->reg]));
    }
    g_string_append_c(str, ')');
}

/* Whether a host device can be behind a vSMMU with the registers in @out */
static bool check_usable(const SMMUv3AccelNamedRegs *regs, size_t n,
                         const SMMUv3AccelRegs *out, Error **errp)
{
    g_autoptr(GString) str = g_string_new(NULL);
    size_t n_rules;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n_rules);

    for (size_t i = 0; i < n_rules; i++) {
        const SMMUv3AccelRule *r = &rules[i];

        if (!smmuv3_accel_field_honoured(r, out->reg[r->reg])) {
            explain_field(r, regs, n, str);
        }
    }
    if (!(out->reg[SMMU_ACCEL_IDR5] & GRANULES)) {
        explain_granules(regs, n, str);
    }
    if (str->len) {
        error_setg(errp, "no specification runs on all of these hosts:%s",
                   str->str);
        return false;
    }
    return true;
}

bool smmuv3_accel_spec_baseline(const SMMUv3AccelNamedRegs *regs, size_t n,
                                SMMUv3AccelRegs *out, Error **errp)
{
    *out = regs[0].regs;
    for (size_t i = 1; i < n; i++) {
        for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
            out->reg[reg] = common_reg(reg, out->reg[reg],
                                       regs[i].regs.reg[reg]);
        }
        out->cmdqv_param = common_param(out->cmdqv_param,
                                        regs[i].regs.cmdqv_param);
    }
    return check_usable(regs, n, out, errp);
}
