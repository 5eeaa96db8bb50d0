/*
 * What a guest, a user and a host can do to a vSMMU, as bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_ACTIONS_H
#define TESTS_UNIT_FUZZ_ACTIONS_H

#include "../smmuv3-accel-rig.h"
#include "fuzz.h"

/* The host's SMMUs: a plain one, and two with ATS, PASIDs and stalls */
#define ACTIONS_SMMUS 3
extern const FakeSMMU *const actions_smmus[ACTIONS_SMMUS];

/* Have the vSMMU of @rig inherit everything from @smmu */
void actions_set_smmu(Rig *rig, const FakeSMMU *smmu);

/* Actions change @rig as @in says. The invariants hold from now on */
void actions_begin(Rig *rig, Input *in);
/* Let the guest come to rest, check everything, and unplug all functions */
void actions_end(void);

/* One action, and the check of the invariants */
void actions_step(void);

/* Whether register accesses are a vCPU's own; remembered by this module */
void actions_set_alone(bool alone);
bool actions_is_alone(void);

/*
 * One more thing that another thread or a device model does in between. It may
 * neither wait nor drop the BQL. NULL: nothing
 */
void actions_on_elsewhere(void (*func)(void));

/* What the main loop does when the host has events */
void actions_poll(void);
/* Reset the machine, which then runs, on a host without failures */
void actions_restart(void);
bool actions_is_stopped(void);

#endif
