/*
 * What is always true of the registers of a CMDQV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_CMDQV_MODEL_H
#define TESTS_UNIT_FUZZ_CMDQV_MODEL_H

#include "hw/arm/smmuv3-cmdqv.h"
#include "fuzz.h"

/* Do what the next bytes say: an access, or the execution of a command */
void cmdqv_model_act(SMMUv3Cmdqv *s, Input *in);

/* Assert it */
void cmdqv_model_check(const SMMUv3Cmdqv *s);

#endif
