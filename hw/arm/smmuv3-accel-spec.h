/*
 * arm-smmuv3-accel: parse specifications that a user pastes
 *
 * Pure, like the rules that it uses (smmuv3-accel-idregs.h): no ioctl, no QOM.
 * Only tools/smmuv3-spec uses it; the device has properties instead.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_SPEC_H
#define HW_ARM_SMMUV3_ACCEL_SPEC_H

#include "smmuv3-accel-idregs.h"

/**
 * smmuv3_accel_spec_parse:
 * @text: the output of the property "spec" ("idr0=0x...,idr1=..."); or the
 *        argument of -device, which begins with the name of the device and may
 *        have other options ("id=", "bus=", ...), or the same in JSON; or a
 *        file for -readconfig with one section of this device. The name is
 *        arm-smmuv3-accel, or arm-smmuv3 with accel=on
 *
 * smmuv3_accel_spec_validate() checks the values. An error names the option
 * and its possible values.
 */
bool smmuv3_accel_spec_parse(const char *text, SMMUv3AccelSpec *spec,
                             Error **errp);

/* The registers of a specification, and the user's name for it */
typedef struct SMMUv3AccelNamedRegs {
    const char *name;
    SMMUv3AccelRegs regs;
} SMMUv3AccelNamedRegs;

/**
 * smmuv3_accel_spec_baseline:
 * @regs: what the device would inherit on each of @n hosts, at least one
 * @out: the most that all of these hosts can back
 *
 * Fields that a host does not limit get what all of @regs have. IIDR and IDR4,
 * which are identifiers instead of amounts, are 0 unless they are the same
 * everywhere. The result has a CMDQV if every host has one. An error names the
 * fields and the value of every host.
 */
bool smmuv3_accel_spec_baseline(const SMMUv3AccelNamedRegs *regs, size_t n,
                                SMMUv3AccelRegs *out, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_SPEC_H */
