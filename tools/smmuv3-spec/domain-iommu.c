/*
 * smmuv3-spec: the <iommu> elements of a domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "domain.h"

/* Attributes of <driver> for SMMUs, as of libvirt 12.8 */
static const struct {
    const char *name;
    unsigned since;
} attributes[] = {
    { "pciBus", LIBVIRT_PCI_BUS },
    { "accel", LIBVIRT_ACCEL },
    { "ats", LIBVIRT_ACCEL },
    { "ril", LIBVIRT_ACCEL },
    { "ssidsize", LIBVIRT_ACCEL },
    { "oas", LIBVIRT_ACCEL },
    { "cmdqv", LIBVIRT_ACCEL },
};

/* Attributes of other IOMMUs, which libvirt refuses with a message */
static const char *const others[] = {
    "intremap", "caching_mode", "eim", "iotlb", "aw_bits", "dma_translation",
    "xtsup", "passthrough",
};

/* Wrong spellings that exist in guides and programs */
static const struct {
    const char *name, *instead;
} misspelt[] = {
    { "ssidSize", "write ssidsize" },
    { "ssid_size", "write ssidsize" },
    { "ssid-size", "write ssidsize" },
    { "pasid", "write ssidsize='20' for PASIDs, ssidsize='0' for none" },
    { "pcibus", "write pciBus" },
    { "pci_bus", "write pciBus" },
    { "primary-bus", "write pciBus with the index of the controller" },
};

static void check_name(Domain *d, const xmlNode *node, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        if (!strcmp(name, attributes[i].name)) {
            domain_needs(d, node, attributes[i].name, attributes[i].since);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (!strcmp(name, others[i])) {
            domain_wrong(d, node, others[i], "libvirt refuses it for an "
                         "smmuv3: remove it");
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(misspelt); i++) {
        if (!strcmp(name, misspelt[i].name)) {
            domain_wrong(d, node, misspelt[i].name, "libvirt silently drops "
                         "this: %s", misspelt[i].instead);
            return;
        }
    }
    domain_wrong(d, node, g_intern_string(name), "no libvirt up to 12.8 knows "
                 "this attribute of <driver>, and silently drops it: remove "
                 "it");
}

static void check_names(Domain *d, const xmlNode *driver)
{
    const xmlAttr *a;

    for (a = driver->properties; a; a = a->next) {
        check_name(d, driver, (const char *)a->name);
    }
}

/* Checks the value of an attribute, which may be NULL */
static bool check_on_off(Domain *d, const xmlNode *driver, const char *name)
{
    const char *value = domain_attr(driver, name);

    if (!value || !strcmp(value, "on") || !strcmp(value, "off")) {
        return true;
    }
    domain_wrong(d, driver, name, "libvirt refuses '%s': write 'on' or "
                 "'off'%s", value,
                 strcmp(value, "auto") ? "" : ", or leave it out");
    return false;
}

/* The same for a number, which the device parses with @parse */
static bool check_size(Domain *d, const xmlNode *driver, const char *name,
                       bool (*parse)(const char *str, int *out, Error **errp))
{
    const char *value = domain_attr(driver, name);
    Error *err = NULL;
    int out;

    if (!value) {
        return true;
    }
    if (!strcmp(value, "auto")) {
        domain_wrong(d, driver, name, "libvirt takes a number: leave it out "
                     "for 'auto'");
        return false;
    }
    if (!parse(value, &out, &err)) {
        domain_wrong(d, driver, name, "QEMU refuses it: %s",
                     error_get_pretty(err));
        error_free(err);
        return false;
    }
    return true;
}

static void check_pci_bus(Domain *d, Smmu *smmu, const xmlNode *driver)
{
    const char *value = domain_attr(driver, "pciBus");

    if (!value) {
        if (smmu->accel) {
            domain_wrong(d, driver, "accel", "without pciBus libvirt makes one "
                         "emulated SMMU for the whole machine of this, in "
                         "silence: write pciBus with the index of the "
                         "pcie-expander-bus whose devices it is for");
        }
        return;
    }
    if (strspn(value, "0123456789") != strlen(value) || !*value) {
        domain_wrong(d, driver, "pciBus", "libvirt refuses '%s': write a "
                     "decimal number, the index of the controller", value);
        return;
    }
    smmu->controller = domain_index(value);
    if (smmu->controller == NO_CONTROLLER) {
        domain_wrong(d, driver, "pciBus", "no controller can have an index of "
                     "'%s': write that of the pcie-expander-bus", value);
    }
}

static void add_option(Domain *d, Smmu *smmu, const xmlNode *driver,
                       const char *name, bool good)
{
    const char *value = domain_attr(driver, name);

    if (value && !smmu->accel) {
        domain_wrong(d, driver, name, "libvirt refuses it without accel='on': "
                     "write that, or remove %s", name);
    } else if (value && good) {
        g_string_append_printf(smmu->options, ",%s=%s", name, value);
    }
}

static void check_accel_options(Domain *d, Smmu *smmu, const xmlNode *driver)
{
    add_option(d, smmu, driver, "ats", check_on_off(d, driver, "ats"));
    add_option(d, smmu, driver, "ril", check_on_off(d, driver, "ril"));
    add_option(d, smmu, driver, "ssidsize",
               check_size(d, driver, "ssidsize", smmuv3_accel_parse_ssidsize));
    add_option(d, smmu, driver, "oas",
               check_size(d, driver, "oas", smmuv3_accel_parse_oas));
    add_option(d, smmu, driver, "cmdqv", check_on_off(d, driver, "cmdqv"));
}

static void check_driver(Domain *d, Smmu *smmu, const xmlNode *driver)
{
    check_names(d, driver);
    smmu->accel = check_on_off(d, driver, "accel") &&
                  !g_strcmp0(domain_attr(driver, "accel"), "on");
    check_pci_bus(d, smmu, driver);
    check_accel_options(d, smmu, driver);
}

/* Finds attributes of <iommu> that belong in <driver> */
static void check_iommu_names(Domain *d, const xmlNode *node)
{
    const xmlAttr *a;

    for (a = node->properties; a; a = a->next) {
        const char *name = (const char *)a->name;

        if (strcmp(name, "model")) {
            domain_wrong(d, node, g_intern_string(name), "libvirt silently "
                         "drops this: write <driver %s='%s'/> inside <iommu>",
                         name, domain_attr(node, name));
        }
    }
}

static void check_iommu(Domain *d, const xmlNode *node)
{
    const xmlNode *driver = domain_child(node, "driver");
    const char *model = domain_attr(node, "model");
    Smmu *smmu;

    if (g_strcmp0(model, "smmuv3")) {
        domain_wrong(d, node, "model", "'%s' is not an SMMUv3, and a machine "
                     "with it takes none: write model='smmuv3'", model ?: "");
        return;
    }
    smmu = g_new0(Smmu, 1);
    smmu->node = driver ?: node;
    smmu->controller = NO_CONTROLLER;
    smmu->options = g_string_new("accel=on");
    smmuv3_accel_spec_init(&smmu->spec);
    g_ptr_array_add(d->smmus, smmu);
    check_iommu_names(d, node);
    if (driver) {
        check_driver(d, smmu, driver);
    }
}

/* Compares @b with the SMMUs before it; one complaint is enough */
static void check_pairs(Domain *d, guint b_index)
{
    const Smmu *b = g_ptr_array_index(d->smmus, b_index);

    for (guint i = 0; i < b_index; i++) {
        const Smmu *a = g_ptr_array_index(d->smmus, i);

        if (a->controller == NO_CONTROLLER || b->controller == NO_CONTROLLER) {
            domain_wrong(d, b->node, "iommu", "of several, libvirt silently "
                         "drops one without pciBus: write it in each");
            return;
        }
        if (a->controller == b->controller) {
            domain_wrong(d, b->node, "pciBus", "controller %d has an SMMU on "
                         "line %ld: leave one of them", b->controller,
                         xmlGetLineNo((xmlNode *)a->node));
            return;
        }
    }
}

/* <qemu:commandline> and similar elements, which domain-qemu.c checks */
static bool is_extension(const Domain *d, const xmlNode *node)
{
    return node->parent == d->root &&
           (domain_is_qemu(node) || domain_is(node, "commandline") ||
            domain_is(node, "override"));
}

/* libvirt looks for <iommu> only in <devices>, and without a namespace */
static void check_elsewhere(Domain *d, const xmlNode *parent)
{
    for (const xmlNode *node = parent->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE || is_extension(d, node) ||
            domain_is(node, "metadata")) {
            continue;
        }
        if (node->ns) {
            domain_wrong(d, node, g_intern_string((const char *)node->name),
                         "libvirt silently drops this: take it out of the "
                         "namespace '%s'", (const char *)node->ns->href);
            continue;
        }
        if (domain_is(node, "iommu") && parent != d->devices) {
            domain_wrong(d, node, "iommu", "libvirt silently drops this: "
                         "move it into <devices>");
        }
        check_elsewhere(d, node);
    }
}

static void check_namespaces(Domain *d)
{
    const xmlNs *ns = d->root->ns;

    if (ns && !ns->prefix) {
        domain_wrong(d, d->root, "xmlns", "libvirt finds nothing in the "
                     "namespace '%s': remove it", (const char *)ns->href);
    } else {
        check_elsewhere(d, d->root);
    }
}

void domain_check_iommus(Domain *d)
{
    check_namespaces(d);
    DOMAIN_FOREACH(node, d->devices, "iommu") {
        check_iommu(d, node);
    }
    for (guint i = 1; i < d->smmus->len; i++) {
        check_pairs(d, i);
    }
}
