/*
 * smmuv3-spec: <qemu:commandline> and <qemu:override> of a domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/option.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "domain.h"

/* Joins the lines of a message */
static char *one_line(const char *message)
{
    g_auto(GStrv) lines = g_strsplit(message, "\n", -1);

    for (int i = 0; lines[i]; i++) {
        g_strstrip(lines[i]);
    }
    return g_strjoinv(" ", lines);
}

bool domain_check_options(Domain *d, Smmu *smmu, const xmlNode *node)
{
    g_autofree char *text = NULL;
    Error *err = NULL;

    if (smmuv3_accel_spec_parse(smmu->options->str, &smmu->spec, &err) &&
        smmuv3_accel_spec_validate(&smmu->spec, &err)) {
        return true;
    }
    text = one_line(error_get_pretty(err));
    domain_wrong(d, node, "arm-smmuv3", "QEMU refuses it: %s", text);
    error_free(err);
    smmuv3_accel_spec_init(&smmu->spec);
    return false;
}

/* <qemu:commandline> */

/* The value of @key in @text, an argument of -device (or JSON); g_free() */
static char *device_option(const char *text, const char *key)
{
    g_autoptr(QDict) dict = NULL;

    if (*text == '{') {
        dict = qobject_to(QDict, qobject_from_json(text, NULL));
        return dict ? g_strdup(qdict_get_try_str(dict, key)) : NULL;
    }
    for (const char *p = text; *p;) {
        g_autofree char *item = NULL;
        char *value;
        bool first = p == text;

        p = get_opt_value(p, &item);
        p += *p == ',';
        value = strchr(item, '=');
        if (!value && first && !strcmp(key, "driver")) {
            return g_strdup(item);
        }
        if (value) {
            *value++ = '\0';
            if (!strcmp(item, key)) {
                return g_strdup(value);
            }
        }
    }
    return NULL;
}

/* The controller that libvirt calls pci.N, and pcie.0 */
static int bus_controller(const char *text)
{
    g_autofree char *bus = device_option(text, "primary-bus");

    if (!bus) {
        bus = device_option(text, "bus");
    }
    if (!bus) {
        return NO_CONTROLLER;
    }
    if (!strcmp(bus, "pcie.0")) {
        return 0;
    }
    return g_str_has_prefix(bus, "pci.") ? domain_number(bus + 4)
                                         : NO_CONTROLLER;
}

static void check_device_arg(Domain *d, const xmlNode *arg, const char *text)
{
    g_autofree char *driver = device_option(text, "driver");
    Smmu *smmu;

    if (!driver || !g_str_has_prefix(driver, "arm-smmuv3")) {
        return;
    }
    smmu = g_new0(Smmu, 1);
    smmu->node = arg;
    smmu->controller = bus_controller(text);
    smmu->last = true;
    smmu->options = g_string_new(text);
    smmuv3_accel_spec_init(&smmu->spec);
    g_ptr_array_add(d->smmus, smmu);
    if (domain_check_options(d, smmu, arg)) {
        smmu->accel = true;
    }
    if (*text != '{' && smmu->controller > 0) {
        domain_wrong(d, arg, "arm-smmuv3", "QEMU creates it before pci.%d, "
                     "because devices in JSON, as libvirt writes them, come "
                     "after all others: write '{\"driver\":\"%s\","
                     "\"primary-bus\":\"pci.%d\",...}', with decimal "
                     "registers", smmu->controller, driver, smmu->controller);
    }
    if (smmu->controller == NO_CONTROLLER) {
        domain_wrong(d, arg, "arm-smmuv3", "it needs the root complex it "
                     "serves: write primary-bus=pci.N, where N is the index of "
                     "a pcie-expander-bus");
    }
}

static bool has_namespace(Domain *d, const xmlNode *node)
{
    const char *name = (const char *)node->name;

    if (domain_is_qemu(node)) {
        return true;
    }
    strstart(name, "qemu:", &name);
    domain_wrong(d, node, g_intern_string(name), "without its namespace "
                 "libvirt silently drops this: write <domain xmlns:qemu="
                 "'http://libvirt.org/schemas/domain/qemu/1.0'> and <qemu:%s>",
                 name);
    return false;
}

void domain_check_commandline(Domain *d)
{
    /* Elements lose their prefix if its namespace is not declared */
    DOMAIN_FOREACH(line, d->root, "qemu:commandline") {
        has_namespace(d, line);
    }
    DOMAIN_FOREACH(line, d->root, "commandline") {
        bool device = false;

        if (!has_namespace(d, line)) {
            continue;
        }
        d->commandline = true;
        DOMAIN_FOREACH(arg, line, "arg") {
            const char *value = domain_attr(arg, "value");

            if (value && device) {
                check_device_arg(d, arg, value);
            }
            device = value && !strcmp(value, "-device");
        }
    }
}

/* <qemu:override> */

/* "iommu0" is the first <iommu> */
static Smmu *smmu_by_alias(Domain *d, const char *alias)
{
    int number = g_str_has_prefix(alias, "iommu") ? domain_number(alias + 5)
                                                  : -1;
    Smmu *smmu;

    if (number < 0 || number >= d->smmus->len) {
        return NULL;
    }
    smmu = g_ptr_array_index(d->smmus, number);
    return smmu->last ? NULL : smmu;
}

static void check_property(Domain *d, Smmu *smmu, const xmlNode *property)
{
    const char *name = domain_attr(property, "name");
    const char *type = domain_attr(property, "type");
    const char *value = domain_attr(property, "value");
    bool reg = false;

    if (!name || !type || !strcmp(type, "remove")) {
        return;
    }
    for (int i = 0; i < SMMU_ACCEL_NR_REGS; i++) {
        reg |= !strcmp(name, smmuv3_accel_reg_name(i));
    }
    reg |= !strcmp(name, "cmdqv-param");
    if (reg && strcmp(type, "unsigned")) {
        domain_wrong(d, property, name, "QEMU wants a number: write "
                     "type='unsigned'");
    } else if (reg && value && g_ascii_strncasecmp(value, "0x", 2) == 0) {
        domain_wrong(d, property, name, "libvirt refuses '%s', it reads base "
                     "10 only: write '%" PRIu64 "'", value,
                     g_ascii_strtoull(value, NULL, 16));
    } else if (strcmp(name, "driver") && value) {
        g_string_append_printf(smmu->options, ",%s=%s", name, value);
    }
}

static void check_device(Domain *d, const xmlNode *device)
{
    const char *alias = domain_attr(device, "alias");
    Smmu *smmu = alias ? smmu_by_alias(d, alias) : NULL;

    if (!smmu) {
        if (alias && g_str_has_prefix(alias, "iommu")) {
            domain_wrong(d, device, "alias", "there is no %s, libvirt "
                         "silently drops this: the first <iommu> is iommu0, "
                         "write that or its number", alias);
        }
        return;
    }
    DOMAIN_FOREACH(frontend, device, "frontend") {
        DOMAIN_FOREACH(property, frontend, "property") {
            check_property(d, smmu, property);
        }
    }
}

void domain_check_override(Domain *d)
{
    DOMAIN_FOREACH(override, d->root, "qemu:override") {
        has_namespace(d, override);
    }
    DOMAIN_FOREACH(override, d->root, "override") {
        if (has_namespace(d, override)) {
            DOMAIN_FOREACH(device, override, "device") {
                check_device(d, device);
            }
        }
    }
}
