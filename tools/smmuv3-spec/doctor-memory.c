/*
 * smmuv3-spec: check whether a host allows QEMU to pin a guest's memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "doctor.h"

#define CAP_IPC_LOCK 14

/* The text after @key in a file of /proc, or NULL; g_free() */
static char *field(const Doctor *d, const char *path, const char *key)
{
    g_autofree char *text = doctor_read(d, path);
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);

    for (int i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], key)) {
            return g_strstrip(g_strdup(lines[i] + strlen(key)));
        }
    }
    return NULL;
}

/* The kernel does not limit processes with this capability */
static bool may_lock_all(const Doctor *d)
{
    g_autofree char *caps = field(d, "/proc/self/status", "CapEff:");

    return caps && (g_ascii_strtoull(caps, NULL, 16) >> CAP_IPC_LOCK & 1);
}

#define LIBVIRT_SETS "libvirt sets the limit itself for each <hostdev>, or " \
                     "by <memtune><hard_limit>"

static void check_memlock(Doctor *d)
{
    g_autofree char *limit = field(d, "/proc/self/limits",
                                   "Max locked memory");
    uint64_t bytes = limit ? g_ascii_strtoull(limit, NULL, 10) : 0;

    if (may_lock_all(d)) {
        doctor_say(d, DOCTOR_OK, "memlock",
                   g_strdup("no limit for this user (CAP_IPC_LOCK)"), NULL);
    } else if (!limit) {
        doctor_say(d, DOCTOR_UNSEEN, "memlock",
                   g_strdup("no /proc/self/limits"),
                   g_strdup("type ulimit -l; it has to be above the guest's "
                            "memory"));
    } else if (g_str_has_prefix(limit, "unlimited")) {
        doctor_say(d, DOCTOR_OK, "memlock", g_strdup("no limit"), NULL);
    } else if (bytes < GiB) {
        doctor_say(d, DOCTOR_BAD, "memlock",
                   g_strdup_printf("%" PRIu64 " KiB may be locked, and a "
                                   "guest's memory is as a whole",
                                   bytes / KiB),
                   g_strdup("type ulimit -l unlimited as root before QEMU "
                            "starts, or LimitMEMLOCK=infinity in its service; "
                            LIBVIRT_SETS));
    } else {
        doctor_say(d, DOCTOR_NOTE, "memlock",
                   g_strdup_printf("%" PRIu64 " MiB may be locked: all guests "
                                   "of this user together fit into that",
                                   bytes / MiB),
                   g_strdup("type ulimit -l unlimited for more; "
                            LIBVIRT_SETS));
    }
}

/* Hardware needs a queue to be contiguous in host memory */
#define QUEUES "; a guest's command queues can be as large as one of them"
#define QUEUES_256 "; a guest's command queues can have 256 entries, which " \
                   "are enough; reserved ones allow for more"

static void check_hugepages(Doctor *d)
{
    g_autofree char *pages = field(d, "/proc/meminfo", "HugePages_Free:");
    g_autofree char *size = field(d, "/proc/meminfo", "Hugepagesize:");
    g_autofree char *thp =
        doctor_read(d, "/sys/kernel/mm/transparent_hugepage/enabled");
    uint64_t n = pages ? g_ascii_strtoull(pages, NULL, 10) : 0;

    if (n) {
        doctor_say(d, DOCTOR_OK, "hugepages",
                   g_strdup_printf("%" PRIu64 " free ones of %s%s", n,
                                   size ?: "?", d->cmdqv ? QUEUES : ""),
                   NULL);
    } else if (thp && !strstr(thp, "[never]")) {
        doctor_say(d, DOCTOR_OK, "hugepages",
                   g_strdup_printf("transparent: %s%s", thp,
                                   d->cmdqv ? QUEUES_256 : ""), NULL);
    } else {
        doctor_say(d, DOCTOR_NOTE, "hugepages",
                   g_strdup("neither reserved nor transparent: plugging takes "
                            "longer, and each DMA more steps in stage 2"),
                   g_strdup("type echo madvise > /sys/kernel/mm/"
                            "transparent_hugepage/enabled"));
    }
}

static void check_p2p(Doctor *d)
{
    static const char cannot[] =
        "the devices of a guest cannot access each other's BARs";

    if (d->version && d->version < KERNEL(6, 19)) {
        doctor_say(d, DOCTOR_NOTE, "p2p",
                   g_strdup_printf("%s: the kernel is older than 6.19", cannot),
                   g_strdup("if they have to, boot Linux 6.19 or later"));
    } else if (!d->config) {
        doctor_say(d, DOCTOR_UNSEEN, "p2p",
                   g_strdup("whether the devices of a guest can access each "
                            "other's BARs depends on the configuration of the "
                            "kernel"),
                   g_strdup("type modprobe configs"));
    } else if (!doctor_config_has(d, "VFIO_PCI_DMABUF")) {
        doctor_say(d, DOCTOR_NOTE, "p2p",
                   g_strdup_printf("%s: the kernel has no "
                                   "CONFIG_VFIO_PCI_DMABUF", cannot),
                   doctor_config_cure(d, " -e PCI_P2PDMA -e DMABUF_HEAPS"));
    } else {
        doctor_say(d, DOCTOR_OK, "p2p",
                   g_strdup("the devices of a guest can access each other's "
                            "BARs if the host bridge forwards it"), NULL);
    }
}

void doctor_check_memory(Doctor *d)
{
    check_memlock(d);
    check_hugepages(d);
    check_p2p(d);
}
