/*
 * Accelerated SMMUv3: move events of the physical SMMU to the guest's queue
 *
 * The kernel puts the events of the guest's stage 1 into a vEVENTQ, with the
 * guest's StreamID. The vEVENTQ exists as long as the guest's own queue is
 * enabled with the same size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "trace.h"
#include <linux/iommufd.h>

#include "smmuv3-accel-eventq.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-state.h"

/* Limits the kernel's memory, whatever size the guest's own queue has */
#define VEVENTQ_LOG2_MAX 12

typedef struct Record {
    struct iommufd_vevent_header header;
    struct iommu_vevent_arm_smmuv3 event;
} Record;

QEMU_BUILD_BUG_ON(sizeof(Record) != 40);
QEMU_BUILD_BUG_ON(sizeof(struct iommu_vevent_arm_smmuv3) != sizeof(Evt));

static void deliver(SMMUv3AccelState *s, const Record *record)
{
    SMMUQueue *q = &ARM_SMMUV3(s)->eventq;
    uint32_t before = q->prod & WRAP_INDEX_MASK(q);
    Evt evt;

    for (int i = 0; i < ARRAY_SIZE(record->event.evt); i++) {
        uint64_t dword = le64_to_cpu(record->event.evt[i]);

        evt.word[2 * i] = dword;
        evt.word[2 * i + 1] = dword >> 32;
    }
    trace_smmuv3_accel_event(evt.word[0] & 0xff, evt.word[1],
                             evt.word[4] | (uint64_t)evt.word[5] << 32);
    smmuv3_deliver_event(ARM_SMMUV3(s), &evt);
    if ((q->prod & WRAP_INDEX_MASK(q)) != before) {
        s->counters.events_delivered++;
    } else {
        s->counters.events_dropped++;
    }
}

/* The sequence number includes lost events, and wraps after INT_MAX */
static void check_sequence(SMMUv3AccelState *s,
                           const struct iommufd_vevent_header *header)
{
    bool says_lost = header->flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS;

    if (says_lost || header->sequence != s->eventq.next_sequence) {
        /* A record that reports lost events has the number of the last one */
        s->counters.events_lost += says_lost +
            ((header->sequence - s->eventq.next_sequence) & INT_MAX);
        trace_smmuv3_accel_events_lost(s->host->viommu_id, header->sequence,
                                       s->eventq.next_sequence);
        smmuv3_eventq_overflow(ARM_SMMUV3(s));
    }
    s->eventq.next_sequence = ((uint64_t)header->sequence + 1) & INT_MAX;
}

void smmuv3_accel_eventq_close(SMMUv3AccelState *s)
{
    if (s->host->veventq_id) {
        qemu_set_fd_handler(s->host->veventq_fd, NULL, NULL, NULL);
        smmuv3_accel_host_close_events(s->host);
    }
}

/* The next read would fail as well, and the main loop would spin */
static void read_failed(SMMUv3AccelState *s, int os_errno)
{
    Error *err = NULL;

    smmuv3_accel_eventq_close(s);
    error_setg_errno(&err, os_errno, "arm-smmuv3-accel: cannot read events; "
                     "the guest gets no more of them until it enables its "
                     "event queue again");
    smmuv3_accel_complain(s, err);
}

static void read_events(void *opaque)
{
    SMMUv3AccelState *s = opaque;
    uint8_t buf[64 * sizeof(Record)];
    ssize_t len = RETRY_ON_EINTR(read(s->host->veventq_fd, buf,
                                      sizeof(buf)));
    const uint8_t *p = buf;
    Record record;

    if (len < 0) {
        if (errno != EAGAIN) {
            read_failed(s, errno);
        }
        return;
    }

    /* One that reports lost events has no event. The kernel splits none */
    while (buf + len - p >= sizeof(record.header)) {
        memcpy(&record.header, p, sizeof(record.header));
        p += sizeof(record.header);
        if (!(record.header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS) &&
            buf + len - p < sizeof(record.event)) {
            return;
        }
        check_sequence(s, &record.header);
        if (record.header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS) {
            continue;
        }
        memcpy(&record.event, p, sizeof(record.event));
        p += sizeof(record.event);
        deliver(s, &record);
    }
}

static void eventq_open(SMMUv3AccelState *s, uint8_t log2size)
{
    Error *err = NULL;
    int ret = smmuv3_accel_host_open_events(s->host, log2size, &err);

    if (ret) {
        error_prepend(&err, "arm-smmuv3-accel: faults of host devices are not "
                      "reported to the guest: ");
        if (ret == -ENOTTY) {
            /* The kernel will never support it: report it only once */
            s->eventq.unsupported = true;
            warn_report_err(err);
        } else {
            smmuv3_accel_complain(s, err);
        }
        return;
    }
    s->eventq.next_sequence = 0;
    qemu_set_fd_handler(s->host->veventq_fd, read_events, NULL, s);
}

void smmuv3_accel_eventq_update(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);
    uint8_t log2size = MIN(s3->eventq.log2size, VEVENTQ_LOG2_MAX);
    bool wanted = s->host && smmuv3_eventq_enabled(s3);

    if (s->host && (!wanted || s->host->veventq_log2size != log2size)) {
        smmuv3_accel_eventq_close(s);
    }
    if (wanted && !s->host->veventq_id && !s->eventq.unsupported) {
        eventq_open(s, log2size);
    }
}
