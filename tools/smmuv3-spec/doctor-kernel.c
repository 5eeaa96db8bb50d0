/*
 * smmuv3-spec: check whether the kernel of a host is ready
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <zlib.h>
#include "doctor.h"

/* Returns false if the other checks make no sense */
static bool check_arch(Doctor *d)
{
    g_autofree char *arch = doctor_read(d, "/proc/sys/kernel/arch");
    bool arm = !arch || !strcmp(arch, "aarch64");

    if (arm) {
        doctor_say(d, DOCTOR_OK, "machine", g_strdup(arch ?: "not known"),
                   NULL);
    } else {
        doctor_say(d, DOCTOR_BAD, "machine",
                   g_strdup_printf("%s: an SMMUv3 is part of an Arm server",
                                   arch),
                   g_strdup("use an arm64 host; without one, guests start with "
                            "arm-smmuv3,accel=on all the same, and no device "
                            "of the host"));
    }
    return arm;
}

static void check_version(Doctor *d)
{
    unsigned major, minor;

    d->release = doctor_read(d, "/proc/sys/kernel/osrelease");
    if (!d->release || sscanf(d->release, "%5u.%5u", &major, &minor) != 2) {
        doctor_say(d, DOCTOR_UNSEEN, "kernel",
                   g_strdup("no version in /proc/sys/kernel/osrelease"),
                   g_strdup("mount /proc"));
        return;
    }
    d->version = KERNEL(major, minor);
    if (d->version < KERNEL(6, 13)) {
        doctor_say(d, DOCTOR_BAD, "kernel",
                   g_strdup_printf("Linux %s does not nest on SMMUv3",
                                   d->release),
                   g_strdup("boot Linux 6.13 or later"));
    } else if (d->version < KERNEL(6, 15)) {
        doctor_say(d, DOCTOR_NOTE, "kernel",
                   g_strdup_printf("Linux %s does not report faults of devices "
                                   "to the guest", d->release),
                   g_strdup("boot Linux 6.15 or later"));
    } else {
        doctor_say(d, DOCTOR_OK, "kernel",
                   g_strdup_printf("Linux %s", d->release), NULL);
    }
}

/* The configuration */

/* Read a file, compressed or not; NULL if there is none; g_free() */
static char *read_gz(const Doctor *d, const char *path)
{
    g_autofree char *full = g_strconcat(d->root, path, NULL);
    gzFile file = gzopen(full, "rb");
    GString *text;
    char buf[4096];
    int n;

    if (!file) {
        return NULL;
    }
    text = g_string_new("\n");
    while ((n = gzread(file, buf, sizeof(buf))) > 0) {
        g_string_append_len(text, buf, n);
    }
    gzclose(file);
    return g_string_free(text, n < 0);
}

static char *find_config(const Doctor *d, char **where)
{
    static const char *const places[] = { "/boot/config-%s",
                                          "/lib/modules/%s/config",
                                          "/lib/modules/%s/build/.config" };
    char *text = read_gz(d, "/proc/config.gz");

    *where = g_strdup("/proc/config.gz");
    for (size_t i = 0; !text && d->release && i < ARRAY_SIZE(places); i++) {
        g_auto(GStrv) parts = g_strsplit(places[i], "%s", 2);

        g_free(*where);
        *where = g_strjoin(d->release, parts[0], parts[1], NULL);
        text = read_gz(d, *where);
    }
    return text;
}

/* Options that a kernel needs, and what to type in its source to set them */
static const struct {
    const char *name, *enable;
} symbols[] = {
    { "IOMMUFD", " -e IOMMUFD" },
    { "VFIO_PCI", " -e VFIO -e VFIO_PCI" },
    { "VFIO_DEVICE_CDEV", " -e VFIO_DEVICE_CDEV" },
    { "ARM_SMMU_V3", " -e ARM_SMMU_V3" },
    { "ARM_SMMU_V3_IOMMUFD", " -e ARM_SMMU_V3_IOMMUFD" },
};

bool doctor_config_has(const Doctor *d, const char *name)
{
    g_autofree char *yes = g_strdup_printf("\nCONFIG_%s=y\n", name);
    g_autofree char *module = g_strdup_printf("\nCONFIG_%s=m\n", name);

    return strstr(d->config, yes) || strstr(d->config, module);
}

char *doctor_config_cure(const Doctor *d, const char *enable)
{
    return g_strdup_printf("boot a kernel with them; to build one, type in "
                           "its source: cp %s .config; scripts/config%s; "
                           "make olddefconfig; make bindeb-pkg",
                           d->release && strstr(d->config_path, "/boot/") ?
                           d->config_path : "/boot/config-$(uname -r)",
                           enable);
}

static void check_symbols(Doctor *d)
{
    g_autoptr(GString) off = g_string_new(NULL);
    g_autoptr(GString) type = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        if (!doctor_config_has(d, symbols[i].name)) {
            g_string_append_printf(off, "%sCONFIG_%s", off->len ? ", " : "",
                                   symbols[i].name);
            g_string_append(type, symbols[i].enable);
        }
    }
    if (!off->len) {
        doctor_say(d, DOCTOR_OK, "config",
                   g_strdup_printf("%s has what is needed", d->config_path),
                   NULL);
        return;
    }
    doctor_say(d, DOCTOR_BAD, "config",
               g_strdup_printf("not in %s: %s", d->config_path, off->str),
               doctor_config_cure(d, type->str));
}

static void check_config(Doctor *d)
{
    d->config = find_config(d, &d->config_path);
    if (d->config) {
        check_symbols(d);
    } else {
        doctor_say(d, DOCTOR_UNSEEN, "config",
                   g_strdup_printf("neither /proc/config.gz nor "
                                   "/boot/config-%s can be read",
                                   d->release ?: "*"),
                   g_strdup("type modprobe configs, or put the file there; the "
                            "lines below tell most of it anyhow"));
    }
}

static void check_kvm(Doctor *d)
{
    if (doctor_exists(d, "/dev/kvm")) {
        doctor_check_access(d, "kvm", "/dev/kvm");
    } else {
        doctor_say(d, DOCTOR_BAD, "kvm", g_strdup("there is no /dev/kvm"),
                   g_strdup("enable virtualization in the firmware (boot at "
                            "EL2)"));
    }
}

static void check_iommufd(Doctor *d)
{
    if (doctor_exists(d, "/dev/iommu")) {
        doctor_check_access(d, "iommufd", "/dev/iommu");
    } else {
        doctor_say(d, DOCTOR_BAD, "iommufd",
                   g_strdup("there is no /dev/iommu"),
                   g_strdup("type modprobe iommufd; if that fails, this kernel "
                            "has no CONFIG_IOMMUFD"));
    }
}

static void check_vfio(Doctor *d)
{
    if (doctor_exists(d, "/sys/bus/pci/drivers/vfio-pci")) {
        doctor_say(d, DOCTOR_OK, "vfio-pci", g_strdup("is loaded"), NULL);
    } else {
        doctor_say(d, DOCTOR_BAD, "vfio-pci", g_strdup("is not loaded"),
                   g_strdup("type modprobe vfio-pci; for every boot, echo "
                            "vfio-pci > /etc/modules-load.d/vfio-pci.conf"));
    }
}

void doctor_check_kernel(Doctor *d)
{
    bool arm = check_arch(d);

    check_version(d);
    if (arm) {
        check_config(d);
    }
    check_kvm(d);
    check_iommufd(d);
    check_vfio(d);
}
