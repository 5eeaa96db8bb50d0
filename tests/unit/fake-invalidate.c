/*
 * An iommufd in memory: commands for the SMMU's queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "fake-iommufd-internal.h"

/* CMDQ_BATCH_ENTRIES - 1: commands issued at a time */
#define CMD_BLOCK           63
#define FAKE_VMID           0x5a5aULL

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
        vdev = fake_vdevice_by_vsid(f, viommu, cmd->cmd[0] >> 32);
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

/* What the kernel takes of an entry that is not as long as a command */
static int command_copy(FakeCommand *cmd, const void *entry, uint32_t len)
{
    const uint8_t *bytes = entry;

    *cmd = (FakeCommand) { 0 };
    memcpy(cmd, entry, MIN(len, sizeof(*cmd)));
    cmd->cmd[0] = le64_to_cpu(cmd->cmd[0]);
    cmd->cmd[1] = le64_to_cpu(cmd->cmd[1]);
    for (uint32_t i = sizeof(*cmd); i < len; i++) {
        if (bytes[i]) {
            return -E2BIG;
        }
    }
    return 0;
}

/* Whole blocks are issued; what a refused command leaves behind is dropped */
static int issue(FakeIOMMUFD *f, FakeObject *viommu,
                 struct iommu_hwpt_invalidate *inv, uint32_t n)
{
    const uint8_t *data = (void *)(uintptr_t)inv->data_uptr;
    g_autofree FakeCommand *cmds = g_new(FakeCommand, n);
    uint32_t done = 0;

    for (uint32_t i = 0; i < n; i++) {
        int ret = command_copy(&cmds[i], data + i * inv->entry_len,
                               inv->entry_len);

        if (ret) {
            return ret;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!command_convert(f, viommu, &cmds[i])) {
            inv->entry_num = i;
            return -EIO;
        }
        if (i + 1 - done == CMD_BLOCK || i + 1 == n) {
            g_array_append_vals(f->commands, &cmds[done], i + 1 - done);
            done = i + 1;
        }
    }
    inv->entry_num = n;
    return 0;
}

static int invalidate(FakeIOMMUFD *f, struct iommu_hwpt_invalidate *inv)
{
    FakeObject *obj = fake_object_any(f, inv->hwpt_id);
    uint32_t n = inv->entry_num;

    inv->entry_num = 0;
    if (n && (!inv->data_uptr || !inv->entry_len)) {
        return -EINVAL;
    }
    if (!obj) {
        return -ENOENT;
    }
    if (obj->kind == OBJ_NESTED) {
        return -EOPNOTSUPP;
    }
    if (obj->kind != OBJ_VIOMMU ||
        inv->data_type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 || !n) {
        return -EINVAL;
    }
    return issue(f, obj, inv, n);
}

/* A command refused is the first; one not issued was converted */
int fake_invalidate(FakeIOMMUFD *f, struct iommu_hwpt_invalidate *inv, int err)
{
    if (f->entered) {
        qemu_sem_post(f->entered);
        qemu_sem_wait(f->leave);
    }
    if (f->stuck) {
        err = -ETIMEDOUT;
    } else if (f->slow_ms) {
        g_usleep(f->slow_ms * 1000);
        err = -ENOMEM;
    }
    if (err) {
        inv->entry_num = err == -ETIMEDOUT ?
                         MIN(inv->entry_num, CMD_BLOCK) - 1 : 0;
        return err;
    }
    return invalidate(f, inv);
}

void fake_iommufd_set_stuck(FakeIOMMUFD *f, bool stuck)
{
    f->stuck = stuck;
}

void fake_iommufd_set_slow(FakeIOMMUFD *f, unsigned ms)
{
    f->slow_ms = ms;
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
