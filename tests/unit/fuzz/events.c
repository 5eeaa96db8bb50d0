/*
 * Fuzz target: records of events from the host
 *
 * The first byte selects the queue. The rest are packets, each with its length
 * in front.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "../smmuv3-accel-rig-cmdqv.h"
#include "fuzz.h"

#define HEADER      8
#define EVENT       32
#define BUFFER      (64 * (HEADER + EVENT))

/* Records in a packet that are complete, and have an event */
static unsigned count_events(const uint8_t *data, size_t size)
{
    unsigned n = 0;

    size = MIN(size, BUFFER);
    while (size >= HEADER) {
        bool lost = ldl_he_p(data) & IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
        size_t length = HEADER + (lost ? 0 : EVENT);

        if (size < length) {
            break;
        }
        n += !lost;
        data += length;
        size -= length;
    }
    return n;
}

static void send_events(Rig *rig, Input *in)
{
    SMMUv3AccelCounters *c = &rig->s->counters;
    size_t size = MIN(input_u16(in) % (2 * BUFFER), in->left);
    uint64_t before = c->events_delivered + c->events_dropped;

    if (!fake_iommufd_send(rig->iommufd, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, in->at,
                           size)) {
        return;
    }
    main_loop_wait(true);
    g_assert_cmpuint(c->events_delivered + c->events_dropped - before, ==,
                     count_events(in->at, size));
    in->at += size;
    in->left -= size;
}

static void guest_events(Input *in)
{
    Rig *rig = rig_new(LINUX_7_3);

    rig_write_eventq_size(rig, input_u8(in) % 20);
    rig_write_cr0(rig, CR0_SMMUEN | CR0_EVENTQEN);
    g_assert(rig_plug(rig, 1, &error_abort));
    while (in->left) {
        send_events(rig, in);
    }
    rig_free(rig);
}

/* Errors of queues in hardware; too many of them take the queues back */
static void queue_errors(Input *in)
{
    Rig *rig = rig_cmdqv_given();

    while (in->left) {
        size_t size = MIN(input_u8(in), in->left);

        if (!fake_iommufd_send(rig->iommufd,
                               IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, in->at,
                               size)) {
            break;
        }
        main_loop_wait(true);
        rig_cmdqv_is_hardware(rig);
        in->at += size;
        in->left -= size;
    }
    rig_free(rig);
}

void fuzz_one(Input *in)
{
    if (input_u8(in) & 1) {
        queue_errors(in);
    } else {
        guest_events(in);
    }
}
