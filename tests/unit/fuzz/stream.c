/*
 * Migration streams in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "io/channel-buffer.h"
#include "monitor/monitor.h"
#include "../migration/qemu-file.h"
#include "../migration/savevm.h"
#include "stream.h"

int error_vprintf(const char *fmt, va_list ap)
{
    return 0;
}

int error_vprintf_unless_qmp(const char *fmt, va_list ap)
{
    return 0;
}

GByteArray *stream_save(const VMStateDescription *vmsd, void *opaque)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(0);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(buffer));
    GByteArray *stream = g_byte_array_new();

    g_assert_cmpint(vmstate_save_state(f, vmsd, opaque, NULL), ==, 0);
    qemu_put_byte(f, QEMU_VM_EOF);
    qemu_fflush(f);
    g_byte_array_append(stream, buffer->data, buffer->usage);
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    return stream;
}

int stream_load(const VMStateDescription *vmsd, void *opaque,
                const GByteArray *stream)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(stream->len);
    QEMUFile *f;
    int ret;

    memcpy(buffer->data, stream->data, stream->len);
    buffer->usage = stream->len;
    f = qemu_file_new_input(QIO_CHANNEL(buffer));
    ret = vmstate_load_state(f, vmsd, opaque, 1);
    ret = ret ?: qemu_file_get_error(f);
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    return ret;
}
