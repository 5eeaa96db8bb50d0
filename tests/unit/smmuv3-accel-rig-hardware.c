/*
 * arm-smmuv3-accel in a unit test: accesses of QEMU to queues in hardware
 *
 * The module that accesses their registers, with accesses that a test can watch
 * and change. The registers are memory in the fake host, but a device in a real
 * one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "smmuv3-accel-rig-cmdqv.h"

static void (*on_access)(bool write, unsigned l, uint32_t reg,
                         uint32_t *value);

void rig_on_queue_access(void (*func)(bool write, unsigned l, uint32_t reg,
                                      uint32_t *value))
{
    on_access = func;
}

static uint32_t queue_read(SMMUv3AccelHost *host, unsigned l, uint32_t reg)
{
    if (on_access) {
        on_access(false, l, reg, NULL);
    }
    return smmuv3_accel_host_queue_read(host, l, reg);
}

static void queue_write(SMMUv3AccelHost *host, unsigned l, uint32_t reg,
                        uint32_t value)
{
    if (on_access) {
        on_access(true, l, reg, &value);
    }
    smmuv3_accel_host_queue_write(host, l, reg, value);
}

#define smmuv3_accel_host_queue_read queue_read
#define smmuv3_accel_host_queue_write queue_write
#include "hw/arm/smmuv3-accel-cmdqv-slot.c"
