/*
 * Fuzz targets for the modules of arm-smmuv3-accel
 *
 * A target is a file with fuzz_one(). With --enable-fuzzing, fuzz.c gives it
 * to libFuzzer. Otherwise main.c runs it once on each of its seeds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_FUZZ_H
#define TESTS_UNIT_FUZZ_FUZZ_H

#include "qemu/osdep.h"

/* The bytes that decide what a target does; zeros follow the last one */
typedef struct Input {
    const uint8_t *at;
    size_t left;
} Input;

uint8_t input_u8(Input *in);
uint16_t input_u16(Input *in);
uint32_t input_u32(Input *in);
uint64_t input_u64(Input *in);

/* Less than @n, which is not 0 */
static inline unsigned input_below(Input *in, unsigned n)
{
    return input_u8(in) % n;
}

/* Implemented by each target: once at start, and for each input */
void fuzz_init(void);
void fuzz_one(Input *in);

/* The interface of libFuzzer */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
