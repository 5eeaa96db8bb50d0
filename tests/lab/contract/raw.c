/*
 * The raw flows of tests/unit/smmuv3-accel-flows-raw.txt on this machine's kernel
 *
 *   raw FLOWS NAME=CDEV...     3.1=/dev/vfio/devices/vfio2
 *
 * Prints the log of each flow below a line with its name. Each has its own
 * /dev/iommu.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "iommufd-script.h"

static char **cdevs;

static void *open_cdev(void *opaque, const char *name)
{
    size_t len = strlen(name);

    (void)opaque;
    for (char **cdev = cdevs; *cdev; cdev++) {
        if (!strncmp(*cdev, name, len) && (*cdev)[len] == '=') {
            int fd = open(*cdev + len + 1, O_RDWR | O_CLOEXEC);
            int *device = fd < 0 ? NULL : malloc(sizeof(*device));

            if (device) {
                *device = fd;
            }
            return device;
        }
    }
    return NULL;
}

static int call_cdev(void *device, unsigned long request, void *arg)
{
    return ioctl(*(int *)device, request, arg) ? -errno : 0;
}

static void close_cdev(void *device)
{
    close(*(int *)device);
    free(device);
}

static void say(void *opaque, const char *line)
{
    (void)opaque;
    puts(line);
}

int main(int argc, char **argv)
{
    IommufdScriptHost host = {
        .open = open_cdev,
        .device = call_cdev,
        .close = close_cdev,
        .say = say,
    };
    IommufdScript *script = NULL;
    FILE *flows = argc > 1 ? fopen(argv[1], "r") : NULL;
    char line[1024];
    unsigned number = 0;

    if (!flows) {
        fprintf(stderr, "usage: raw FLOWS NAME=CDEV...\n");
        return 2;
    }
    cdevs = argv + 2;
    while (fgets(line, sizeof(line), flows)) {
        const char *wrong;

        number++;
        line[strcspn(line, "#\n")] = '\0';
        if (!strncmp(line, "raw ", 4) || !strncmp(line, "flow ", 5)) {
            if (script) {
                iommufd_script_free(script);
                close(host.iommufd);
                script = NULL;
            }
            if (line[0] == 'r') {
                puts(line);
                host.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
                script = iommufd_script_new(&host);
            }
            continue;
        }
        if (!script || !line[strspn(line, " ")]) {
            continue;
        }
        wrong = iommufd_script_line(script, line + strspn(line, " "));
        if (wrong) {
            fprintf(stderr, "%s:%u: %s\n", argv[1], number, wrong);
            return 1;
        }
    }
    if (script) {
        iommufd_script_free(script);
    }
    return 0;
}
