/*
 * smmuv3-spec: print the rule table, for humans and for the documentation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/json-writer.h"
#include "smmuv3-spec.h"

/* The columns of a row; those that are not const have to be freed */
typedef struct Row {
    char *field, *can_be, *with_host, *inherited;
    const char *reg, *host_must, *why;
    bool fixed;                     /* can only be 0 */
} Row;

static const char *host_must_have(SMMUv3AccelCompare compare)
{
    switch (compare) {
    case SMMU_ACCEL_IGNORE:
        return NULL;
    case SMMU_ACCEL_AT_MOST:
        return "at least that";
    case SMMU_ACCEL_AT_LEAST:
        return "at most that";
    case SMMU_ACCEL_SUBSET:
        return "every bit that is set";
    case SMMU_ACCEL_ENDIAN:
        return "the same, or 0 (mixed)";
    case SMMU_ACCEL_STALLS_LIKE:
        return "the same, or 0 (software's choice)";
    case SMMU_ACCEL_OAS_BITS:
        return "a stage 2 of at least so many bits";
    }
    g_assert_not_reached();
}

/* The value if the register is not given: see inherited_field() */
static char *inherited(const SMMUv3AccelRule *r)
{
    uint64_t set = r->vfio & r->emulated;

    if (!r->inherit || set == 1) {
        return g_strdup_printf("%u", r->preset);
    }
    return g_strdup(r->compare == SMMU_ACCEL_OAS_BITS ?
                    "host, at most 5 (48 bits)" : "host");
}

static char *field_name(const SMMUv3AccelRule *r)
{
    g_autofree char *bits = r->length == 1 ?
        g_strdup_printf("%u", r->shift) :
        g_strdup_printf("%u:%u", r->shift + r->length - 1, r->shift);

    return g_strdup_printf("%s [%s]", r->name, bits);
}

static void row_init(Row *row, const SMMUv3AccelRule *r)
{
    uint64_t set = r->vfio | r->emulated;

    *row = (Row) {
        .reg = smmuv3_accel_reg_title(r->reg),
        .field = field_name(r),
        .can_be = smmuv3_accel_set_str(set),
        .with_host = set == r->vfio ? NULL : smmuv3_accel_set_str(r->vfio),
        .inherited = inherited(r),
        .host_must = host_must_have(r->compare),
        .why = r->why,
        .fixed = set == 1,
    };
}

static void row_clear(Row *row)
{
    g_free(row->field);
    g_free(row->can_be);
    g_free(row->with_host);
    g_free(row->inherited);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Row, row_clear)

static void fields_text(void)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        g_auto(Row) row = { 0 };

        row_init(&row, &rules[i]);
        printf("%s.%s: %s", row.reg, row.field, row.can_be);
        if (row.with_host) {
            printf("; with a host device %s", row.with_host);
        }
        if (row.host_must) {
            printf("; host must have %s", row.host_must);
        }
        if (!row.fixed) {
            printf("; inherited: %s", row.inherited);
        }
        if (rules[i].shorthand) {
            printf("; %s=", rules[i].shorthand);
        }
        printf(" (%s)\n", row.why);
    }
}

static void fields_json(void)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);
    JSONWriter *json = json_writer_new(true);
    g_autoptr(GString) str = NULL;

    json_writer_start_array(json, NULL);
    for (size_t i = 0; i < n; i++) {
        g_auto(Row) row = { 0 };

        row_init(&row, &rules[i]);
        json_writer_start_object(json, NULL);
        json_writer_str(json, "register", row.reg);
        json_writer_str(json, "field", rules[i].name);
        json_writer_uint64(json, "shift", rules[i].shift);
        json_writer_uint64(json, "length", rules[i].length);
        json_writer_str(json, "can-be", row.can_be);
        json_writer_str(json, "with-host-device", row.with_host ?: row.can_be);
        json_writer_str(json, "inherited", row.inherited);
        json_writer_str(json, "host-must-have", row.host_must ?: "");
        json_writer_str(json, "option", rules[i].shorthand ?: "");
        json_writer_str(json, "why", row.why);
        json_writer_end_object(json);
    }
    json_writer_end_array(json);
    str = json_writer_get_and_free(json);
    printf("%s\n", str->str);
}

void report_fields(bool json)
{
    (json ? fields_json : fields_text)();
}

/* The page docs/system/arm/smmuv3-accel-fields.rst.inc */

static const char rst_head[] =
    ".. SPDX-License-" "Identifier: GPL-2.0-or-later\n"
    "..\n"
    "   Written by `smmuv3-spec fields rst'; the unit tests compare.\n";

static const char rst_table[] =
    "\n"
    ".. list-table:: %s\n"
    "   :widths: 24 10 14 18 34\n"
    "   :header-rows: 1\n"
    "\n"
    "   * - Field\n"
    "     - Can be\n"
    "     - With a host device\n"
    "     - Inherited\n"
    "     - Host must have\n";

static void rst_row(const SMMUv3AccelRule *rule)
{
    g_auto(Row) row = { 0 };

    row_init(&row, rule);
    printf("   * - %s", row.field);
    if (rule->shorthand) {
        printf(", ``%s=``", rule->shorthand);
    }
    printf("\n     - %s\n     -%s%s\n     - %s\n     - %s\n", row.can_be,
           row.with_host ? " " : "", row.with_host ?: "", row.inherited,
           row.host_must ?: "\u2014");
}

/* Fields that are always 0 share a row */
static void rst_fixed(SMMUv3AccelReg reg)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);
    const char *sep = "   * - ";

    for (size_t i = 0; i < n; i++) {
        if (rules[i].reg == reg && (rules[i].vfio | rules[i].emulated) == 1) {
            printf("%s%s", sep, rules[i].name);
            sep = ", ";
        }
    }
    if (*sep == ',') {
        printf("\n     - 0\n     -\n     - 0\n     - \u2014\n");
    }
}

void report_fields_rst(void)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    printf("%s", rst_head);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        printf(rst_table, smmuv3_accel_reg_title(reg));
        for (size_t i = 0; i < n; i++) {
            if (rules[i].reg == reg &&
                (rules[i].vfio | rules[i].emulated) != 1) {
                rst_row(&rules[i]);
            }
        }
        rst_fixed(reg);
    }
}
