/*
 * Fuzz targets that run on smmuv3-accel-rig.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../smmuv3-accel-rig.h"
#include "fuzz.h"

void fuzz_init(void)
{
    static char *args[] = { (char *)"fuzz", NULL };
    char **argv = args;
    int argc = 1;

    rig_init(&argc, &argv);
}
