/*
 * Fuzz target: the registers of a CMDQV, and the filter of its commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cmdqv-model.h"

void fuzz_init(void)
{
}

void fuzz_one(Input *in)
{
    static SMMUv3Cmdqv s;

    s.param = input_u16(in);
    s.hyp = input_u8(in) & 1;
    s.max_log2size = input_u8(in) % (CMDQV_MAX_LOG2SIZE + 1);
    if (smmuv3_cmdqv_param_illegal(s.param)) {
        return;
    }
    smmuv3_cmdqv_reset(&s);
    cmdqv_model_check(&s);
    while (in->left) {
        cmdqv_model_act(&s, in);
        cmdqv_model_check(&s);
    }
}
