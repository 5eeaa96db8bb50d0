/*
 * smmuv3-spec: make and compare specifications of an arm-smmuv3-accel
 *
 * docs/tools/smmuv3-spec.rst is the manual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu-version.h"
#include "smmuv3-spec.h"

static const char help[] =
    "usage: smmuv3-spec host BDF            what this host has, as options to paste\n"
    "       smmuv3-spec decode SPEC         a specification, field by field\n"
    "       smmuv3-spec check SPEC BDF      whether a host device fits\n"
    "       smmuv3-spec baseline SPEC...    the most that runs on all of these hosts\n"
    "       smmuv3-spec fields              what each field can be\n"
    "\n"
    "  --json     print JSON\n"
    "  --help     this text\n"
    "  --version  the version of QEMU that this belongs to\n"
    "\n"
    "BDF is a PCI device bound to vfio-pci, such as 0000:03:00.0. SPEC is what\n"
    "`host' prints, or what stands after -device, or @FILE with that in it, or\n"
    "with what -readconfig takes.\n"
    "\n"
    "Exit status: 0 done, it fits; 1 it does not fit, no common answer, or the\n"
    "host cannot nest; 2 wrong usage or specification; 3 the host cannot be asked\n"
    "as it is set up now.\n";

/* Specifications */

static SpecStatus read_spec(const char *arg, SMMUv3AccelSpec *spec,
                            Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    ERRP_GUARD();

    if (*arg != '@') {
        return smmuv3_accel_spec_parse(arg, spec, errp) ? SPEC_YES
                                                        : SPEC_USAGE;
    }
    if (!g_file_get_contents(arg + 1, &text, NULL, &err)) {
        error_setg(errp, "%s", err->message);
        return SPEC_USAGE;
    }
    if (!smmuv3_accel_spec_parse(text, spec, errp)) {
        error_prepend(errp, "%s: ", arg + 1);
        return SPEC_USAGE;
    }
    return SPEC_YES;
}

/* Read @arg and compose it without a host: what is missing stays unknown */
static SpecStatus read_regs(const char *arg, SMMUv3AccelSpec *spec,
                            SMMUv3AccelRegs *regs, Error **errp)
{
    SpecStatus status = read_spec(arg, spec, errp);

    if (!status && !smmuv3_accel_regs_compose(spec, NULL, regs, errp)) {
        status = SPEC_USAGE;
    }
    return status;
}

static SpecStatus decode(char **args, int n, bool json, Error **errp)
{
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SpecStatus status = read_regs(args[0], &spec, &regs, errp);

    if (!status) {
        report_decode(&spec, &regs, json);
    }
    return status;
}

/* "host2.spec", or "number 2" for one that was given on the command line */
static char *spec_name(const char *arg, int number)
{
    return *arg == '@' ? g_path_get_basename(arg + 1)
                       : g_strdup_printf("number %d", number);
}

static SpecStatus read_named(char **args, int n, SMMUv3AccelNamedRegs *named,
                             Error **errp)
{
    ERRP_GUARD();

    for (int i = 0; i < n; i++) {
        SMMUv3AccelSpec spec;
        g_autofree char *missing = NULL;
        char *name = spec_name(args[i], i + 1);
        SpecStatus status = read_regs(args[i], &spec, &named[i].regs, errp);

        named[i].name = name;
        if (status) {
            error_prepend(errp, "specification %s: ", name);
            return status;
        }
        missing = smmuv3_accel_spec_missing(&spec);
        if (missing) {
            error_setg(errp, "specification %s lacks %s: `smmuv3-spec host' "
                       "on that host prints all of it", name, missing);
            return SPEC_USAGE;
        }
    }
    return SPEC_YES;
}

static SpecStatus baseline(char **args, int n, bool json, Error **errp)
{
    g_autofree SMMUv3AccelNamedRegs *named = g_new0(SMMUv3AccelNamedRegs, n);
    SMMUv3AccelRegs regs;
    SpecStatus status = read_named(args, n, named, errp);

    if (!status && !smmuv3_accel_spec_baseline(named, n, &regs, errp)) {
        status = SPEC_NO;
    }
    if (!status) {
        report_baseline(named, n, &regs, json);
    }
    for (int i = 0; i < n; i++) {
        g_free((char *)named[i].name);
    }
    return status;
}

/* Hosts */

/*
 * @spec on the host of @bdf. @regs are composed as the device would do, and
 * @differences is what it would say.
 */
static SpecStatus try_host(const char *bdf, const SMMUv3AccelSpec *spec,
                           SpecHost *host, SMMUv3AccelRegs *regs,
                           Error **differences, Error **errp)
{
    SpecStatus status = spec_host_find(host, "", bdf, errp);

    status = status ?: spec_host_ask(host, errp);
    if (!status && !smmuv3_accel_regs_compose(spec, &host->info, regs, errp)) {
        status = SPEC_USAGE;
    }
    if (!status) {
        smmuv3_accel_regs_compare(regs, &host->info, host->bdf, host->smmu,
                                  differences);
    }
    return status;
}

static SpecStatus host(char **args, int n, bool json, Error **errp)
{
    Error *differences = NULL;
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SpecHost host;
    SpecStatus status;

    smmuv3_accel_spec_init(&spec);
    status = try_host(args[0], &spec, &host, &regs, &differences, errp);
    if (differences) {
        error_propagate(errp, differences);
        status = SPEC_NO;
    }
    if (!status) {
        report_host(&host, &regs, json);
    }
    spec_host_clear(&host);
    return status;
}

static SpecStatus check(char **args, int n, bool json, Error **errp)
{
    Error *differences = NULL;
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SpecHost host = { 0 };
    SpecStatus status = read_spec(args[0], &spec, errp);

    if (!status && !smmuv3_accel_spec_validate(&spec, errp)) {
        status = SPEC_USAGE;
    }
    status = status ?: try_host(args[1], &spec, &host, &regs, &differences,
                                errp);
    if (!status) {
        report_check(&host, differences ? error_get_pretty(differences) : NULL,
                     json);
    }
    if (differences) {
        error_propagate(errp, differences);
        status = SPEC_NO;
    }
    spec_host_clear(&host);
    return status;
}

static SpecStatus fields(char **args, int n, bool json, Error **errp)
{
    if (!n) {
        report_fields(json);
        return SPEC_YES;
    }
    if (strcmp(args[0], "rst")) {
        error_setg(errp, "fields of '%s'? It takes no argument, or 'rst'",
                   args[0]);
        return SPEC_USAGE;
    }
    /* The table of the user page, which this is the only source of */
    report_fields_rst();
    return SPEC_YES;
}

static const struct Command {
    const char *name;
    int min, max;                   /* arguments */
    SpecStatus (*run)(char **args, int n, bool json, Error **errp);
} commands[] = {
    { "host", 1, 1, host },
    { "decode", 1, 1, decode },
    { "check", 2, 2, check },
    { "baseline", 1, INT_MAX, baseline },
    { "fields", 0, 1, fields },
};

static SpecStatus run(char **args, int n, bool json)
{
    Error *err = NULL;

    for (size_t i = 0; n && i < ARRAY_SIZE(commands); i++) {
        const struct Command *c = &commands[i];

        if (!strcmp(args[0], c->name) && n > c->min && n - 1 <= c->max) {
            SpecStatus status = c->run(args + 1, n - 1, json, &err);

            if (err) {
                error_report_err(err);
            }
            return status;
        }
    }
    fputs(help, stderr);
    return SPEC_USAGE;
}

/*
 * Not getopt: a specification may be pasted with its -device, as one word or
 * as two.
 */
int main(int argc, char **argv)
{
    bool json = false;
    int n = 0;

    error_init(argv[0]);
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];

        if (!strcmp(arg, "--json")) {
            json = true;
        } else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            fputs(help, stdout);
            return SPEC_YES;
        } else if (!strcmp(arg, "--version")) {
            puts("smmuv3-spec " QEMU_FULL_VERSION);
            return SPEC_YES;
        } else if (*arg == '-' && !g_str_has_prefix(arg, "-device")) {
            fputs(help, stderr);
            return SPEC_USAGE;
        } else if (strcmp(arg, "-device")) {
            argv[n++] = arg;
        }
    }
    return run(argv, n, json);
}
