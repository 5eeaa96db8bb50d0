/*
 * Fuzz targets for the modules of arm-smmuv3-accel: a run without a fuzzer
 *
 * Runs a target on the inputs in a file of seeds, as a test. Each line has a
 * name, and the input in hexadecimal, or as text after '='. In text, "\n" is a
 * newline. Lines that begin with '#' are comments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/ctype.h"
#include "fuzz.h"

static GByteArray *from_hex(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (; *hex; hex += 2) {
        uint8_t byte;

        g_assert(qemu_isxdigit(hex[0]) && qemu_isxdigit(hex[1]));
        byte = g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]);
        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

static GByteArray *from_text(const char *text)
{
    g_autofree char *raw = g_strcompress(text);
    GByteArray *bytes = g_byte_array_new();

    return g_byte_array_append(bytes, (uint8_t *)raw, strlen(raw));
}

static void run(const char *line, unsigned n)
{
    g_auto(GStrv) parts = g_strsplit(line, " ", 2);
    g_autoptr(GByteArray) bytes = NULL;
    g_autofree uint8_t *exact = NULL;

    g_assert(parts[0] && parts[1]);
    bytes = parts[1][0] == '=' ? from_text(parts[1] + 1) : from_hex(parts[1]);
    /* No room at its end, for the sanitizers */
    exact = g_memdup2(bytes->data, bytes->len);
    LLVMFuzzerTestOneInput(exact, bytes->len);
    printf("ok %u %s\n", n, parts[0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned n = 0;

    g_assert_cmpint(argc, ==, 2);
    if (!g_file_get_contents(argv[1], &text, NULL, &err)) {
        g_error("%s", err->message);
    }
    LLVMFuzzerInitialize(&argc, &argv);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line && **line != '#') {
            run(*line, ++n);
        }
    }
    printf("1..%u\n", n);
    return 0;
}
