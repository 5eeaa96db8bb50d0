/*
 * arm-smmuv3-accel in a unit test: the guest's command queues in hardware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_SMMUV3_ACCEL_RIG_CMDQV_H
#define TESTS_UNIT_SMMUV3_ACCEL_RIG_CMDQV_H

#include "smmuv3-accel-rig.h"

/* As cmdqv=on; before a device is plugged, and the end of it after the last */
void rig_cmdqv_new(Rig *rig);
void rig_cmdqv_free(Rig *rig);

/* The guest accesses a register, if it has not the page where that is */
void rig_cmdqv_write(Rig *rig, hwaddr offset, uint64_t value, unsigned size);
uint64_t rig_cmdqv_read(Rig *rig, hwaddr offset, unsigned size);
/* Whether the guest has the page of its VINTF, so that accesses do not trap */
bool rig_cmdqv_has_page(Rig *rig);

#endif
