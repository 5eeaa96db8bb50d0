/*
 * smmuv3-spec: its commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SMMUV3_SPEC_COMMANDS_H
#define SMMUV3_SPEC_COMMANDS_H

#include "smmuv3-spec.h"

/* The options on the command line */
typedef struct SpecOptions {
    SpecFormat format;
    const char *libvirt;
    const char *root;
} SpecOptions;

/* Each has @n arguments; the table in main.c limits their number */
SpecStatus command_decode(char **args, int n, const SpecOptions *o,
                          Error **errp);
SpecStatus command_baseline(char **args, int n, const SpecOptions *o,
                            Error **errp);
SpecStatus command_host(char **args, int n, const SpecOptions *o,
                        Error **errp);
SpecStatus command_check(char **args, int n, const SpecOptions *o,
                         Error **errp);

/* Shared functions */

/* @arg: a specification, or @FILE with one */
SpecStatus command_read_spec(const char *arg, SMMUv3AccelSpec *spec,
                             Error **errp);
/* Prints @regs, all of which are known, for libvirt or KubeVirt */
void command_print_regs(SpecFormat format, const SMMUv3AccelRegs *regs,
                        const char *of);

#endif /* SMMUV3_SPEC_COMMANDS_H */
