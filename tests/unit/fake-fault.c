/*
 * An iommufd in memory: faults that wait for an answer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/sockets.h"
#include "fake-iommufd-internal.h"

#define STE1_S1STALLD       (1ULL << 27)

struct FakeStall {
    FakeDevice *dev;
    FakeObject *queue;
    uint32_t cookie;
    struct iommu_hwpt_pgfault record;
    FakeStallState state;
};

int fake_fault_queue_alloc(FakeIOMMUFD *f, struct iommu_fault_alloc *alloc)
{
    FakeObject *q;
    int fds[2];

    if (alloc->flags) {
        return -EOPNOTSUPP;
    }
    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                         SOCK_NONBLOCK, 0, fds));
    q = fake_object_add(f, OBJ_FAULT_QUEUE, NULL, NULL);
    q->peer = fds[0];
    q->fd = fds[1];
    alloc->out_fault_id = q->id;
    alloc->out_fault_fd = fds[1];
    return 0;
}

static FakeStall *find(FakeObject *queue, uint32_t cookie)
{
    FakeIOMMUFD *f = queue->faults_of;

    for (guint i = 0; f && i < f->stalls->len; i++) {
        FakeStall *stall = g_ptr_array_index(f->stalls, i);

        if (stall->queue == queue && stall->state == FAKE_WAITS &&
            stall->cookie == cookie) {
            return stall;
        }
    }
    return NULL;
}

static void send_record(FakeStall *stall)
{
    g_assert_cmpint(send(stall->queue->peer, &stall->record,
                         sizeof(stall->record), 0), ==, sizeof(stall->record));
}

FakeStall *fake_vfio_stall(FakeDevice *dev, int64_t pasid, uint64_t addr,
                           uint32_t perm)
{
    FakeObject *hwpt = dev->group->attached;
    FakeStall *stall;
    uint32_t cookie = 0;

    if (!hwpt || hwpt->kind != OBJ_NESTED || STE0_CONFIG(hwpt->ste[0]) != 5 ||
        hwpt->ste[1] & STE1_S1STALLD || !hwpt->fault_queue) {
        return NULL;
    }
    hwpt->fault_queue->faults_of = dev->f;
    while (find(hwpt->fault_queue, cookie)) {
        cookie++;
    }
    stall = g_new(FakeStall, 1);
    *stall = (FakeStall) {
        .dev = dev,
        .queue = hwpt->fault_queue,
        .cookie = cookie,
        .record = {
            .flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE |
                     (pasid < 0 ? 0 : IOMMU_PGFAULT_FLAGS_PASID_VALID),
            .dev_id = HOST_IOMMU_DEVICE_IOMMUFD(dev)->devid,
            .pasid = pasid < 0 ? 0 : pasid,
            .perm = perm,
            .addr = addr,
            .cookie = cookie,
        },
    };
    g_ptr_array_add(dev->f->stalls, stall);
    send_record(stall);
    return stall;
}

/* Answers of the caller; the kernel refuses one with an unknown cookie */
static void take_answers(FakeObject *queue)
{
    struct iommu_hwpt_page_response response;
    FakeStall *stall;

    while (recv(queue->peer, &response, sizeof(response), MSG_DONTWAIT) ==
           sizeof(response)) {
        stall = find(queue, response.cookie);
        g_assert(stall);
        g_assert(response.code == IOMMUFD_PAGE_RESP_SUCCESS ||
                 response.code == IOMMUFD_PAGE_RESP_INVALID);
        stall->state = response.code == IOMMUFD_PAGE_RESP_SUCCESS ?
                       FAKE_RETRIED : FAKE_TERMINATED;
    }
}

FakeStallState fake_stall_state(FakeStall *stall)
{
    if (stall->state == FAKE_WAITS) {
        take_answers(stall->queue);
    }
    return stall->state;
}

/* Nobody reads what was reported of transactions that do not wait any more */
static void report_again(FakeObject *queue)
{
    struct iommu_hwpt_pgfault record;
    GArray *unread = g_array_new(false, false, sizeof(record));

    while (recv(queue->fd, &record, sizeof(record), MSG_DONTWAIT) > 0) {
        g_array_append_val(unread, record);
    }
    for (guint i = 0; i < unread->len; i++) {
        FakeStall *stall = find(queue, g_array_index(unread,
                                struct iommu_hwpt_pgfault, i).cookie);

        if (stall) {
            send_record(stall);
        }
    }
    g_array_unref(unread);
}

void fake_faults_end(FakeDevice *dev)
{
    FakeIOMMUFD *f = dev->f;

    for (guint i = 0; i < f->stalls->len; i++) {
        FakeStall *stall = g_ptr_array_index(f->stalls, i);

        if (stall->dev == dev && fake_stall_state(stall) == FAKE_WAITS) {
            stall->state = FAKE_TERMINATED;
            report_again(stall->queue);
        }
    }
}
