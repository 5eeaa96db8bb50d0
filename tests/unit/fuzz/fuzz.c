/*
 * Fuzz targets for the modules of arm-smmuv3-accel: input
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz.h"

uint8_t input_u8(Input *in)
{
    if (!in->left) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

uint16_t input_u16(Input *in)
{
    uint16_t low = input_u8(in);

    return low | input_u8(in) << 8;
}

uint32_t input_u32(Input *in)
{
    uint32_t low = input_u16(in);

    return low | (uint32_t)input_u16(in) << 16;
}

uint64_t input_u64(Input *in)
{
    uint64_t low = input_u32(in);

    return low | (uint64_t)input_u32(in) << 32;
}

/* The modules report what a guest does wrong, for each input */
static void drop_text(const char *text)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_set_print_handler(drop_text);
    fuzz_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = { data, size };

    fuzz_one(&in);
    return 0;
}
