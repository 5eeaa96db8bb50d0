/*
 * smmuv3-spec: print specifications for libvirt and KubeVirt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "smmuv3-spec.h"

/* libvirt's order of the attributes of <driver> */
static const char *const attributes[] = { "ats", "ril", "ssidsize", "oas" };

static const SMMUv3AccelRule *find_rule(const char *shorthand)
{
    size_t n;
    const SMMUv3AccelRule *rules = smmuv3_accel_rules(&n);

    for (size_t i = 0; i < n; i++) {
        if (!g_strcmp0(rules[i].shorthand, shorthand)) {
            return &rules[i];
        }
    }
    g_assert_not_reached();
}

/* The value of an attribute, or NULL if @spec does not set it; g_free() */
static char *attribute_value(const SMMUv3AccelSpec *spec, const char *name)
{
    const SMMUv3AccelRule *rule = find_rule(name);
    g_autofree char *option = NULL;
    uint32_t field;

    if (spec->given[rule->reg]) {
        field = smmuv3_accel_field_value(rule, spec->reg[rule->reg]);
    } else if (!smmuv3_accel_spec_shorthand(rule, spec, &field)) {
        return NULL;
    }
    option = smmuv3_accel_field_option(rule, field);
    return g_strdup(strchr(option, '=') + 1);
}

/* The shorthands of @spec, and those that its registers imply */
static void only_attributes(const SMMUv3AccelSpec *spec, SMMUv3AccelSpec *out)
{
    g_autoptr(GString) text = g_string_new("accel=on");

    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        g_autofree char *value = attribute_value(spec, attributes[i]);

        if (value) {
            g_string_append_printf(text, ",%s=%s", attributes[i], value);
        }
    }
    if (spec->cmdqv == ON_OFF_AUTO_ON) {
        g_string_append(text, ",cmdqv=on");
    }
    smmuv3_accel_spec_parse(text->str, out, &error_abort);
}

static uint8_t oas_bits(uint32_t idr5)
{
    const SMMUv3AccelRule *rule = find_rule("oas");
    uint32_t field = smmuv3_accel_field_value(rule, idr5);
    uint8_t bits = 32;

    while (smmuv3_accel_oas_from_bits(bits) < (int)field) {
        bits++;
    }
    return bits;
}

/*
 * Why a vSMMU with @options, and newer QEMU's values for all other fields,
 * cannot run on a host with the registers of @spec: a line for each field
 * after @prefix, or NULL if it can; g_free()
 */
static char *differences(const SMMUv3AccelSpec *spec,
                         const SMMUv3AccelSpec *options, const char *prefix)
{
    SMMUv3AccelHostInfo most = {
        .iidr = spec->reg[SMMU_ACCEL_IIDR],
        .aidr = spec->reg[SMMU_ACCEL_AIDR],
        .oas_bits = oas_bits(spec->reg[SMMU_ACCEL_IDR5]),
    };
    SMMUv3AccelRegs regs;
    g_auto(GStrv) lines = NULL;
    GString *text = g_string_new(NULL);
    Error *err = NULL;

    memcpy(most.idr, spec->reg, sizeof(most.idr));
    smmuv3_accel_regs_compose(options, NULL, &regs, &error_abort);
    if (!smmuv3_accel_regs_compare(&regs, &most, "", NULL, &err)) {
        lines = g_strsplit(error_get_pretty(err), "\n", -1);
        for (int i = 1; lines[i]; i++) {
            g_string_append_printf(text, "%s%s\n", prefix,
                                   g_strstrip(lines[i]));
        }
        error_free(err);
    }
    return g_string_free(text, text->len == 0);
}

static bool is_complete(const SMMUv3AccelSpec *spec)
{
    g_autofree char *missing = smmuv3_accel_spec_missing(spec);

    return !missing;
}

/* Describes what a guest sees that has only <iommu> */
static void print_plain_form(const SMMUv3AccelSpec *spec)
{
    g_autofree char *text = NULL;
    SMMUv3AccelSpec options;

    only_attributes(spec, &options);
    text = differences(spec, &options, "    ");
    printf("  Without <qemu:override> the registers come from the first "
           "<hostdev> below\n  that controller. If there is none at start, ");
    if (text) {
        printf("they are those of QEMU 11,\n  which a device here does not "
               "fit:\n%s", text);
    } else {
        printf("they are those of QEMU 11,\n  which a device here fits.\n");
    }
}

static void print_override(const SMMUv3AccelSpec *spec)
{
    printf("  <qemu:override>\n"
           "    <qemu:device alias='iommu0'>\n"
           "      <qemu:frontend>\n");
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (spec->given[reg]) {
            printf("        <qemu:property name='%s' type='unsigned' "
                   "value='%u'/>\n", smmuv3_accel_reg_name(reg),
                   spec->reg[reg]);
        }
    }
    if (spec->cmdqv_param) {
        printf("        <qemu:property name='cmdqv-param' type='unsigned' "
               "value='%u'/>\n", spec->cmdqv_param);
    }
    printf("      </qemu:frontend>\n"
           "    </qemu:device>\n"
           "  </qemu:override>\n");
}

static bool gives_registers(const SMMUv3AccelSpec *spec)
{
    for (int reg = 0; reg < SMMU_ACCEL_NR_REGS; reg++) {
        if (spec->given[reg]) {
            return true;
        }
    }
    return spec->cmdqv_param;
}

/* The output is well-formed XML with each part in its place */
void report_libvirt(const SMMUv3AccelSpec *spec, const char *of)
{
    bool registers = gives_registers(spec);

    printf("<!--\n"
           "  %s, for libvirt 12.7.0 or later.\n"
           "  pciBus: the index of the pcie-expander-bus above the device.\n",
           of);
    if (is_complete(spec)) {
        print_plain_form(spec);
    }
    printf("-->\n"
           "<domain type='kvm'%s>\n"
           "  <devices>\n"
           "    <iommu model='smmuv3'>\n"
           "      <driver pciBus='1' accel='on'",
           registers ? " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/"
                       "1.0'" : "");
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        g_autofree char *value = attribute_value(spec, attributes[i]);

        if (value && strcmp(value, "auto")) {
            printf(" %s='%s'", attributes[i], value);
        }
    }
    if (spec->cmdqv == ON_OFF_AUTO_ON) {
        printf(" cmdqv='on'");
    }
    printf("/>\n"
           "    </iommu>\n"
           "  </devices>\n");
    if (registers) {
        print_override(spec);
    }
    printf("</domain>\n");
}

/* KubeVirt 1.9 has these constants for every host, with ssidSize misspelt */
#define KUBEVIRT "accel=on,ats=on,ril=off,ssidsize=20,oas=48"

static void print_kubevirt_fits(const SMMUv3AccelSpec *spec)
{
    g_autofree char *text = NULL;
    SMMUv3AccelSpec options;

    if (!is_complete(spec)) {
        return;
    }
    smmuv3_accel_spec_parse(KUBEVIRT, &options, &error_abort);
    text = differences(spec, &options, "#   ");
    if (text) {
        printf("# A device here does not fit that if it is plugged later:\n"
               "%s", text);
    } else {
        printf("# A device here fits that.\n");
    }
}

void report_kubevirt(const SMMUv3AccelSpec *spec, const char *of)
{
    SMMUv3AccelSpec given = *spec;
    g_autofree char *text = NULL;
    SMMUv3AccelRegs regs;

    printf("# %s, by the names of KubeVirt's domain schema.\n"
           "iommu:\n"
           "  model: smmuv3\n"
           "  driver:\n"
           "    accel: \"on\"\n", of);
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        g_autofree char *value = attribute_value(spec, attributes[i]);

        if (value) {
            printf("    %s: \"%s\"\n",
                   strcmp(attributes[i], "ssidsize") ? attributes[i]
                                                     : "ssidSize", value);
        }
    }
    printf("# KubeVirt 1.9 has no field of a VirtualMachineInstance for "
           "these. For a Grace\n"
           "# GPU it writes ats \"on\", ril \"off\", ssidSize \"20\" and "
           "oas \"48\" on every host.\n");
    print_kubevirt_fits(spec);
    printf("# libvirt calls it ssidsize, and silently drops ssidSize.\n");

    if (gives_registers(spec)) {
        given.dropin = false;
        smmuv3_accel_regs_compose(&given, NULL, &regs, &error_abort);
        text = smmuv3_accel_regs_spec(&regs);
        printf("# What the schema cannot express: pciBus, which KubeVirt "
               "chooses, and the\n# registers\n"
               "#   %s\n"
               "# which fix what the guest sees. A hook sidecar "
               "(onDefineDomain) can add them as\n"
               "# --format=libvirt prints them.\n", text);
    }
}
