/*
 * smmuv3-spec: check if a host has command queues in hardware for guests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "doctor.h"

/* "NVDA200C:00, ...": their platform devices, from ACPI or a device tree */
static char *blocks(const Doctor *d)
{
    g_autoptr(GPtrArray) all = doctor_names(d, "/sys/bus/platform/devices");
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < all->len; i++) {
        const char *name = g_ptr_array_index(all, i);

        if (g_str_has_prefix(name, "NVDA200C:") ||
            g_str_has_suffix(name, ".cmdqv")) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", name);
        }
    }
    return g_string_free(text, text->len == 0);
}

/* A host without a CMDQV is not reported, because none is needed */
void doctor_check_cmdqv(Doctor *d)
{
    g_autofree char *found = blocks(d);

    d->cmdqv = found;
    if (!found) {
        return;
    }
    if (d->version && d->version < KERNEL(6, 17)) {
        doctor_say(d, DOCTOR_NOTE, "cmdqv",
                   g_strdup_printf("%s: Linux %s gives guests none of its "
                                   "command queues", found, d->release),
                   g_strdup("boot Linux 6.17 or later; until then QEMU "
                            "executes those of cmdqv=on"));
    } else if (d->config && !doctor_config_has(d, "TEGRA241_CMDQV")) {
        doctor_say(d, DOCTOR_NOTE, "cmdqv",
                   g_strdup_printf("%s: not in %s: CONFIG_TEGRA241_CMDQV",
                                   found, d->config_path),
                   doctor_config_cure(d, " -e TEGRA241_CMDQV"));
    } else {
        doctor_say(d, DOCTOR_OK, "cmdqv",
                   g_strdup_printf("%s: command queues in hardware, with "
                                   "cmdqv=on", found), NULL);
    }
}
