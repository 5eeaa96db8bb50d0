/*
 * smmuv3-spec: check whether a device of a host can be assigned to a guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "doctor.h"
#include "hw/arm/smmuv3-cmdqv.h"

#define DEVICES "/sys/bus/pci/devices/"

/* For messages that do not say what to type */
static const char *const cures[] = {
    [SPEC_NO] = "use another host, or newer firmware or a newer kernel, as the "
                "message says",
    [SPEC_USAGE] = "type lspci -D, which prints the addresses",
    [SPEC_SETUP] = "as the message says",
};

/* In a message, the cure follows ": type " */
static void say_error(Doctor *d, const char *topic, SpecStatus status,
                      Error *err)
{
    const char *text = error_get_pretty(err);
    const char *type = strstr(text, ": type ");

    doctor_say(d, DOCTOR_BAD, topic,
               type ? g_strndup(text, type - text) : g_strdup(text),
               g_strdup(type ? type + 2 : cures[status]));
    error_free(err);
}

/* IOMMU group */

static char *driver_of(const Doctor *d, const char *bdf)
{
    g_autofree char *path = g_strdup_printf("%s" DEVICES "%s/driver", d->root,
                                            bdf);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target ? g_path_get_basename(target) : NULL;
}

/* A driver that lets VFIO use the group: VFIO's own, or that of a bridge */
static bool is_harmless(const char *driver)
{
    return !driver || g_str_has_prefix(driver, "vfio-") ||
           !strcmp(driver, "pcieport") || !strcmp(driver, "pci-stub");
}

static void say_member(Doctor *d, const char *member, const char *driver)
{
    doctor_say(d, DOCTOR_BAD, "group",
               g_strdup_printf("%s, of the same IOMMU group as %s, has the "
                               "driver %s", member, d->bdf, driver),
               g_strdup_printf("type echo vfio-pci > " DEVICES "%s/"
                               "driver_override; echo %s > " DEVICES "%s/"
                               "driver/unbind; echo %s > /sys/bus/pci/"
                               "drivers_probe", member, member, member,
                               member));
}

static void check_group(Doctor *d, const char *bdf)
{
    g_autofree char *path = g_strdup_printf("%s" DEVICES "%s/iommu_group/"
                                            "devices", d->root, bdf);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GString) all = g_string_new(NULL);
    const char *member;
    bool good = true;

    while (dir && (member = g_dir_read_name(dir))) {
        g_autofree char *driver = driver_of(d, member);

        g_string_append_printf(all, " %s", member);
        if (strcmp(member, bdf) && !is_harmless(driver)) {
            say_member(d, member, driver);
            good = false;
        }
    }
    if (!dir) {
        doctor_say(d, DOCTOR_BAD, "group",
                   g_strdup_printf("%s is in no IOMMU group", bdf),
                   g_strdup("boot without iommu=off and "
                            "arm-smmu-v3.disable_bypass=0"));
    } else if (good) {
        doctor_say(d, DOCTOR_OK, "group", g_strdup(all->str + 1), NULL);
    }
}

/* The SMMU of the device, as the kernel reports it */

static void say_nests(Doctor *d, const SpecHost *host)
{
    bool fwb = extract32(host->info.idr[3], 8, 1);
    unsigned product = extract32(host->info.iidr, 20, 12);

    doctor_say(d, DOCTOR_OK, "nesting",
               g_strdup_printf("%s nests: %s; stage 2 maps %u bits",
                               host->smmu, fwb ? "it has S2FWB" :
                               "the firmware says CANWBS",
                               host->info.oas_bits), NULL);
    doctor_say(d, DOCTOR_OK, "errata",
               g_strdup_printf("none that stops nesting: IIDR 0x%08x%s",
                               host->info.iidr,
                               extract32(host->info.iidr, 0, 12) != 0x43b ? ""
                               : product == 0x483 ? " (MMU-600)"
                               : product == 0x487 ? " (MMU-700)" : ""), NULL);
}

/* Report the part for guests, or its absence if the host has a CMDQV */
static void say_cmdqv(Doctor *d, const SpecHost *host)
{
    uint32_t param = host->info.cmdqv_param;

    if (param) {
        doctor_say(d, DOCTOR_OK, "queues",
                   g_strdup_printf("%s has %u command queues for each guest: "
                                   "cmdqv=on,cmdqv-param=0x%x", host->smmu,
                                   1U << FIELD_EX32(param, CMDQV_PARAM,
                                                    LOG2_VCMDQS), param),
                   NULL);
    } else if (d->cmdqv) {
        doctor_say(d, DOCTOR_NOTE, "queues",
                   g_strdup_printf("%s has no command queues for guests",
                                   host->smmu),
                   g_strdup("type dmesg | grep -i cmdqv on this host for the "
                            "reason; QEMU executes the queues of cmdqv=on"));
    }
}

static void ask(Doctor *d, SpecHost *host)
{
    Error *err = NULL;
    SpecStatus status;

    if (*d->root) {
        doctor_say(d, DOCTOR_UNSEEN, "nesting",
                   g_strdup("CANWBS or S2FWB, and errata: the kernel of a copy "
                            "cannot be asked"),
                   g_strdup("run this on that host, without --root"));
        return;
    }
    status = spec_host_ask(host, &err);
    if (status) {
        say_error(d, "nesting", status, err);
    } else {
        say_nests(d, host);
        say_cmdqv(d, host);
    }
}

/* Without a device */

static char *first_bound(const Doctor *d)
{
    g_autofree char *path = g_strconcat(d->root,
                                        "/sys/bus/pci/drivers/vfio-pci", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (strlen(name) == strlen("0000:00:00.0") && name[4] == ':') {
            return g_strdup(name);
        }
    }
    return NULL;
}

static void suggest_device(Doctor *d)
{
    g_autofree char *bound = first_bound(d);

    doctor_say(d, DOCTOR_UNSEEN, "device",
               g_strdup("binding, IOMMU group, S2FWB, errata: they are of one "
                        "device, and none was named"),
               g_strdup_printf("type smmuv3-spec doctor %s", bound ?:
                               "BDF, with an address that lspci -D prints"));
}

void doctor_check_device(Doctor *d)
{
    g_autofree char *cdev = NULL;
    SpecHost host = { 0 };
    Error *err = NULL;
    SpecStatus status;

    if (!d->bdf) {
        suggest_device(d);
        return;
    }
    status = spec_host_find(&host, d->root, d->bdf, &err);
    if (status) {
        say_error(d, "device", status, err);
    } else {
        doctor_say(d, DOCTOR_OK, "device",
                   g_strdup_printf("%s is bound to vfio-pci, behind %s",
                                   host.bdf, host.smmu), NULL);
        cdev = g_strconcat("/dev/vfio/devices/", host.cdev, NULL);
        doctor_check_access(d, "device", cdev);
    }
    if (host.smmu) {
        check_group(d, host.bdf);
    }
    if (!status) {
        ask(d, &host);
    }
    spec_host_clear(&host);
}
