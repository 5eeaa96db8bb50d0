/*
 * smmuv3-spec: make and compare specifications of an arm-smmuv3-accel
 *
 * docs/tools/smmuv3-spec.rst is the manual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu-version.h"
#include "commands.h"
#include "doctor.h"

static const char help[] =
    "usage: smmuv3-spec host BDF            print what this host can back, as options\n"
    "       smmuv3-spec decode SPEC         print a specification field by field\n"
    "       smmuv3-spec check SPEC BDF      check whether a host device fits\n"
    "       smmuv3-spec check XML [BDF]     check the XML of a libvirt domain\n"
    "       smmuv3-spec baseline SPEC...    print what several hosts have in common\n"
    "       smmuv3-spec doctor [BDF]        check whether this host is ready\n"
    "       smmuv3-spec fields              print the values that fields can have\n"
    "\n"
    "  --format=FORMAT     text or json; host, decode and baseline: also libvirt or\n"
    "                      kubevirt\n"
    "  --json              the same as --format=json\n"
    "  --libvirt=VERSION   check XML: for this version, such as 11.3.0\n"
    "  --root=DIR          doctor: read a copy of another host's files from DIR\n"
    "  --help              print this text\n"
    "  --version           print the version of QEMU that this program belongs to\n"
    "\n"
    "BDF is a PCI device that is bound to vfio-pci, such as 0000:03:00.0. SPEC is\n"
    "the output of `host', the argument of -device, or @FILE, which contains one of\n"
    "these or a section for -readconfig. XML is the file of a libvirt domain, or -\n"
    "for standard input.\n"
    "\n"
    "Exit status: 0 success, it fits, the host is ready; 1 it does not fit, there is\n"
    "no baseline, the host cannot nest or is not ready; 2 the command line or a\n"
    "specification is wrong; 3 the host cannot be asked as it is set up now.\n";

static SpecStatus doctor(char **args, int n, const SpecOptions *o,
                         Error **errp)
{
    return doctor_run(o->root ?: "", n ? args[0] : NULL,
                      o->format == SPEC_JSON, errp);
}

static SpecStatus fields(char **args, int n, const SpecOptions *o,
                         Error **errp)
{
    if (!n) {
        report_fields(o->format == SPEC_JSON);
        return SPEC_YES;
    }
    if (strcmp(args[0], "rst")) {
        error_setg(errp, "'%s' is not an argument of fields: give none, or "
                   "'rst'", args[0]);
        return SPEC_USAGE;
    }
    /* The table of the user page is generated with this */
    report_fields_rst();
    return SPEC_YES;
}

static const struct Command {
    const char *name, *takes;
    int min, max;                   /* arguments */
    SpecFormat formats;             /* the last one that it supports */
    SpecStatus (*run)(char **args, int n, const SpecOptions *o, Error **errp);
} commands[] = {
    { "host", "a BDF", 1, 1, SPEC_KUBEVIRT, command_host },
    { "decode", "a SPEC", 1, 1, SPEC_KUBEVIRT, command_decode },
    { "check", "a SPEC and a BDF, or the XML of a domain", 1, 2, SPEC_JSON,
      command_check },
    { "baseline", "at least one SPEC", 1, INT_MAX, SPEC_KUBEVIRT,
      command_baseline },
    { "doctor", "a BDF or nothing", 0, 1, SPEC_JSON, doctor },
    { "fields", "nothing", 0, 1, SPEC_JSON, fields },
};

static const char *const formats[SPEC_NR_FORMATS] = {
    "text", "json", "libvirt", "kubevirt",
};

/* Whether @c supports all options that are given */
static bool check_options(const struct Command *c, const SpecOptions *o,
                          Error **errp)
{
    if (o->format > c->formats) {
        error_setg(errp, "%s has no --format=%s: %s", c->name,
                   formats[o->format],
                   "only host, decode and baseline have it");
        return false;
    }
    if (o->libvirt && c->run != command_check) {
        error_setg(errp, "%s has no --libvirt=: only check has it, for the XML "
                   "of a domain", c->name);
        return false;
    }
    if (o->root && c->run != doctor) {
        error_setg(errp, "%s has no --root=: only doctor can read a copy of a "
                   "host's files", c->name);
        return false;
    }
    return true;
}

static SpecStatus run_command(const struct Command *c, char **args, int n,
                              const SpecOptions *o)
{
    Error *err = NULL;
    SpecStatus status = SPEC_USAGE;

    if (check_options(c, o, &err)) {
        status = c->run(args, n, o, &err);
    }
    /* stdout and stderr may be the same file */
    fflush(stdout);
    if (err) {
        error_report_err(err);
    }
    return status;
}

static SpecStatus wrong_usage(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

static SpecStatus wrong_usage(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
    error_printf("Type smmuv3-spec --help for a summary.\n");
    return SPEC_USAGE;
}

static SpecStatus run(char **args, int n, const SpecOptions *o)
{
    if (!n) {
        fputs(help, stderr);
        return SPEC_USAGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const struct Command *c = &commands[i];

        if (strcmp(args[0], c->name)) {
            continue;
        }
        if (n - 1 < c->min || n - 1 > c->max) {
            return wrong_usage("%s takes %s, not %d argument%s", c->name,
                               c->takes, n - 1, n == 2 ? "" : "s");
        }
        return run_command(c, args + 1, n - 1, o);
    }
    return wrong_usage("'%s' is not a command", args[0]);
}

static bool read_format(const char *name, SpecFormat *format)
{
    for (int i = 0; i < SPEC_NR_FORMATS; i++) {
        if (!strcmp(name, formats[i])) {
            *format = i;
            return true;
        }
    }
    return false;
}

/* Whether @arg is a valid option */
static bool read_option(const char *arg, SpecOptions *o)
{
    const char *value;

    if (strstart(arg, "--format=", &value)) {
        return read_format(value, &o->format);
    }
    if (strstart(arg, "--libvirt=", &o->libvirt) ||
        strstart(arg, "--root=", &o->root)) {
        return true;
    }
    if (!strcmp(arg, "--json")) {
        o->format = SPEC_JSON;
        return true;
    }
    return false;
}

/*
 * This does not use getopt, because a specification may be pasted with its
 * -device, as one word or as two.
 */
int main(int argc, char **argv)
{
    SpecOptions o = { 0 };
    int n = 0;

    error_init(argv[0]);
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];

        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            fputs(help, stdout);
            return SPEC_YES;
        } else if (!strcmp(arg, "--version")) {
            puts("smmuv3-spec " QEMU_FULL_VERSION);
            return SPEC_YES;
        } else if (*arg != '-' || !arg[1] || (g_str_has_prefix(arg, "-device")
                                              && strcmp(arg, "-device"))) {
            argv[n++] = arg;
        } else if (strcmp(arg, "-device") && !read_option(arg, &o)) {
            return g_str_has_prefix(arg, "--format") ?
                wrong_usage("'%s' is not --format= with text, json, libvirt or "
                            "kubevirt", arg) :
                wrong_usage("'%s' is not an option", arg);
        }
    }
    return run(argv, n, &o);
}
