/*
 * An iommufd in memory: queues of a Tegra241 CMDQV, and the hardware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "qemu/lockable.h"
#include "fake-iommufd-internal.h"

#define PA_BITS         48

/* Registers of a queue in the page */
#define QUEUE_WORDS     (0x80 / 4)
enum { CONS, PROD, CONFIG, STATUS, GERROR, GERRORN };

/* Queues */

FakeObject *fake_hw_queue(FakeIOMMUFD *f, FakeObject *viommu, uint32_t index)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_HW_QUEUE);

        if (obj && obj->pins == viommu && obj->index == index) {
            return obj;
        }
    }
    return NULL;
}

static uint32_t *regs_of(FakeObject *viommu, uint32_t index)
{
    return (uint32_t *)viommu->page + index * QUEUE_WORDS;
}

/* The registers are 0 before a queue exists, and after it */
static void hw_add(FakeIOMMUFD *f, uint32_t *regs, uint64_t length)
{
    FakeQueue q = { .regs = regs, .mask = length / 16 * 2 - 1 };

    QEMU_LOCK_GUARD(&f->hw_lock);
    memset(regs, 0, 4 * QUEUE_WORDS);
    g_array_append_val(f->hw_queues, q);
}

static void hw_remove(FakeIOMMUFD *f, uint32_t *regs)
{
    QEMU_LOCK_GUARD(&f->hw_lock);
    for (guint i = 0; i < f->hw_queues->len; i++) {
        if (g_array_index(f->hw_queues, FakeQueue, i).regs == regs) {
            g_array_remove_index(f->hw_queues, i);
            break;
        }
    }
    memset(regs, 0, 4 * QUEUE_WORDS);
}

/* The checks of the driver, which come after those of the queue's memory */
static int check_queue(FakeIOMMUFD *f, FakeObject *viommu,
                       const struct iommu_hw_queue_alloc *alloc, uint64_t host)
{
    unsigned cmdqs = extract32(viommu->smmu->info.idr[1], 21, 5);

    if (alloc->index >= 1U << viommu->smmu->cmdqv.log2vcmdqs) {
        return -EINVAL;
    }
    if (fake_hw_queue(f, viommu, alloc->index)) {
        return -EEXIST;
    }
    if (alloc->index && !fake_hw_queue(f, viommu, alloc->index - 1)) {
        return -EIO;
    }
    if (!is_power_of_2(alloc->length) || alloc->length < 32 ||
        alloc->length > 16ULL << cmdqs || host % alloc->length ||
        host >> PA_BITS) {
        return -EINVAL;
    }
    return 0;
}

int fake_hw_queue_alloc(FakeIOMMUFD *f, struct iommu_hw_queue_alloc *alloc)
{
    FakeObject *viommu, *ioas, *queue;
    uint64_t host;
    int ret;

    if (f->kernel < LINUX_6_17) {
        return -ENOTTY;
    }
    if (alloc->flags || alloc->type == IOMMU_HW_QUEUE_TYPE_DEFAULT) {
        return -EOPNOTSUPP;
    }
    if (!alloc->length) {
        return -EINVAL;
    }
    if (alloc->nesting_parent_iova + alloc->length - 1 <
        alloc->nesting_parent_iova) {
        return -EOVERFLOW;
    }
    viommu = fake_object_get(f, alloc->viommu_id, OBJ_VIOMMU);
    if (!viommu) {
        return -ENOENT;
    }
    if (!fake_viommu_has_queues(viommu) ||
        alloc->type != IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV) {
        return -EOPNOTSUPP;
    }
    ioas = viommu->pins->pins;
    ret = fake_ioas_lock(ioas, alloc->nesting_parent_iova, alloc->length,
                         &host);
    if (ret) {
        return ret;
    }
    ret = check_queue(f, viommu, alloc, host);
    if (ret) {
        fake_ioas_unlock(ioas, alloc->nesting_parent_iova, alloc->length);
        return ret;
    }
    queue = fake_object_add(f, OBJ_HW_QUEUE, viommu, viommu->smmu);
    queue->index = alloc->index;
    queue->iova = alloc->nesting_parent_iova;
    queue->length = alloc->length;
    if (queue->index) {
        fake_hw_queue(f, viommu, queue->index - 1)->users++;
    }
    hw_add(f, regs_of(viommu, queue->index), queue->length);
    alloc->out_hw_queue_id = queue->id;
    return 0;
}

void fake_hw_queue_remove(FakeIOMMUFD *f, FakeObject *queue)
{
    FakeObject *viommu = queue->pins;

    hw_remove(f, regs_of(viommu, queue->index));
    fake_ioas_unlock(viommu->pins->pins, queue->iova, queue->length);
    if (queue->index) {
        fake_hw_queue(f, viommu, queue->index - 1)->users--;
    }
}

/* The hardware */

static FakeObject *only_interface(FakeIOMMUFD *f)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VIOMMU);

        if (obj && fake_viommu_has_queues(obj)) {
            return obj;
        }
    }
    return NULL;
}

uint32_t *fake_cmdqv_regs(FakeIOMMUFD *f, unsigned lvcmdq)
{
    FakeObject *viommu = only_interface(f);

    return viommu && fake_hw_queue(f, viommu, lvcmdq) ? regs_of(viommu, lvcmdq)
                                                      : NULL;
}

unsigned fake_cmdqv_queues(FakeIOMMUFD *f)
{
    unsigned n = 0;

    while (fake_cmdqv_regs(f, n)) {
        n++;
    }
    return n;
}

uint64_t fake_cmdqv_base(FakeIOMMUFD *f, unsigned lvcmdq, uint64_t *length)
{
    FakeObject *queue = fake_hw_queue(f, only_interface(f), lvcmdq);

    *length = queue->length;
    return queue->iova;
}

static uint32_t reg_read(const uint32_t *reg)
{
    return le32_to_cpu(qatomic_read(reg));
}

static void reg_write(uint32_t *reg, uint32_t value)
{
    qatomic_set(reg, cpu_to_le32(value));
}

static unsigned run_queue(const FakeQueue *q)
{
    bool enabled = reg_read(&q->regs[CONFIG]) & 1;
    uint32_t cons, prod;

    reg_write(&q->regs[STATUS], enabled);
    if (!enabled ||
        (reg_read(&q->regs[GERROR]) ^ reg_read(&q->regs[GERRORN]))) {
        return 0;
    }
    cons = reg_read(&q->regs[CONS]);
    prod = reg_read(&q->regs[PROD]);
    reg_write(&q->regs[CONS], prod & q->mask);
    return (prod - cons) & q->mask;
}

unsigned fake_cmdqv_run(FakeIOMMUFD *f)
{
    unsigned n = 0;

    WITH_QEMU_LOCK_GUARD(&f->hw_lock) {
        for (guint i = 0; i < f->hw_queues->len; i++) {
            n += run_queue(&g_array_index(f->hw_queues, FakeQueue, i));
        }
        f->hw_commands += n;
    }
    return n;
}

static void *hw_thread(void *opaque)
{
    FakeIOMMUFD *f = opaque;

    while (qatomic_read(&f->hw_works)) {
        fake_cmdqv_run(f);
        g_usleep(10);
    }
    return NULL;
}

void fake_cmdqv_work(FakeIOMMUFD *f, bool works)
{
    if (f->hw_works == works) {
        return;
    }
    qatomic_set(&f->hw_works, works);
    if (works) {
        qemu_thread_create(&f->hw_thread, "hardware", hw_thread, f,
                           QEMU_THREAD_JOINABLE);
    } else {
        qemu_thread_join(&f->hw_thread);
    }
}

uint64_t fake_cmdqv_commands(FakeIOMMUFD *f)
{
    QEMU_LOCK_GUARD(&f->hw_lock);
    return f->hw_commands;
}

void fake_cmdqv_stop_queue(FakeIOMMUFD *f, unsigned lvcmdq, unsigned err)
{
    uint32_t *regs = fake_cmdqv_regs(f, lvcmdq);

    WITH_QEMU_LOCK_GUARD(&f->hw_lock) {
        reg_write(&regs[CONS], deposit32(reg_read(&regs[CONS]), 24, 7, err));
        reg_write(&regs[GERROR], reg_read(&regs[GERROR]) ^ 1);
    }
    fake_cmdqv_event(f, BIT_ULL(lvcmdq), 0);
}

bool fake_cmdqv_event(FakeIOMMUFD *f, uint64_t map0, uint64_t map1)
{
    struct iommu_vevent_tegra241_cmdqv event = {
        .lvcmdq_err_map = { cpu_to_le64(map0), cpu_to_le64(map1) },
    };
    FakeObject *viommu = only_interface(f);

    return viommu && fake_veventq_add(f, viommu,
                                      IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV,
                                      &event, sizeof(event));
}

void fake_cmdqv_deliver(FakeIOMMUFD *f)
{
    fake_veventq_deliver(f, IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV);
}
