/*
 * smmuv3-spec: print the findings about the XML of a domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/json-writer.h"
#include "domain.h"

static void G_GNUC_PRINTF(5, 0)
add(Domain *d, const xmlNode *node, bool advice, const char *value,
    const char *fmt, va_list ap)
{
    Finding f = {
        .line = xmlGetLineNo((xmlNode *)node),
        .advice = advice,
        .value = value,
        .text = g_strdup_vprintf(fmt, ap),
    };

    g_array_append_val(d->findings, f);
}

void domain_wrong(Domain *d, const xmlNode *node, const char *value,
                  const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, node, false, value, fmt, ap);
    va_end(ap);
}

void domain_advise(Domain *d, const xmlNode *node, const char *value,
                   const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, node, true, value, fmt, ap);
    va_end(ap);
}

char *domain_version_str(unsigned libvirt)
{
    return g_strdup_printf("%u.%u.%u", libvirt / 1000000,
                           libvirt / 1000 % 1000, libvirt % 1000);
}

void domain_needs(Domain *d, const xmlNode *node, const char *value,
                  unsigned libvirt)
{
    g_autofree char *have = domain_version_str(d->libvirt);
    g_autofree char *want = domain_version_str(libvirt);

    d->needs = MAX(d->needs, libvirt);
    if (d->libvirt && d->libvirt < libvirt) {
        domain_wrong(d, node, value, "libvirt %s silently drops this: use "
                     "%s or later, or give the SMMU and the devices below it "
                     "in <qemu:commandline>", have, want);
    }
}

static void report_json(const Domain *d, const char *file)
{
    g_autofree char *needs = domain_version_str(d->needs);
    g_autoptr(GString) str = NULL;
    JSONWriter *json = json_writer_new(true);

    json_writer_start_object(json, NULL);
    json_writer_str(json, "file", file);
    json_writer_str(json, "libvirt", needs);
    json_writer_start_array(json, "findings");
    for (guint i = 0; i < d->findings->len; i++) {
        const Finding *f = &g_array_index(d->findings, Finding, i);

        json_writer_start_object(json, NULL);
        json_writer_int64(json, "line", f->line);
        json_writer_str(json, "level", f->advice ? "advice" : "wrong");
        json_writer_str(json, "value", f->value);
        json_writer_str(json, "text", f->text);
        json_writer_end_object(json);
    }
    json_writer_end_array(json);
    json_writer_end_object(json);
    str = json_writer_get_and_free(json);
    printf("%s\n", str->str);
}

static int by_line(const void *a, const void *b)
{
    const Finding *f = a, *g = b;

    return f->line < g->line ? -1 : f->line > g->line;
}

void domain_report(const Domain *d, const char *file, bool json)
{
    g_array_sort(d->findings, by_line);
    if (json) {
        report_json(d, file);
        return;
    }
    for (guint i = 0; i < d->findings->len; i++) {
        const Finding *f = &g_array_index(d->findings, Finding, i);

        printf("%s:%ld: %s%s: %s\n", file, f->line, f->advice ? "advice: " : "",
               f->value, f->text);
    }
}
