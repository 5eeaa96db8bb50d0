/*
 * arm-smmuv3-accel: specifications, what a user pastes
 *
 * Pure, like the rules it stands on (smmuv3-accel-idregs.h): no ioctl, no QOM.
 * tools/smmuv3-spec is made of it; the device has properties instead.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_SPEC_H
#define HW_ARM_SMMUV3_ACCEL_SPEC_H

#include "smmuv3-accel-idregs.h"

/**
 * smmuv3_accel_spec_parse:
 * @text: as the property "spec" prints it ("idr0=0x...,idr1=..."); or what
 *        stands after -device: the name of the device in front, with options
 *        that are no registers ("id=", "bus=", ...), or in JSON; or what
 *        -readconfig takes, with one section of this device. The device is
 *        called arm-smmuv3-accel, or arm-smmuv3 with accel=on
 *
 * That the values can be honoured is for smmuv3_accel_spec_validate() to say.
 * An error names the option and what it can be.
 */
bool smmuv3_accel_spec_parse(const char *text, SMMUv3AccelSpec *spec,
                             Error **errp);

/* The registers of a specification, and how the user calls it */
typedef struct SMMUv3AccelNamedRegs {
    const char *name;
    SMMUv3AccelRegs regs;
} SMMUv3AccelNamedRegs;

/**
 * smmuv3_accel_spec_baseline:
 * @regs: of @n hosts, at least one, each what the device would inherit there
 * @out: the most that each of these hosts can back
 *
 * Fields that a host does not limit get what all of @regs have. IIDR and IDR4,
 * which are one value and not an amount of something, are 0 unless they are
 * the same everywhere. There is a CMDQV if each has one. An error names the
 * fields and every host's value.
 */
bool smmuv3_accel_spec_baseline(const SMMUv3AccelNamedRegs *regs, size_t n,
                                SMMUv3AccelRegs *out, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_SPEC_H */
