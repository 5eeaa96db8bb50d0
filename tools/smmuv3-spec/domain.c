/*
 * smmuv3-spec: check the XML of a domain as a whole
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <libxml/parser.h>
#include "qapi/error.h"
#include "hw/arm/smmuv3-cmdqv.h"
#include "domain.h"

/* The file */

bool domain_is_file(const char *arg)
{
    return !strcmp(arg, "-") || g_file_test(arg, G_FILE_TEST_EXISTS);
}

static char *read_all(const char *file, gsize *size, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) err = NULL;
    char buf[4096];
    size_t n;

    if (strcmp(file, "-")) {
        char *content;

        if (!g_file_get_contents(file, &content, size, &err)) {
            error_setg(errp, "%s", err->message);
            return NULL;
        }
        return content;
    }
    while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0) {
        g_string_append_len(text, buf, n);
    }
    *size = text->len;
    return g_string_free(g_steal_pointer(&text), false);
}

static void G_GNUC_PRINTF(2, 3) say_nothing(void *opaque, const char *fmt, ...)
{
}

static void explain(const char *file, Error **errp)
{
    const xmlError *err = xmlGetLastError();
    bool spec = err && err->code == XML_ERR_DOCUMENT_EMPTY &&
                strcmp(file, "-");

    error_setg(errp, "%s:%d: %s%s%s", file, err ? err->line : 0,
               err && err->message ? g_strstrip(err->message) : "no XML",
               spec ? "; if it is a specification, write @" : "",
               spec ? file : "");
}

/* Replaces no entities, and fetches nothing from the network */
static xmlDoc *parse(const char *file, Error **errp)
{
    gsize size;
    g_autofree char *text = read_all(file, &size, errp);
    xmlDoc *doc;

    if (!text) {
        return NULL;
    }
    if (size > INT_MAX) {
        error_setg(errp, "%s is too long", file);
        return NULL;
    }
    /* XML_PARSE_NOERROR does not suppress all errors */
    xmlSetGenericErrorFunc(NULL, say_nothing);
    doc = xmlReadMemory(text, size, file, NULL, XML_PARSE_NONET |
                        XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                        XML_PARSE_BIG_LINES);
    if (!doc) {
        explain(file, errp);
    }
    return doc;
}

/* Findings about the domain as a whole */

static void check_machine(Domain *d)
{
    const xmlNode *os = domain_child(d->root, "os");
    const xmlNode *type = domain_child(os, "type");
    const char *arch = domain_attr(type, "arch");
    const char *machine = domain_attr(type, "machine");

    if (arch && strcmp(arch, "aarch64")) {
        domain_wrong(d, type, "arch", "'%s' has no SMMUv3: write "
                     "arch='aarch64'", arch);
    }
    if (machine && strcmp(machine, "virt") &&
        !g_str_has_prefix(machine, "virt-")) {
        domain_wrong(d, type, "machine", "'%s' has no SMMUv3: write "
                     "machine='virt'", machine);
    }
}

/* libvirt requires UEFI for ACPI, whatever the guest boots with */
static void check_firmware(Domain *d)
{
    const xmlNode *os = domain_child(d->root, "os");

    if (os && !domain_attr(os, "firmware") && !domain_child(os, "loader")) {
        domain_wrong(d, os, "os", "libvirt refuses ACPI without firmware: "
                     "write <os firmware='efi'>");
    }
}

static void check_features(Domain *d)
{
    const xmlNode *features = domain_child(d->root, "features");
    const xmlNode *gic = domain_child(features, "gic");
    const char *version = domain_attr(gic, "version");
    bool tcg = !g_strcmp0(domain_attr(d->root, "type"), "qemu");

    if (!domain_child(features, "acpi")) {
        domain_wrong(d, features ?: d->root, "acpi", "without it the guest is "
                     "not told of a pcie-expander-bus, and QEMU refuses the "
                     "SMMU: write <features><acpi/></features>");
    }
    if (version ? !strcmp(version, "2") : tcg) {
        domain_wrong(d, gic ?: features ?: d->root, "gic", "version 2%s has no "
                     "ITS, and PCI devices no MSIs: write <gic version='3'/>",
                     version ? "" : ", the default of type='qemu',");
    }
}

static void check_iommufd(Domain *d)
{
    const xmlNode *node = domain_child(d->root, "iommufd");
    const char *enabled = domain_attr(node, "enabled");

    if (node) {
        domain_needs(d, node, "iommufd", LIBVIRT_IOMMUFD);
        d->iommufd = !g_strcmp0(enabled, "yes");
    }
    if (node && (!enabled || (strcmp(enabled, "yes") &&
                              strcmp(enabled, "no")))) {
        domain_wrong(d, node, "iommufd", "libvirt refuses it without "
                     "enabled='yes' or 'no': write enabled='yes'");
    }
    node = domain_child(d->devices, "iommufd");
    if (node) {
        domain_wrong(d, node, "iommufd", "libvirt silently drops this: move "
                     "it out of <devices>, below <domain>");
    }
}

static bool locks_memory(const Domain *d)
{
    return domain_child(domain_child(d->root, "memtune"), "hard_limit") ||
           domain_child(domain_child(d->root, "memoryBacking"), "locked");
}

/* If devices are plugged later, libvirt does not do these things by itself */
static void check_hotplug_only(Domain *d)
{
    const xmlNode *node = domain_child(d->root, "iommufd");

    if (!node && !d->commandline) {
        domain_advise(d, d->devices ?: d->root, "iommufd", "no <hostdev> at "
                      "start: libvirt opens /dev/iommu for the first one that "
                      "it attaches, and closes it after the last; write "
                      "<iommufd enabled='yes' fdgroup='iommu'/> below <domain> "
                      "if it is to be there from the start");
    }
    if (!locks_memory(d)) {
        domain_advise(d, d->root, "memtune", "no <hostdev> at start: the limit "
                      "of locked memory stays low, and what QMP plugs later "
                      "cannot pin the guest's memory; write <memtune>"
                      "<hard_limit unit='GiB'>..</hard_limit></memtune> with "
                      "the guest's memory and 1 GiB more");
    }
}

/* Command queues that may not be contiguous, which hardware requires */
static void check_queues(Domain *d)
{
    const xmlNode *backing = domain_child(d->root, "memoryBacking");

    for (guint i = 0; i < d->smmus->len; i++) {
        const Smmu *smmu = g_ptr_array_index(d->smmus, i);
        const SMMUv3AccelSpec *spec = &smmu->spec;
        uint32_t cmdqs = FIELD_EX32(spec->reg[SMMU_ACCEL_IDR1], IDR1, CMDQS);
        uint32_t fits = smmuv3_accel_hardware_cmdqs(spec->page_size, NULL);

        if (spec->cmdqv == ON_OFF_AUTO_ON && spec->given[SMMU_ACCEL_IDR1] &&
            cmdqs > fits && !domain_child(backing, "hugepages")) {
            domain_advise(d, smmu->node, "cmdqv", "with this idr1 the guest "
                          "makes queues of up to %u entries, which hardware "
                          "takes only in one piece of the host's memory: write "
                          "<memoryBacking><hugepages/></memoryBacking>, or "
                          "idr1 with CMDQS %u", 1U << cmdqs, fits);
        }
    }
}

static void check_any_accel(Domain *d)
{
    for (guint i = 0; i < d->smmus->len; i++) {
        const Smmu *smmu = g_ptr_array_index(d->smmus, i);

        if (smmu->accel) {
            if (!d->hostdevs) {
                check_hotplug_only(d);
            }
            return;
        }
    }
    domain_wrong(d, d->devices ?: d->root, "iommu", "no SMMU here is "
                 "accelerated, no device of the host can be behind one: write "
                 "<iommu model='smmuv3'><driver pciBus='1' accel='on'/>"
                 "</iommu> into <devices>, with the index of a "
                 "pcie-expander-bus");
}

static void check_all(Domain *d)
{
    d->devices = domain_child(d->root, "devices");
    check_machine(d);
    check_firmware(d);
    check_features(d);
    check_iommufd(d);
    domain_find_controllers(d);
    domain_check_iommus(d);
    domain_check_commandline(d);
    domain_check_override(d);
    for (guint i = 0; i < d->smmus->len; i++) {
        Smmu *smmu = g_ptr_array_index(d->smmus, i);

        if (smmu->accel && !smmu->last) {
            domain_check_options(d, smmu, smmu->node);
        }
    }
    domain_check_controllers(d);
    domain_check_hostdevs(d);
    check_any_accel(d);
    check_queues(d);
}

/* The command */

static void free_smmu(void *opaque)
{
    Smmu *smmu = opaque;

    g_string_free(smmu->options, true);
    g_free(smmu);
}

static void clear_finding(void *opaque)
{
    g_free(((Finding *)opaque)->text);
}

static bool read_version(const char *text, unsigned *version, Error **errp)
{
    unsigned major, minor = 0, micro = 0;

    if (sscanf(text, "%3u.%3u.%3u", &major, &minor, &micro) < 1) {
        error_setg(errp, "'%s' is not a version of libvirt, such as 11.3.0",
                   text);
        return false;
    }
    *version = LIBVIRT(major, minor) + micro;
    return true;
}

static SpecStatus sum_up(const Domain *d, const char *file, bool json,
                         Error **errp)
{
    g_autofree char *needs = domain_version_str(d->needs);
    guint wrong = 0;

    for (guint i = 0; i < d->findings->len; i++) {
        wrong += !g_array_index(d->findings, Finding, i).advice;
    }
    if (wrong) {
        error_setg(errp, "%s: mistakes that keep devices from being behind an "
                   "SMMU: %u", file, wrong);
        return SPEC_NO;
    }
    if (!json) {
        printf("%s: good%s%s\n", file, d->needs ? ", for libvirt of at least "
               : "", d->needs ? needs : "");
    }
    return SPEC_YES;
}

static SpecStatus check_doc(Domain *d, const char *file, bool json,
                            const char *bdf, SMMUv3AccelSpec *spec,
                            Error **errp)
{
    const Smmu *smmu;
    SpecStatus status;

    if (!d->root || !domain_is(d->root, "domain")) {
        error_setg(errp, "%s is not a libvirt domain: its root is <%s>", file,
                   d->root ? (const char *)d->root->name : "");
        return SPEC_USAGE;
    }
    check_all(d);
    domain_report(d, file, json);
    status = sum_up(d, file, json, errp);
    if (!status && bdf) {
        smmu = domain_smmu_of(d, bdf);
        if (smmu) {
            *spec = smmu->spec;
        }
    }
    return status;
}

SpecStatus domain_check(const char *file, const char *libvirt, bool json,
                        const char *bdf, SMMUv3AccelSpec *spec, Error **errp)
{
    Domain d = { 0 };
    xmlDoc *doc;
    SpecStatus status;

    if (libvirt && !read_version(libvirt, &d.libvirt, errp)) {
        return SPEC_USAGE;
    }
    doc = parse(file, errp);
    if (!doc) {
        return SPEC_USAGE;
    }
    d.root = xmlDocGetRootElement(doc);
    d.smmus = g_ptr_array_new_with_free_func(free_smmu);
    d.controllers = g_ptr_array_new_with_free_func(g_free);
    d.findings = g_array_new(false, false, sizeof(Finding));
    g_array_set_clear_func(d.findings, clear_finding);
    status = check_doc(&d, file, json, bdf, spec, errp);
    g_array_free(d.findings, true);
    g_ptr_array_free(d.controllers, true);
    g_ptr_array_free(d.smmus, true);
    xmlFreeDoc(doc);
    xmlCleanupParser();
    return status;
}
