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

/* Reserved encodings of a range, on an SMMU without IDR5.DS */
static bool range_is_valid(uint64_t word0, uint64_t word1)
{
    bool range = word0 & (MAKE_64BIT_MASK(12, 5) | MAKE_64BIT_MASK(20, 6));
    unsigned ttl = extract64(word1, 8, 2), tg = extract64(word1, 10, 2);

    if (!tg) {
        return !range && !ttl;
    }
    return !(tg == 2 && ttl == 1) && (range || ttl);
}

/*
 * Since 7.3 the kernel refuses commands with bits that the physical SMMU does
 * not have, or that this opcode has not (arm_vsmmu_validate_user_cmd()).
 */
bool fake_command_is_valid(const FakeSMMU *smmu, const uint64_t cmd[2])
{
    const uint32_t *idr = smmu->info.idr;
    uint64_t asid = MAKE_64BIT_MASK(48, extract32(idr[0], 12, 1) ? 16 : 8);
    uint64_t vmid = MAKE_64BIT_MASK(32, 16), sid = MAKE_64BIT_MASK(32, 32);
    uint64_t ssid = extract32(idr[1], 6, 5) ? MAKE_64BIT_MASK(12, 20) : 0;
    uint64_t allowed[2] = { 0xff };

    switch (cmd[0] & 0xff) {
    case 0x12:              /* TLBI_NH_VA */
        allowed[0] |= asid;
        /* fall through */
    case 0x13:              /* TLBI_NH_VAA */
        if (extract32(idr[3], 10, 1)) {
            if (!range_is_valid(cmd[0], cmd[1])) {
                return false;
            }
            allowed[0] |= MAKE_64BIT_MASK(12, 5) | MAKE_64BIT_MASK(20, 5);
            allowed[1] |= MAKE_64BIT_MASK(8, 4);
        }
        allowed[0] |= vmid;
        allowed[1] |= 1 | MAKE_64BIT_MASK(12, 52);
        break;
    case 0x11:              /* TLBI_NH_ASID */
        allowed[0] |= asid;
        /* fall through */
    case 0x10:              /* TLBI_NH_ALL */
        allowed[0] |= vmid;
        break;
    case 0x40:              /* ATC_INV */
        if (!extract32(idr[0], 10, 1) || extract64(cmd[1], 0, 6) > 52) {
            return false;
        }
        allowed[0] |= sid | ssid | (ssid ? BIT_ULL(9) | BIT_ULL(11) : 0);
        allowed[1] |= 0x3f | MAKE_64BIT_MASK(12, 52);
        break;
    case 0x05:              /* CFGI_CD */
        allowed[0] |= sid | ssid;
        allowed[1] |= 1;
        break;
    case 0x06:              /* CFGI_CD_ALL */
        allowed[0] |= sid;
        break;
    }
    return !(cmd[0] & ~allowed[0]) && !(cmd[1] & ~allowed[1]);
}

static bool command_convert(FakeIOMMUFD *f, FakeObject *viommu,
                            FakeCommand *cmd)
{
    FakeObject *vdev;

    if (f->kernel >= LINUX_7_3 && !fake_command_is_valid(viommu->smmu, cmd->cmd)) {
        return false;
    }
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
