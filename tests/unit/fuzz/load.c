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
#include "qemu/main-loop.h"
#include "system/dma.h"
#include "cmdqv-model.h"
#include "stream.h"

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

/* A word of the configuration, of a VINTF or of a queue, or any byte */
static size_t pick_place(Input *in)
{
    const size_t vintfs = 16, vintf = 4 + 2 * 4 * CMDQV_MAX_SIDS;
    const size_t queues = vintfs + CMDQV_MAX_VINTFS * vintf, queue = 7 * 4 + 16;
    uint8_t choice = input_u8(in);

    switch (choice & 3) {
    case 0:
        return choice >> 2 & ~3;
    case 1:
        return vintfs + vintf * (choice >> 2 & 7) + (input_u8(in) & 0x7c);
    case 2:
        return queues + queue * (choice >> 2 & 15) +
               4 * (input_u8(in) % (queue / 4));
    default:
        return input_u16(in);
    }
}

/* Change words at some places, or the length */
static void change(GByteArray *stream, Input *in)
{
    unsigned n = input_u8(in) & 31;

    while (n--) {
        size_t at = pick_place(in);
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
    stream = stream_save(&vmstate_smmuv3_cmdqv, &smmu);
    if (choice & 2) {
        size_t n = MIN(stream->len, in->left);

        memcpy(stream->data, in->at, n);
        in->at += n;
        in->left -= n;
    } else if (choice & 4) {
        change(stream, in);
    }
    device_new(choice & 1);
    if (!stream_load(&vmstate_smmuv3_cmdqv, &smmu, stream)) {
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
