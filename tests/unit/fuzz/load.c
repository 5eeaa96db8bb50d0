/*
 * Fuzz target: the registers of a CMDQV from a migration stream
 *
 * The stream is one that QEMU has saved, with changes, or made of the input.
 * If it is accepted, the registers are as legal as those that a guest has
 * written, and remain so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "exec/memory.h"
#include "hw/arm/smmuv3-cmdqv-device.h"
#include "hw/irq.h"
#include "hw/sysbus.h"
#include "monitor/monitor.h"
#include "qemu/error-report.h"
#include "io/channel-buffer.h"
#include "migration/vmstate.h"
#include "qemu/main-loop.h"
#include "system/dma.h"
#include "../migration/qemu-file.h"
#include "../migration/savevm.h"
#include "cmdqv-model.h"

#define GUEST_PARAM 0x4011
#define HOST_PARAM  0x4231      /* 8 queues, 4 VINTFs */

/* Stubs: nothing is executed here */

AddressSpace address_space_memory;

void memory_region_init_io(MemoryRegion *mr, Object *owner,
                           const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size)
{
}

void sysbus_init_mmio(SysBusDevice *dev, MemoryRegion *memory)
{
}

void sysbus_init_irq(SysBusDevice *dev, qemu_irq *p)
{
}

void qemu_set_irq(qemu_irq irq, int level)
{
}

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    g_assert_not_reached();
}

SMMUCmdError smmuv3_execute(SMMUv3State *s, Cmd *cmd)
{
    g_assert_not_reached();
}

/* Why a stream is refused */

int error_vprintf(const char *fmt, va_list ap)
{
    return 0;
}

int error_vprintf_unless_qmp(const char *fmt, va_list ap)
{
    return 0;
}

/* The device, and a stream of it */

static SMMUv3CmdqvDevice device;
static SMMUv3State smmu;

static void no_timer(void *opaque)
{
}

static void device_new(bool hyp)
{
    device.regs.param = hyp ? HOST_PARAM : GUEST_PARAM;
    device.regs.hyp = hyp;
    device.regs.max_log2size = CMDQV_MAX_LOG2SIZE;
    smmuv3_cmdqv_reset(&device.regs);
    smmu.cmdqv = &device;
}

static GByteArray *save(void)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(0);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(buffer));
    GByteArray *stream = g_byte_array_new();

    g_assert_cmpint(vmstate_save_state(f, &vmstate_smmuv3_cmdqv, &smmu, NULL),
                    ==, 0);
    qemu_put_byte(f, QEMU_VM_EOF);
    qemu_fflush(f);
    g_byte_array_append(stream, buffer->data, buffer->usage);
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    return stream;
}

static int load(const GByteArray *stream)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(stream->len);
    QEMUFile *f;
    int ret;

    memcpy(buffer->data, stream->data, stream->len);
    buffer->usage = stream->len;
    f = qemu_file_new_input(QIO_CHANNEL(buffer));
    ret = vmstate_load_state(f, &vmstate_smmuv3_cmdqv, &smmu, 1);
    ret = ret ?: qemu_file_get_error(f);
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    return ret;
}

/* Change words at some places, or the length */
static void change(GByteArray *stream, Input *in)
{
    unsigned n = input_u8(in) & 31;

    while (n--) {
        size_t at = input_u16(in);
        uint32_t value = input_u8(in) & 1 ? input_u32(in) : input_u8(in);

        if (at + sizeof(value) <= stream->len) {
            stl_be_p(stream->data + at, value);
        }
    }
    if (input_u8(in) & 1) {
        g_byte_array_set_size(stream, MIN(stream->len, 1 + input_u16(in)));
    }
}

void fuzz_init(void)
{
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    device.more = timer_new_ns(QEMU_CLOCK_VIRTUAL, no_timer, NULL);
}

void fuzz_one(Input *in)
{
    uint8_t choice = input_u8(in);
    g_autoptr(GByteArray) stream = NULL;

    device_new(choice & 1);
    /* A state that register writes have made */
    for (unsigned n = choice >> 4; n && in->left; n--) {
        cmdqv_model_act(&device.regs, in);
    }
    stream = save();
    if (choice & 2) {
        size_t n = MIN(stream->len, in->left);

        memcpy(stream->data, in->at, n);
        in->at += n;
        in->left -= n;
    } else if (choice & 4) {
        change(stream, in);
    }
    device_new(choice & 1);
    if (!load(stream)) {
        cmdqv_model_check(&device.regs);
        while (in->left) {
            cmdqv_model_act(&device.regs, in);
            cmdqv_model_check(&device.regs);
        }
    } else {
        /* What has not been changed is what QEMU itself has written */
        g_assert(choice & 6);
    }
    timer_del(device.more);
}
