/*
 * Fuzz target: a vSMMU with host devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "actions.h"

void fuzz_one(Input *in)
{
    uint8_t choice = input_u8(in);
    Rig *rig = rig_new((choice & 7) % LINUX_END);

    actions_set_smmu(rig, actions_smmus[(choice >> 3) % ACTIONS_SMMUS]);
    actions_begin(rig, in);
    while (in->left) {
        actions_step();
    }
    actions_end();
    rig_free(rig);
}
