/*
 * smmuv3-spec: check whether the SMMUs of a host can nest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "doctor.h"

#define CLASS "/sys/class/iommu"

GPtrArray *doctor_names(const Doctor *d, const char *path)
{
    g_autofree char *full = g_strconcat(d->root, path, NULL);
    g_autoptr(GDir) dir = g_dir_open(full, 0, NULL);
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_ptr_array_add(all, g_strdup(name));
    }
    g_ptr_array_sort(all, (GCompareFunc)qemu_pstrcmp0);
    return all;
}

static char *join(const GPtrArray *all, const char *prefix)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < all->len; i++) {
        const char *name = g_ptr_array_index(all, i);

        if (g_str_has_prefix(name, prefix)) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", name);
        }
    }
    return g_string_free(text, false);
}

/* Returns false if the other checks make no sense */
static bool check_present(Doctor *d)
{
    g_autoptr(GPtrArray) all = doctor_names(d, CLASS);
    g_autofree char *smmus = join(all, "smmu3.");
    g_autofree char *any = join(all, "");

    if (*smmus) {
        doctor_say(d, DOCTOR_OK, "smmu", g_strdup(smmus), NULL);
    } else if (*any) {
        doctor_say(d, DOCTOR_BAD, "smmu",
                   g_strdup_printf("no SMMUv3 in " CLASS ", only %s", any),
                   g_strdup("use a host with an SMMUv3; nothing here makes one "
                            "of another IOMMU"));
    } else {
        doctor_say(d, DOCTOR_BAD, "smmu", g_strdup("no IOMMU in " CLASS),
                   g_strdup("enable the SMMU in the firmware settings; if "
                            "dmesg has no line of arm-smmu-v3 then, this host "
                            "has none"));
    }
    return *smmus;
}

/* CANWBS is a bit of each root complex node in the IORT (DEN 0049) */

enum {
    IORT_NODES = 36,                /* nodes: number, first offset */
    IORT_NODE_LENGTH = 1,
    IORT_ROOT_COMPLEX = 2,          /* a node type */
    IORT_MEMORY_FLAGS = 16 + 7,
    IORT_CANWBS = 1 << 2,
};

/* Counts root complexes, and those with CANWBS; false if it is not an IORT */
static bool count_canwbs(const uint8_t *iort, gsize size, unsigned *complexes,
                         unsigned *canwbs)
{
    gsize at;
    uint32_t nodes;

    if (size < IORT_NODES + 8 || memcmp(iort, "IORT", 4)) {
        return false;
    }
    nodes = ldl_le_p(iort + IORT_NODES);
    at = ldl_le_p(iort + IORT_NODES + 4);
    for (uint32_t i = 0; i < nodes; i++) {
        gsize length;

        if (at > size || size - at <= IORT_MEMORY_FLAGS) {
            return false;
        }
        length = lduw_le_p(iort + at + IORT_NODE_LENGTH);
        if (iort[at] == IORT_ROOT_COMPLEX) {
            ++*complexes;
            *canwbs += !!(iort[at + IORT_MEMORY_FLAGS] & IORT_CANWBS);
        }
        at += MAX(length, 1);
    }
    return true;
}

static void say_canwbs(Doctor *d, unsigned complexes, unsigned canwbs)
{
    if (canwbs == complexes && canwbs) {
        doctor_say(d, DOCTOR_OK, "canwbs",
                   g_strdup_printf("the firmware says CANWBS of all %u root "
                                   "complexes", complexes), NULL);
    } else {
        doctor_say(d, DOCTOR_NOTE, "canwbs",
                   g_strdup_printf("the firmware says CANWBS of %u of %u root "
                                   "complexes; devices below others need an "
                                   "SMMU with S2FWB", canwbs, complexes),
                   g_strdup("newer firmware may say it; whether the SMMU has "
                            "S2FWB is seen with a device: smmuv3-spec doctor "
                            "BDF"));
    }
}

static void check_canwbs(Doctor *d)
{
    static const char path[] = "/sys/firmware/acpi/tables/IORT";
    g_autofree char *full = g_strconcat(d->root, path, NULL);
    g_autofree char *iort = NULL;
    unsigned complexes = 0, canwbs = 0;
    gsize size;

    if (g_file_get_contents(full, &iort, &size, NULL) &&
        count_canwbs((uint8_t *)iort, size, &complexes, &canwbs)) {
        say_canwbs(d, complexes, canwbs);
    } else if (doctor_exists(d, path)) {
        doctor_say(d, DOCTOR_UNSEEN, "canwbs",
                   g_strdup_printf("%s cannot be read", path),
                   g_strdup("run this as root"));
    } else {
        doctor_say(d, DOCTOR_NOTE, "canwbs",
                   g_strdup("no ACPI table IORT, so that the firmware cannot "
                            "say CANWBS: the SMMU needs S2FWB"),
                   g_strdup("seen with a device: smmuv3-spec doctor BDF"));
    }
}

void doctor_check_smmu(Doctor *d)
{
    if (check_present(d)) {
        check_canwbs(d);
    }
}
