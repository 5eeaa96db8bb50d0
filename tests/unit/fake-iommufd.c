/*
 * An iommufd in memory, for unit tests of vIOMMU models
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/sockets.h"
#include "system/iommufd-viommu.h"
#include "fake-iommufd-internal.h"

/* struct iommu_hwpt_arm_smmuv3: what may be set */
#define STE0_ALLOWED        0xf80fffffffffffffULL
#define STE1_ALLOWED        0x00000000380000ffULL
#define STE_EATS(word1)     (((word1) >> 28) & 3)

/* CMDQ_BATCH_ENTRIES - 1: commands issued at a time */
#define CMD_BLOCK           63
#define FAKE_VMID           0x5a5aULL
/* Room for so many records in one packet */
#define PACKET_MAX          (64 * 40)

/* The errnos of kernel.md 1 and 2 that a correct caller can meet */
static const struct {
    const char *name;
    int errnos[FAKE_VARIANTS];
} calls[] = {
    [GET_HW_INFO]   = { "get-hw-info",   { ENOENT, EOPNOTSUPP } },
    [VIOMMU_ALLOC]  = { "viommu-alloc",  { EOPNOTSUPP, ENOTTY, EINVAL,
                                           ENOMEM } },
    [VDEVICE_ALLOC] = { "vdevice-alloc", { EEXIST, ENOENT, EINVAL, ENOMEM } },
    [VEVENTQ_ALLOC] = { "veventq-alloc", { ENOTTY, EMFILE, EEXIST, ENOMEM } },
    [NESTED_ALLOC]  = { "nested-alloc",  { EIO, ENOMEM, EINVAL } },
    [INVALIDATE]    = { "invalidate",    { EIO, ETIMEDOUT, ENOMEM } },
    [DESTROY]       = { "destroy",       { EBUSY } },
    [ATTACH]        = { "attach",        { ENOENT, EINVAL, EBUSY, ENOMEM } },
    [DETACH]        = { "detach",        { EINVAL } },
};

static const char *const kinds[] = {
    "IOAS", "stage 2 HWPT", "nested HWPT", "vIOMMU", "vDEVICE", "vEVENTQ",
    "device", "tombstone",
};

static FakeIOMMUFD *fake(IOMMUFDBackend *be)
{
    return container_of(be, FakeIOMMUFD, be);
}

/* Calls: count, log, fail */

int fake_inject(FakeIOMMUFD *f, FakeCall call)
{
    int err = calls[call].errnos[f->fail_variant];

    f->n_calls++;
    if (!err || f->n_calls < f->fail_first || f->n_calls > f->fail_last) {
        return 0;
    }
    f->has_failed = true;
    f->has_kept |= call == DESTROY;
    return -err;
}

int fake_finish(FakeIOMMUFD *f, FakeCall call, int ret, Error **errp)
{
    f->total++;
    g_string_append_printf(f->log, "%s%s%s", f->log->len ? " " : "",
                           calls[call].name, ret ? "!" : "");
    if (ret) {
        error_setg_errno(errp, -ret, "%s failed", calls[call].name);
    }
    return ret;
}

char *fake_iommufd_calls(FakeIOMMUFD *f)
{
    char *text = g_strdup(f->log->str);

    g_string_truncate(f->log, 0);
    return text;
}

void fake_iommufd_fail_nth(FakeIOMMUFD *f, unsigned nth, unsigned variant)
{
    g_assert_cmpuint(variant, <, FAKE_VARIANTS);
    f->n_calls = 0;
    f->fail_first = nth;
    f->fail_last = nth;
    f->fail_variant = variant;
    f->has_failed = false;
}

void fake_iommufd_fail_from(FakeIOMMUFD *f, unsigned nth, unsigned variant)
{
    fake_iommufd_fail_nth(f, nth, variant);
    f->fail_last = UINT_MAX;
}

unsigned fake_iommufd_n_calls(FakeIOMMUFD *f)
{
    return f->n_calls;
}

bool fake_iommufd_has_failed(FakeIOMMUFD *f)
{
    return f->has_failed;
}

unsigned fake_iommufd_total(FakeIOMMUFD *f)
{
    return f->total;
}

/* Objects */

FakeObject *fake_object_add(FakeIOMMUFD *f, FakeKind kind, FakeObject *pins,
                              const FakeSMMU *smmu)
{
    FakeObject *obj = g_new0(FakeObject, 1);
    uint32_t id = 1;

    while (id < f->objects->len && g_ptr_array_index(f->objects, id)) {
        id++;
    }
    if (id >= f->objects->len) {
        g_ptr_array_set_size(f->objects, id + 1);
    }
    g_ptr_array_index(f->objects, id) = obj;
    *obj = (FakeObject) { .kind = kind, .id = id, .pins = pins, .smmu = smmu };
    if (pins) {
        pins->users++;
    }
    return obj;
}

FakeObject *fake_object_any(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = id < f->objects->len ? g_ptr_array_index(f->objects, id)
                                           : NULL;

    return obj && obj->kind != OBJ_TOMBSTONE ? obj : NULL;
}

FakeObject *fake_object_get(FakeIOMMUFD *f, uint32_t id, FakeKind kind)
{
    FakeObject *obj = fake_object_any(f, id);

    return obj && obj->kind == kind ? obj : NULL;
}

void fake_object_remove(FakeIOMMUFD *f, FakeObject *obj)
{
    g_assert_cmpuint(obj->users, ==, 0);
    g_ptr_array_index(f->objects, obj->id) = NULL;
    if (obj->pins) {
        obj->pins->users--;
    }
    if (obj->kind == OBJ_VDEVICE && obj->dev) {
        obj->dev->vdevice = NULL;
    }
    if (obj->kind == OBJ_VEVENTQ) {
        close(obj->peer);
        g_byte_array_unref(obj->events);
    }
    g_free(obj);
}

/* Whether the other end of the queue is open */
static bool veventq_is_open(FakeObject *q)
{
    char c;

    return recv(q->peer, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

int fake_object_destroy(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = fake_object_any(f, id);

    if (!obj) {
        return -ENOENT;
    }
    if (obj->users || obj->kind == OBJ_DEVICE ||
        (obj->kind == OBJ_VEVENTQ && veventq_is_open(obj))) {
        return -EBUSY;
    }
    fake_object_remove(f, obj);
    return 0;
}

int iommufd_destroy_id(IOMMUFDBackend *be, uint32_t id, Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, DESTROY) ?: fake_object_destroy(f, id);

    return fake_finish(f, DESTROY, ret, errp);
}

static FakeDevice *device_by_id(FakeIOMMUFD *f, uint32_t id)
{
    FakeObject *obj = fake_object_get(f, id, OBJ_DEVICE);

    return obj ? obj->dev : NULL;
}

/* The ioctls: what the kernel does, then the call with its log and fault */

static int get_hw_info(FakeIOMMUFD *f, uint32_t dev_id, uint32_t *type,
                       void *data, uint32_t len, uint64_t *caps,
                       uint8_t *max_pasid_log2)
{
    FakeDevice *dev = device_by_id(f, dev_id);

    if (!dev) {
        return -ENOENT;
    }
    memset(data, 0, len);
    *type = IOMMU_HW_INFO_TYPE_NONE;
    if (f->kernel >= LINUX_6_13) {
        *type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
        memcpy(data, &dev->smmu->info, MIN(len, sizeof(dev->smmu->info)));
    }
    /* Older kernels leave zeros in what was reserved then */
    *caps = f->kernel >= LINUX_6_15 ? dev->smmu->caps : 0;
    *max_pasid_log2 = f->kernel >= LINUX_6_15 ? dev->smmu->max_pasid_log2 : 0;
    return 0;
}

int iommufd_get_hw_info(IOMMUFDBackend *be, uint32_t dev_id, uint32_t *type,
                        void *data, uint32_t len, uint64_t *caps,
                        uint8_t *max_pasid_log2, Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, GET_HW_INFO) ?:
              get_hw_info(f, dev_id, type, data, len, caps, max_pasid_log2);

    return fake_finish(f, GET_HW_INFO, ret, errp);
}

static int viommu_alloc(FakeIOMMUFD *f, uint32_t dev_id, uint32_t type,
                        uint32_t hwpt_id, uint32_t *viommu_id)
{
    FakeDevice *dev = device_by_id(f, dev_id);
    FakeObject *parent = fake_object_get(f, hwpt_id, OBJ_STAGE2);
    bool nests = dev && !dev->smmu->cannot_nest &&
                 type == IOMMU_VIOMMU_TYPE_ARM_SMMUV3;

    if (f->kernel < LINUX_6_13) {
        return -ENOTTY;
    }
    if (!dev) {
        return -ENOENT;
    }
    if (f->kernel >= LINUX_6_17 && !nests) {
        return -EOPNOTSUPP;
    }
    if (!parent) {
        return -ENOENT;
    }
    if (!nests) {
        return -EOPNOTSUPP;
    }
    if (parent->smmu != dev->smmu) {
        return -EINVAL;
    }
    *viommu_id = fake_object_add(f, OBJ_VIOMMU, parent, dev->smmu)->id;
    return 0;
}

int iommufd_viommu_alloc(IOMMUFDBackend *be, uint32_t dev_id, uint32_t type,
                         uint32_t hwpt_id, uint32_t *viommu_id, Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, VIOMMU_ALLOC) ?:
              viommu_alloc(f, dev_id, type, hwpt_id, viommu_id);

    return fake_finish(f, VIOMMU_ALLOC, ret, errp);
}

static FakeObject *vdevice_by_vsid(FakeIOMMUFD *f, FakeObject *viommu,
                                   uint64_t vsid)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VDEVICE);

        if (obj && obj->pins == viommu && obj->vsid == vsid) {
            return obj;
        }
    }
    return NULL;
}

static int vdevice_alloc(FakeIOMMUFD *f, uint32_t viommu_id, uint32_t dev_id,
                         uint64_t virt_id, uint32_t *vdevice_id)
{
    FakeDevice *dev = device_by_id(f, dev_id);
    FakeObject *viommu = fake_object_get(f, viommu_id, OBJ_VIOMMU);

    if (!viommu || !dev) {
        return -ENOENT;
    }
    if (viommu->smmu != dev->smmu) {
        return -EINVAL;
    }
    if (dev->vdevice || vdevice_by_vsid(f, viommu, virt_id)) {
        return -EEXIST;
    }
    dev->vdevice = fake_object_add(f, OBJ_VDEVICE, viommu, dev->smmu);
    dev->vdevice->dev = dev;
    dev->vdevice->vsid = virt_id;
    *vdevice_id = dev->vdevice->id;
    return 0;
}

int iommufd_vdevice_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t dev_id, uint64_t virt_id,
                          uint32_t *vdevice_id, Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, VDEVICE_ALLOC) ?:
              vdevice_alloc(f, viommu_id, dev_id, virt_id, vdevice_id);

    return fake_finish(f, VDEVICE_ALLOC, ret, errp);
}

static FakeObject *veventq_of(FakeIOMMUFD *f, FakeObject *viommu)
{
    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = fake_object_get(f, id, OBJ_VEVENTQ);

        if (obj && (!viommu || obj->pins == viommu)) {
            return obj;
        }
    }
    return NULL;
}

static int veventq_alloc(FakeIOMMUFD *f, uint32_t viommu_id, uint32_t type,
                         uint32_t depth, uint32_t *veventq_id, int *fd)
{
    FakeObject *viommu = fake_object_get(f, viommu_id, OBJ_VIOMMU);
    FakeObject *q;
    int fds[2];

    if (f->kernel < LINUX_6_15) {
        return -ENOTTY;
    }
    if (type == IOMMU_VEVENTQ_TYPE_DEFAULT) {
        return -EOPNOTSUPP;
    }
    if (!depth) {
        return -EINVAL;
    }
    if (!viommu) {
        return -ENOENT;
    }
    if (veventq_of(f, viommu)) {
        return -EEXIST;
    }
    g_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                         SOCK_NONBLOCK, 0, fds));
    q = fake_object_add(f, OBJ_VEVENTQ, viommu, viommu->smmu);
    q->peer = fds[0];
    q->depth = depth;
    q->events = g_byte_array_new();
    *veventq_id = q->id;
    *fd = fds[1];
    return 0;
}

int iommufd_veventq_alloc(IOMMUFDBackend *be, uint32_t viommu_id,
                          uint32_t type, uint32_t depth, uint32_t *veventq_id,
                          int *fd, Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, VEVENTQ_ALLOC) ?:
              veventq_alloc(f, viommu_id, type, depth, veventq_id, fd);

    return fake_finish(f, VEVENTQ_ALLOC, ret, errp);
}

/* V=0 is always taken, and acts as abort */
static bool ste_is_legal(uint64_t *ste)
{
    if (!(ste[0] & STE0_V)) {
        ste[0] = ste[1] = 0;
        return true;
    }
    return !(ste[0] & ~STE0_ALLOWED) && !(ste[1] & ~STE1_ALLOWED) &&
           (STE_CONFIG(ste[0]) == 0 || STE_CONFIG(ste[0]) == 4 ||
            STE_CONFIG(ste[0]) == 5) && STE_EATS(ste[1]) <= 1;
}

static int nested_alloc(FakeIOMMUFD *f, uint32_t dev_id, uint32_t viommu_id,
                        uint32_t data_type, const void *data, uint32_t len,
                        uint32_t *hwpt_id)
{
    FakeDevice *dev = device_by_id(f, dev_id);
    FakeObject *viommu = fake_object_get(f, viommu_id, OBJ_VIOMMU);
    const uint64_t *words = data;
    uint64_t ste[2];
    FakeObject *hwpt;

    if (!dev) {
        return -ENOENT;
    }
    if (!viommu || viommu->smmu != dev->smmu ||
        data_type != IOMMU_HWPT_DATA_ARM_SMMUV3 || len != sizeof(ste)) {
        return -EINVAL;
    }
    ste[0] = le64_to_cpu(words[0]);
    ste[1] = le64_to_cpu(words[1]);
    if (!ste_is_legal(ste)) {
        return -EIO;
    }
    hwpt = fake_object_add(f, OBJ_NESTED, viommu, viommu->smmu);
    memcpy(hwpt->ste, ste, sizeof(ste));
    *hwpt_id = hwpt->id;
    return 0;
}

int iommufd_nested_hwpt_alloc(IOMMUFDBackend *be, uint32_t dev_id,
                              uint32_t viommu_id, uint32_t data_type,
                              void *data, uint32_t len, uint32_t *hwpt_id,
                              Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, NESTED_ALLOC) ?:
              nested_alloc(f, dev_id, viommu_id, data_type, data, len,
                           hwpt_id);

    return fake_finish(f, NESTED_ALLOC, ret, errp);
}

/* Commands */

static bool command_convert(FakeIOMMUFD *f, FakeObject *viommu,
                            FakeCommand *cmd)
{
    FakeObject *vdev;

    switch (cmd->cmd[0] & 0xff) {
    case 0x30:              /* TLBI_NSNH_ALL becomes NH_ALL */
        cmd->cmd[0] = 0x10 | FAKE_VMID << 32;
        cmd->cmd[1] = 0;
        return true;
    case 0x10 ... 0x13:     /* TLBI_NH_ALL, ASID, VA, VAA */
        cmd->cmd[0] = deposit64(cmd->cmd[0], 32, 16, FAKE_VMID);
        return true;
    case 0x05:              /* CFGI_CD */
    case 0x06:              /* CFGI_CD_ALL */
    case 0x40:              /* ATC_INV */
        vdev = vdevice_by_vsid(f, viommu, cmd->cmd[0] >> 32);
        if (!vdev || !vdev->dev) {
            return false;
        }
        cmd->cmd[0] = deposit64(cmd->cmd[0], 32, 32,
                                fake_vfio_psid(vdev->dev));
        return true;
    default:
        return false;
    }
}

/* Whole blocks are issued; what a refused command leaves behind is dropped */
static int invalidate(FakeIOMMUFD *f, uint32_t viommu_id, uint32_t data_type,
                      const uint64_t *data, uint32_t entry_len,
                      uint32_t *entry_num)
{
    FakeObject *viommu = fake_object_get(f, viommu_id, OBJ_VIOMMU);
    uint32_t n = *entry_num, in_block = 0;
    FakeCommand block[CMD_BLOCK];

    *entry_num = 0;
    if (!fake_object_any(f, viommu_id)) {
        return -ENOENT;
    }
    if (!viommu || data_type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 ||
        !n || entry_len != sizeof(FakeCommand)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < n; i++) {
        FakeCommand *cmd = &block[in_block];

        cmd->cmd[0] = le64_to_cpu(data[2 * i]);
        cmd->cmd[1] = le64_to_cpu(data[2 * i + 1]);
        if (!command_convert(f, viommu, cmd)) {
            *entry_num = i;
            return -EIO;
        }
        if (++in_block == CMD_BLOCK || i == n - 1) {
            g_array_append_vals(f->commands, block, in_block);
            in_block = 0;
        }
    }
    *entry_num = n;
    return 0;
}

int iommufd_viommu_invalidate(IOMMUFDBackend *be, uint32_t viommu_id,
                              uint32_t data_type, void *data,
                              uint32_t entry_len, uint32_t *entry_num,
                              Error **errp)
{
    FakeIOMMUFD *f = fake(be);
    int ret = fake_inject(f, INVALIDATE);

    if (f->entered) {
        qemu_sem_post(f->entered);
        qemu_sem_wait(f->leave);
    }
    if (!ret) {
        ret = invalidate(f, viommu_id, data_type, data, entry_len, entry_num);
    } else {
        /* A command refused is the first; one not issued was converted */
        *entry_num = ret == -ETIMEDOUT ? MIN(*entry_num, CMD_BLOCK) - 1 : 0;
    }
    return fake_finish(f, INVALIDATE, ret, errp);
}

void fake_iommufd_hold(FakeIOMMUFD *f, QemuSemaphore *entered,
                       QemuSemaphore *leave)
{
    f->entered = entered;
    f->leave = leave;
}

const GArray *fake_iommufd_commands(FakeIOMMUFD *f)
{
    return f->commands;
}

/* Events */

bool fake_vfio_fault(FakeDevice *dev, uint8_t event, uint64_t addr)
{
    FakeObject *hwpt = dev->attached;
    struct {
        struct iommufd_vevent_header header;
        uint64_t evt[4];
    } record = { 0 };
    FakeObject *q;

    if (!dev->reports) {
        return false;
    }
    q = veventq_of(dev->f, hwpt->pins);
    if (!q) {
        return false;
    }
    record.header.sequence = q->sequence;
    q->sequence = (q->sequence + 1U) & INT_MAX;
    if (q->n_events == q->depth) {
        q->lost = true;
        q->lost_sequence = record.header.sequence;
        return false;
    }
    q->lost = false;
    record.evt[0] = cpu_to_le64(event | (uint64_t)dev->reported_sid << 32);
    record.evt[2] = cpu_to_le64(addr);
    g_byte_array_append(q->events, (uint8_t *)&record, sizeof(record));
    q->n_events++;
    return true;
}

void fake_iommufd_deliver(FakeIOMMUFD *f)
{
    FakeObject *q = veventq_of(f, NULL);

    if (q->lost) {
        struct iommufd_vevent_header lost = {
            .flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS,
            .sequence = q->lost_sequence,
        };

        g_byte_array_append(q->events, (uint8_t *)&lost, sizeof(lost));
        q->lost = false;
    }
    for (guint pos = 0, n; pos <= q->events->len; pos += MAX(n, 1)) {
        n = MIN(q->events->len - pos, PACKET_MAX);
        if (n || !pos) {
            g_assert_cmpint(send(q->peer, q->events->data + pos, n, 0), ==, n);
        }
    }
    g_byte_array_set_size(q->events, 0);
    q->n_events = 0;
}

uint32_t fake_iommufd_veventq_depth(FakeIOMMUFD *f)
{
    FakeObject *q = veventq_of(f, NULL);

    return q ? q->depth : 0;
}

void fake_iommufd_set_sequence(FakeIOMMUFD *f, uint32_t sequence)
{
    veventq_of(f, NULL)->sequence = sequence;
}

/* QOM */

FakeIOMMUFD *fake_iommufd_new(FakeKernel kernel, const char *id)
{
    Object *obj = object_new(TYPE_IOMMUFD_BACKEND);
    FakeIOMMUFD *f = fake(IOMMUFD_BACKEND(obj));

    f->kernel = kernel;
    f->objects = g_ptr_array_new();
    f->log = g_string_new(NULL);
    f->commands = g_array_new(false, false, sizeof(FakeCommand));
    object_property_add_child(object_get_objects_root(), id, obj);
    object_unref(obj);
    return f;
}

void fake_iommufd_free(FakeIOMMUFD *f)
{
    g_autoptr(GString) left = g_string_new(NULL);

    for (uint32_t id = 1; id < f->objects->len; id++) {
        FakeObject *obj = g_ptr_array_index(f->objects, id);

        if (obj && !(obj->kind == OBJ_TOMBSTONE && f->has_kept)) {
            g_string_append_printf(left, " %s", kinds[obj->kind]);
        }
        g_free(obj);
    }
    g_assert_cmpstr(left->str, ==, "");
    g_ptr_array_unref(f->objects);
    g_array_unref(f->commands);
    g_string_free(f->log, true);
    object_unparent(OBJECT(&f->be));
}

static const TypeInfo types[] = {
    {
        .name = TYPE_IOMMUFD_BACKEND,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(FakeIOMMUFD),
        .class_size = sizeof(IOMMUFDBackendClass),
    }
};

DEFINE_TYPES(types)
