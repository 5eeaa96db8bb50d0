/*
 * Migration streams in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_STREAM_H
#define TESTS_UNIT_FUZZ_STREAM_H

#include "migration/vmstate.h"

GByteArray *stream_save(const VMStateDescription *vmsd, void *opaque);

/* Returns 0, or an error; messages are dropped */
int stream_load(const VMStateDescription *vmsd, void *opaque,
                const GByteArray *stream);

#endif
