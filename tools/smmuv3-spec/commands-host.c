/*
 * smmuv3-spec: the commands about hosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "domain.h"
#include "commands.h"

/*
 * Compare @spec with the host of @bdf. Composes @regs like the device, and
 * returns the message that the device would print in @differences.
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

SpecStatus command_host(char **args, int n, const SpecOptions *o, Error **errp)
{
    Error *differences = NULL;
    SMMUv3AccelSpec spec;
    SMMUv3AccelRegs regs;
    SpecHost host;
    SpecStatus status;

    smmuv3_accel_spec_init(&spec);
    spec.cmdqv = ON_OFF_AUTO_AUTO;
    status = try_host(args[0], &spec, &host, &regs, &differences, errp);
    if (differences) {
        error_propagate(errp, differences);
        status = SPEC_NO;
    }
    if (!status && o->format > SPEC_JSON) {
        g_autofree char *of = g_strdup_printf("%s, the SMMU of %s", host.smmu,
                                              host.bdf);

        command_print_regs(o->format, &regs, of);
    } else if (!status) {
        report_host(&host, &regs, o->format == SPEC_JSON);
    }
    spec_host_clear(&host);
    return status;
}

/* The error of a drop-in if the device is plugged when registers are fixed */
static Error *try_later(const SMMUv3AccelSpec *spec, const SpecHost *host)
{
    SMMUv3AccelRegs regs;
    Error *err = NULL;

    if (spec->dropin) {
        smmuv3_accel_regs_compose(spec, NULL, &regs, &error_abort);
        smmuv3_accel_regs_compare(&regs, &host->info, host->bdf, host->smmu,
                                  &err);
    }
    return err;
}

static SpecStatus check_host(const char *bdf, const SMMUv3AccelSpec *spec,
                             bool json, Error **errp)
{
    Error *at_start = NULL, *later = NULL;
    SMMUv3AccelRegs regs;
    SpecHost host = { 0 };
    SpecStatus status = try_host(bdf, spec, &host, &regs, &at_start, errp);

    if (!status) {
        later = try_later(spec, &host);
        report_check(&host, smmuv3_accel_regs_software_queues(&regs,
                                                              &host.info),
                     at_start ? error_get_pretty(at_start) : NULL,
                     later ? error_get_pretty(later) : NULL, json);
        status = at_start || later ? SPEC_NO : SPEC_YES;
    }
    /* The first error that is set wins */
    error_propagate(errp, at_start);
    error_propagate(errp, later);
    spec_host_clear(&host);
    return status;
}

static SpecStatus check_domain(char **args, int n, const SpecOptions *o,
                               Error **errp)
{
    SMMUv3AccelSpec spec;
    bool json = o->format == SPEC_JSON;
    SpecStatus status;

    if (json && n > 1) {
        error_setg(errp, "JSON is of one thing: check the domain first, "
                   "without a BDF");
        return SPEC_USAGE;
    }
    status = domain_check(args[0], o->libvirt, json, n > 1 ? args[1] : NULL,
                          &spec, errp);
    return status || n < 2 ? status : check_host(args[1], &spec, false, errp);
}

SpecStatus command_check(char **args, int n, const SpecOptions *o,
                         Error **errp)
{
    SMMUv3AccelSpec spec;
    SpecStatus status;

    if (domain_is_file(args[0])) {
        return check_domain(args, n, o, errp);
    }
    if (n < 2) {
        error_setg(errp, "'%s' is not a file with the XML of a domain, and "
                   "without a BDF nothing else can be checked", args[0]);
        return SPEC_USAGE;
    }
    if (g_str_has_suffix(args[0], ".xml")) {
        error_setg(errp, "there is no file '%s'", args[0]);
        return SPEC_USAGE;
    }
    if (o->libvirt) {
        error_setg(errp, "--libvirt= is for the XML of a domain, and '%s' is a "
                   "specification", args[0]);
        return SPEC_USAGE;
    }
    status = command_read_spec(args[0], &spec, errp);
    if (!status && !smmuv3_accel_spec_validate(&spec, errp)) {
        status = SPEC_USAGE;
    }
    return status ?: check_host(args[1], &spec, o->format == SPEC_JSON, errp);
}
