/*
 * smmuv3-spec: the commands about specifications
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "commands.h"

SpecStatus command_read_spec(const char *arg, SMMUv3AccelSpec *spec,
                             Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    ERRP_GUARD();

    if (*arg != '@' && g_file_test(arg, G_FILE_TEST_EXISTS)) {
        error_setg(errp, "'%s' is a file: write @%s for what is in it", arg,
                   arg);
        return SPEC_USAGE;
    }
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

/* Read @arg and compose it without a host; missing registers stay unknown */
static SpecStatus read_regs(const char *arg, SMMUv3AccelSpec *spec,
                            SMMUv3AccelRegs *regs, Error **errp)
{
    SpecStatus status = command_read_spec(arg, spec, errp);

    if (!status && !smmuv3_accel_regs_compose(spec, NULL, regs, errp)) {
        status = SPEC_USAGE;
    }
    return status;
}

/* Print @spec as for a guest whose devices are plugged later */
static void print_for(SpecFormat format, const SMMUv3AccelSpec *spec,
                      const char *of)
{
    (format == SPEC_LIBVIRT ? report_libvirt : report_kubevirt)(spec, of);
}

/* The same for @regs, all of which are known */
void command_print_regs(SpecFormat format, const SMMUv3AccelRegs *regs,
                        const char *of)
{
    g_autofree char *text = smmuv3_accel_regs_spec(regs);
    SMMUv3AccelSpec spec;

    smmuv3_accel_spec_parse(text, &spec, &error_abort);
    print_for(format, &spec, of);
}

SpecStatus command_decode(char **args, int n, const SpecOptions *o,
                          Error **errp)
{
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SpecStatus status = read_regs(args[0], &spec, &regs, errp);

    if (!status && o->format > SPEC_JSON) {
        print_for(o->format, &spec, "A specification");
    } else if (!status) {
        report_decode(&spec, &regs, o->format == SPEC_JSON);
    }
    return status;
}

/* "host2.spec", or "number 2" for a specification on the command line */
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

SpecStatus command_baseline(char **args, int n, const SpecOptions *o,
                            Error **errp)
{
    g_autofree SMMUv3AccelNamedRegs *named = g_new0(SMMUv3AccelNamedRegs, n);
    SMMUv3AccelRegs regs;
    SpecStatus status = read_named(args, n, named, errp);

    if (!status && !smmuv3_accel_spec_baseline(named, n, &regs, errp)) {
        status = SPEC_NO;
    }
    if (!status && o->format > SPEC_JSON) {
        g_autofree char *of = n == 1 ? g_strdup("What one host has") :
            g_strdup_printf("What %d hosts have in common", n);

        command_print_regs(o->format, &regs, of);
    } else if (!status) {
        report_baseline(named, n, &regs, o->format == SPEC_JSON);
    }
    for (int i = 0; i < n; i++) {
        g_free((char *)named[i].name);
    }
    return status;
}
