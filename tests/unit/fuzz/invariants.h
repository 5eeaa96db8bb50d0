/*
 * What is always true of a vSMMU and its host
 *
 * Watches the calls that a rig makes to the fake iommufd, and compares what the
 * fake has done with what the guest has asked for. The decisions come from
 * oracle.c, not from the modules under test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_INVARIANTS_H
#define TESTS_UNIT_FUZZ_INVARIANTS_H

#include "../smmuv3-accel-rig.h"

/*
 * From now on each call to the host is checked:
 * - a device is attached to stage 1 only if all bound devices of its group have
 *   vDEVICEs of the same vIOMMU;
 * - an STE has only bits that the vSMMU's ID registers have, and is legal;
 * - a command has only such bits, no VMID, and only a StreamID of ours.
 */
void invariants_begin(Rig *rig);
void invariants_end(void);

/* The host may fail or be changed in between: less can be said from now on */
void invariants_disturbed(void);
bool invariants_are_disturbed(void);

/* After each action: QEMU's records of attachments are what the host has */
void invariants_check(void);

/*
 * After the guest has had all its configuration read: all DMA is what the guest
 * asks for. If the host was disturbed, it may be blocked instead, or the device
 * is known to be exposed.
 */
void invariants_settled(void);

#endif
