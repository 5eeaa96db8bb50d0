/*
 * smmuv3-spec: print specifications
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/json-writer.h"
#include "hw/arm/smmuv3-cmdqv.h"
#include "smmuv3-spec.h"

/* Prints and frees @json */
static void print_json(JSONWriter *json)
{
    g_autoptr(GString) str = json_writer_get_and_free(json);

    printf("%s\n", str->str);
}

/* The known registers as members of "device", for QMP */
static void write_device(JSONWriter *json, const SMMUv3AccelRegs *regs)
{
    json_writer_start_object(json, "device");
    json_writer_str(json, "driver",
                    regs->dropin ? "arm-smmuv3" : "arm-smmuv3-accel");
    if (regs->dropin) {
        json_writer_bool(json, "accel", true);
    }
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] != SMMU_ACCEL_ORIGIN_UNKNOWN) {
            json_writer_uint64(json, smmuv3_accel_reg_name(reg),
                               regs->reg[reg]);
        }
    }
    if (regs->cmdqv_param) {
        json_writer_str(json, "cmdqv", "on");
        json_writer_uint64(json, "cmdqv-param", regs->cmdqv_param);
    }
    json_writer_end_object(json);
}

static void write_spec(JSONWriter *json, const SMMUv3AccelRegs *regs)
{
    g_autofree char *spec = smmuv3_accel_regs_spec(regs);

    json_writer_str(json, "spec", spec);
    write_device(json, regs);
}

/* Fields */

static void write_fields(JSONWriter *json, SMMUv3AccelReg reg, uint32_t value)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    json_writer_start_object(json, smmuv3_accel_reg_name(reg));
    for (size_t i = 0; i < n; i++) {
        if (rules[i].reg == reg) {
            json_writer_uint64(json, rules[i].name,
                               smmuv3_accel_field_value(&rules[i], value));
        }
    }
    json_writer_end_object(json);
}

/* "ril=on, oas=44": shorthands for registers that are not given; g_free() */
static char *shorthands(const SMMUv3AccelSpec *spec)
{
    g_autofree char *ssid = smmuv3_accel_auto_to_str(spec->ssidsize);
    g_autofree char *oas = smmuv3_accel_auto_to_str(spec->oas);
    const struct {
        const char *name, *value;
    } all[] = {
        { "ril", OnOffAuto_str(spec->ril) },
        { "ats", OnOffAuto_str(spec->ats) },
        { "ssidsize", ssid },
        { "oas", oas },
    };
    GString *str = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (strcmp(all[i].value, "auto")) {
            g_string_append_printf(str, "%s%s=%s", str->len ? ", " : "",
                                   all[i].name, all[i].value);
        }
    }
    return g_string_free(str, str->len == 0);
}

/* "S1P=1 TTF=2 ..."; omits fields that are 0, except OAS, where 0 is 32 bits */
static char *fields_text(SMMUv3AccelReg reg, uint32_t value)
{
    GString *str = g_string_new(NULL);
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        if (rules[i].reg == reg &&
            (smmuv3_accel_field_value(&rules[i], value) ||
             rules[i].compare == SMMU_ACCEL_OAS_BITS)) {
            g_autofree char *text = smmuv3_accel_field_text(&rules[i], value);

            g_string_append_printf(str, "%s%s=%s", str->len ? " " : "",
                                   rules[i].name, text);
        }
    }
    return g_string_free(str, false);
}

static void print_reg(const SMMUv3AccelRegs *regs, SMMUv3AccelReg reg)
{
    g_autofree char *fields = fields_text(reg, regs->reg[reg]);

    printf("%s  0x%08x%s%s\n", smmuv3_accel_reg_name(reg), regs->reg[reg],
           *fields ? "  " : "", fields);
}

static void print_cmdqv(const SMMUv3AccelSpec *spec, uint32_t param)
{
    if (spec->cmdqv == ON_OFF_AUTO_AUTO) {
        printf("cmdqv  if the SMMU of a host device at start has one\n");
    } else if (param) {
        printf("cmdqv  0x%08x  VER=%u queues=%u StreamIDs=%u%s\n", param,
               FIELD_EX32(param, CMDQV_PARAM, VER),
               1U << FIELD_EX32(param, CMDQV_PARAM, LOG2_VCMDQS),
               1U << FIELD_EX32(param, CMDQV_PARAM, LOG2_SIDS),
               spec->cmdqv_param ? "" : ", or as a host device at start has");
    }
}

static void decode_text(const SMMUv3AccelSpec *spec,
                        const SMMUv3AccelRegs *regs)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(spec);
    g_autofree char *extra = shorthands(spec);

    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] == SMMU_ACCEL_ORIGIN_GIVEN) {
            print_reg(regs, reg);
        }
    }
    print_cmdqv(spec, regs->cmdqv_param);
    if (missing) {
        printf("from the first host device: %s%s%s\n", missing,
               extra ? ", with " : "", extra ?: "");
    }
    if (missing && spec->dropin) {
        printf("if there is none at start:\n");
        for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
            if (regs->origin[reg] == SMMU_ACCEL_ORIGIN_DEFAULT &&
                (regs->reg[reg] || strstr(missing,
                                          smmuv3_accel_reg_name(reg)))) {
                print_reg(regs, reg);
            }
        }
    }
}

static void write_regs_of(JSONWriter *json, const char *name,
                          const SMMUv3AccelRegs *regs,
                          SMMUv3AccelOrigin origin)
{
    json_writer_start_array(json, name);
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] == origin) {
            json_writer_str(json, NULL, smmuv3_accel_reg_name(reg));
        }
    }
    json_writer_end_array(json);
}

static void decode_json(const SMMUv3AccelSpec *spec,
                        const SMMUv3AccelRegs *regs)
{
    JSONWriter *json = json_writer_new(true);

    json_writer_start_object(json, NULL);
    write_spec(json, regs);
    json_writer_start_object(json, "fields");
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (regs->origin[reg] != SMMU_ACCEL_ORIGIN_UNKNOWN) {
            write_fields(json, reg, regs->reg[reg]);
        }
    }
    json_writer_end_object(json);
    write_regs_of(json, "missing", regs, SMMU_ACCEL_ORIGIN_UNKNOWN);
    if (spec->dropin) {
        write_regs_of(json, "default", regs, SMMU_ACCEL_ORIGIN_DEFAULT);
    }
    json_writer_end_object(json);
    print_json(json);
}

void report_decode(const SMMUv3AccelSpec *spec, const SMMUv3AccelRegs *regs,
                   bool json)
{
    (json ? decode_json : decode_text)(spec, regs);
}

/* Hosts */

static void write_host(JSONWriter *json, const SpecHost *host)
{
    json_writer_str(json, "host-device", host->bdf);
    json_writer_str(json, "host-smmu", host->smmu);
    json_writer_uint64(json, "stage2-bits", host->info.oas_bits);
    json_writer_uint64(json, "cmdqv-param", host->info.cmdqv_param);
}

void report_host(const SpecHost *host, const SMMUv3AccelRegs *regs, bool json)
{
    g_autofree char *spec = smmuv3_accel_regs_spec(regs);
    JSONWriter *writer;

    if (!json) {
        printf("%s\n", spec);
        return;
    }
    writer = json_writer_new(true);
    json_writer_start_object(writer, NULL);
    write_host(writer, host);
    write_spec(writer, regs);
    json_writer_end_object(writer);
    print_json(writer);
}

/* The lines below the first one of @message, one for each field */
static void write_differences(JSONWriter *json, const char *name,
                              const char *message)
{
    g_auto(GStrv) lines = g_strsplit(message ?: "", "\n", -1);

    json_writer_start_array(json, name);
    for (int i = 1; lines[0] && lines[i]; i++) {
        json_writer_str(json, NULL, g_strstrip(lines[i]));
    }
    json_writer_end_array(json);
}

void report_check(const SpecHost *host, const char *queues,
                  const char *differences, const char *later, bool json)
{
    JSONWriter *writer;

    if (!json) {
        if (!differences) {
            printf("%s (%s): fits%s\n", host->bdf, host->smmu,
                   later ? " if it is there at start, not if it is plugged "
                           "later" : "");
        }
        if (!differences && queues) {
            printf("  its command queues stay with QEMU: %s\n", queues);
        }
        return;
    }
    writer = json_writer_new(true);
    json_writer_start_object(writer, NULL);
    write_host(writer, host);
    json_writer_bool(writer, "fits", !differences && !later);
    json_writer_bool(writer, "fits-at-start", !differences);
    json_writer_str(writer, "software-queues", queues ?: "");
    write_differences(writer, "differences", differences ?: later);
    json_writer_end_object(writer);
    print_json(writer);
}

/* Hosts in common */

static uint32_t field_of(const SMMUv3AccelRegs *regs, const SMMUv3AccelRule *r)
{
    return smmuv3_accel_field_value(r, regs->reg[r->reg]);
}

/* If a host has more than the result in field @r, write those that limit it */
static void write_limit(JSONWriter *json, const SMMUv3AccelNamedRegs *named,
                        size_t n, const SMMUv3AccelRegs *regs,
                        const SMMUv3AccelRule *r)
{
    const char *reg = smmuv3_accel_reg_title(r->reg);
    g_autofree char *name = g_strdup_printf("%s.%s", reg, r->name);
    g_autoptr(GPtrArray) limiting = g_ptr_array_new();

    for (size_t i = 0; i < n; i++) {
        if (field_of(&named[i].regs, r) == field_of(regs, r)) {
            g_ptr_array_add(limiting, (char *)named[i].name);
        }
    }
    if (limiting->len == n) {
        return;
    }
    json_writer_start_array(json, name);
    for (guint i = 0; i < limiting->len; i++) {
        json_writer_str(json, NULL, g_ptr_array_index(limiting, i));
    }
    json_writer_end_array(json);
}

/* Options of a CMDQV */
static void write_cmdqv_limit(JSONWriter *json,
                              const SMMUv3AccelNamedRegs *named, size_t n,
                              uint32_t param)
{
    size_t limiting = 0;

    for (size_t i = 0; i < n; i++) {
        limiting += named[i].regs.cmdqv_param == param;
    }
    if (limiting == n) {
        return;
    }
    json_writer_start_array(json, "cmdqv");
    for (size_t i = 0; i < n; i++) {
        if (named[i].regs.cmdqv_param == param) {
            json_writer_str(json, NULL, named[i].name);
        }
    }
    json_writer_end_array(json);
}

static void baseline_json(const SMMUv3AccelNamedRegs *named, size_t n,
                          const SMMUv3AccelRegs *regs)
{
    JSONWriter *json = json_writer_new(true);
    size_t n_rules;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n_rules);

    json_writer_start_object(json, NULL);
    write_spec(json, regs);
    json_writer_start_object(json, "limits");
    for (size_t i = 0; i < n_rules; i++) {
        /* These two are not amounts */
        if (rules[i].reg != SMMU_ACCEL_IIDR &&
            rules[i].reg != SMMU_ACCEL_IDR4) {
            write_limit(json, named, n, regs, &rules[i]);
        }
    }
    write_cmdqv_limit(json, named, n, regs->cmdqv_param);
    json_writer_end_object(json);
    json_writer_end_object(json);
    print_json(json);
}

void report_baseline(const SMMUv3AccelNamedRegs *named, size_t n,
                     const SMMUv3AccelRegs *regs, bool json)
{
    g_autofree char *spec = smmuv3_accel_regs_spec(regs);

    if (json) {
        baseline_json(named, n, regs);
    } else {
        printf("%s\n", spec);
    }
}
