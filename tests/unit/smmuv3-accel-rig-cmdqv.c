/*
 * arm-smmuv3-accel in a unit test: a guest's Tegra241 CMDQV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "exec/ramblock.h"
#include "hw/boards.h"
#include "hw/irq.h"
#include "hw/sysbus.h"
#include "system/dma.h"
#include "smmuv3-accel-rig-cmdqv.h"

/* Stubs: memory regions, interrupts, guest memory, migration */

static unsigned irqs;
static MemoryRegion *enabled_page;      /* the page that the guest has */

void memory_region_init_io(MemoryRegion *mr, Object *owner,
                           const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size)
{
    mr->owner = owner;
    mr->ops = ops;
    mr->opaque = opaque;
    mr->size = int128_make64(size);
    mr->enabled = true;
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    g_assert(bql_locked());
    mr->enabled = enabled;
    if (mr->ram_block) {
        enabled_page = enabled && mr->container ? mr : NULL;
    }
}

void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr offset,
                                         MemoryRegion *subregion, int priority)
{
    g_assert(!subregion->container && !subregion->enabled);
    g_assert_cmphex(offset, ==, CMDQV_VINTF);
    subregion->container = mr;
    object_ref(subregion->owner);
}

void memory_region_del_subregion(MemoryRegion *mr, MemoryRegion *subregion)
{
    g_assert(subregion->container == mr && !subregion->enabled);
    subregion->container = NULL;
    object_unref(subregion->owner);
}

void sysbus_init_mmio(SysBusDevice *dev, MemoryRegion *memory)
{
}

void sysbus_init_irq(SysBusDevice *dev, qemu_irq *p)
{
}

void qemu_set_irq(qemu_irq irq, int level)
{
    irqs += level;
}

const VMStateInfo vmstate_info_uint32, vmstate_info_uint32_equal,
                  vmstate_info_uint64;

AddressSpace address_space_memory;
uint8_t rig_ram[RIG_RAM_SIZE];

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    g_assert(!is_write && as == &address_space_memory && attrs.memory);
    if (addr < RIG_RAM || addr - RIG_RAM > RIG_RAM_SIZE - len) {
        return MEMTX_DECODE_ERROR;
    }
    memcpy(buf, rig_ram + (addr - RIG_RAM), len);
    return MEMTX_OK;
}

/* The machine's memory, followed by that of a device */

static MemoryRegion ram, vram;
static MachineState machine = { .ram = &ram };
MachineState *current_machine = &machine;

MemoryRegion *get_system_memory(void)
{
    return NULL;
}

MemoryRegionSection memory_region_find(MemoryRegion *mr, hwaddr addr,
                                       uint64_t size)
{
    if (addr < RIG_RAM || addr - RIG_RAM >= RIG_RAM_SIZE + RIG_VRAM_SIZE) {
        return (MemoryRegionSection) { 0 };
    }
    if (addr - RIG_RAM >= RIG_RAM_SIZE) {
        return (MemoryRegionSection) {
            .mr = &vram, .size = int128_make64(size),
        };
    }
    size = MIN(size, RIG_RAM_SIZE - (addr - RIG_RAM));
    return (MemoryRegionSection) { .mr = &ram, .size = int128_make64(size) };
}

void memory_region_unref(MemoryRegion *mr)
{
    g_assert(mr == &ram || mr == &vram);
}

static GArray *executed;

SMMUCmdError smmuv3_execute(SMMUv3State *s, Cmd *cmd)
{
    g_assert(bql_locked());
    g_array_append_val(executed, *cmd);
    rig_command_done(cmd, SMMU_CERROR_NONE);
    return CMD_TYPE(cmd) == 0xff ? SMMU_CERROR_ILL : SMMU_CERROR_NONE;
}

const GArray *rig_executed(void)
{
    return executed;
}

static char *asids(Rig *rig)
{
    const GArray *cmds = fake_iommufd_commands(rig->iommufd);
    GString *s = g_string_new(NULL);

    for (guint i = 0; i < cmds->len; i++) {
        const FakeCommand *c = &g_array_index(cmds, FakeCommand, i);

        g_assert_cmphex(c->cmd[0] & 0xff, ==, SMMU_CMD_TLBI_NH_ASID);
        g_string_append_printf(s, "%s%u", s->len ? " " : "",
                               (unsigned)(c->cmd[0] >> 48));
    }
    return g_string_free(s, false);
}

void rig_assert_asids(Rig *rig, const char *want)
{
    g_autofree char *have = asids(rig);

    g_assert_cmpstr(have, ==, want);
}

/* The hardware runs between every two accesses */

RigHardware rig_hardware;
static Rig *the_rig;

void rig_hardware_run(Rig *rig)
{
    if (!rig_hardware.dead) {
        rig_hardware.n += fake_cmdqv_run(rig->iommufd);
    }
}

static void queue_access(bool write, unsigned l, uint32_t reg, uint32_t *value)
{
    uint32_t *regs = fake_cmdqv_regs(the_rig->iommufd, l);

    g_assert(bql_locked() && regs);
    rig_hardware_run(the_rig);
    if (!write) {
        return;
    }
    rig_hardware.writes++;
    switch (reg) {
    case A_VCMDQ_CONS:
        g_assert(!(regs[R_VCMDQ_STATUS]));
        *value &= R_VCMDQ_CONS_INDEX_MASK;
        if (rig_hardware.keeps_cons) {
            *value = le32_to_cpu(regs[R_VCMDQ_CONS]);
        }
        if (rig_hardware.stale) {
            regs[R_VCMDQ_GERROR] = cpu_to_le32(R_VCMDQ_GERROR_CMDQ_ERR_MASK);
        }
        break;
    case A_VCMDQ_GERROR:
    case A_VCMDQ_STATUS:
        *value = le32_to_cpu(regs[reg / 4]);
        break;
    }
}

void rig_hardware_error(Rig *rig, unsigned l, unsigned err)
{
    fake_cmdqv_stop_queue(rig->iommufd, l, err);
    fake_cmdqv_deliver(rig->iommufd);
}

/* The guest */

static MemoryRegion *cmdqv(Rig *rig)
{
    return &rig->s->cmdqv->dev.iomem;
}

bool rig_cmdqv_is_direct(Rig *rig)
{
    return enabled_page;
}

static uint32_t *direct(Rig *rig, hwaddr offset)
{
    hwaddr at = offset - CMDQV_VINTF;

    return enabled_page && at < CMDQV_PAGE_SIZE ?
           (uint32_t *)(enabled_page->ram_block->host + at) : NULL;
}

MemTxResult rig_cmdqv_trap(Rig *rig, hwaddr offset, uint64_t value,
                           unsigned size)
{
    MemReentrancyGuard *guard = &DEVICE(rig->s)->mem_reentrancy_guard;
    MemTxResult ret;

    guard->engaged_in_io = true;
    ret = cmdqv(rig)->ops->write_with_attrs(cmdqv(rig)->opaque, offset, value,
                                            size, MEMTXATTRS_UNSPECIFIED);
    g_assert(guard->engaged_in_io);
    guard->engaged_in_io = false;
    return ret;
}

static uint64_t trap_read(Rig *rig, hwaddr offset, unsigned size)
{
    MemReentrancyGuard *guard = &DEVICE(rig->s)->mem_reentrancy_guard;
    uint64_t value;

    guard->engaged_in_io = true;
    g_assert_cmpint(cmdqv(rig)->ops->read_with_attrs(cmdqv(rig)->opaque, offset,
                                                     &value, size,
                                                     MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_OK);
    guard->engaged_in_io = false;
    return value;
}

uint32_t rig_cmdqv_read(Rig *rig, hwaddr offset)
{
    uint32_t *reg = direct(rig, offset);

    if (reg) {
        rig_hardware_run(rig);
        return ldl_le_p(reg);
    }
    return trap_read(rig, offset, 4);
}

void rig_cmdqv_write(Rig *rig, hwaddr offset, uint64_t value)
{
    uint32_t *reg = direct(rig, offset);

    if (!reg) {
        g_assert_cmpint(rig_cmdqv_trap(rig, offset, value, 4), ==, MEMTX_OK);
        return;
    }
    rig_hardware_run(rig);
    stl_le_p(reg, value);
    rig_hardware_run(rig);
}

void rig_cmdqv_write64(Rig *rig, hwaddr offset, uint64_t value)
{
    g_assert_cmpint(rig_cmdqv_trap(rig, offset, value, 8), ==, MEMTX_OK);
}

unsigned rig_cmdqv_irqs(void)
{
    unsigned n;

    for (int i = 0; i < 8; i++) {
        main_loop_wait(true);
    }
    n = irqs;
    irqs = 0;
    return n;
}

/* Like Linux's driver; the page of a queue that is not mapped reads as 0 */

static void deinit_queue(Rig *rig, unsigned l)
{
    uint32_t gerror, gerrorn;

    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 0);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_STATUS), ==, 0);
    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_PROD, 0);
    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONS, 0);
    rig_cmdqv_write64(rig, PAGE1(l) + A_VCMDQ_BASE, 0);
    rig_cmdqv_write64(rig, PAGE1(l) + A_VCMDQ_CONS_INDX_BASE, 0);
    gerrorn = rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_GERRORN);
    gerror = rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_GERROR);
    if (gerror != gerrorn) {
        rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_GERRORN, gerror);
    }
}

static void init_vintf(Rig *rig)
{
    uint32_t config;

    for (int l = RIG_QUEUES - 1; l >= 0; l--) {
        deinit_queue(rig, l);
        rig_cmdqv_write(rig, CMDQV_ALLOC(l),
                        rig_cmdqv_read(rig, CMDQV_ALLOC(l)) & ~1);
    }
    rig_cmdqv_write(rig, VINTF0(A_VINTF_CONFIG), 0);
    g_assert(!(rig_cmdqv_read(rig, VINTF0(A_VINTF_STATUS)) & 1));
    for (int i = 0; i < RIG_QUEUES; i++) {
        rig_cmdqv_write(rig, VINTF0(A_VINTF_SID_MATCH + 4 * i), 0);
        rig_cmdqv_write(rig, VINTF0(A_VINTF_SID_REPLACE + 4 * i), 0);
    }
    config = R_VINTF_CONFIG_HYP_OWN_MASK;
    rig_cmdqv_write(rig, VINTF0(A_VINTF_CONFIG), config);
    rig_cmdqv_write(rig, VINTF0(A_VINTF_CONFIG), config | 1);
    g_assert(rig_cmdqv_read(rig, VINTF0(A_VINTF_STATUS)) & 1);
    g_assert_cmphex(rig_cmdqv_read(rig, VINTF0(A_VINTF_CONFIG)), ==, 1);
}

static void init_queue(Rig *rig, unsigned l)
{
    rig_cmdqv_write(rig, CMDQV_ALLOC(l),
                    rig_cmdqv_read(rig, CMDQV_ALLOC(l)) | 1);
    deinit_queue(rig, l);
    rig_cmdqv_write64(rig, PAGE1(l) + A_VCMDQ_BASE,
                      RIG_QUEUE(l) | RIG_LOG2_QUEUE);
    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_STATUS), ==, 1);
}

void rig_cmdqv_start(Rig *rig)
{
    uint32_t config = rig_cmdqv_read(rig, A_CMDQV_CONFIG);

    rig_cmdqv_write(rig, A_CMDQV_CONFIG, config & ~1);
    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_STATUS), ==, 0);
    rig_cmdqv_write(rig, A_CMDQV_CONFIG, config | 1);
    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_STATUS), ==, 1);
    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_cmdqv_write(rig, CMDQV_ALLOC(l), l << 1);
    }
    init_vintf(rig);
    for (int l = 0; l < RIG_QUEUES; l++) {
        init_queue(rig, l);
    }
}

void rig_cmdqv_cross(Rig *rig)
{
    rig_cmdqv_write(rig, CMDQV_ALLOC(1), 0);
    rig_cmdqv_write(rig, CMDQV_ALLOC(0), 0);
    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_cmdqv_write(rig, CMDQV_ALLOC(!l), l << 1 | 1);
        rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 0);
        rig_cmdqv_write64(rig, PAGE1(l) + A_VCMDQ_BASE,
                          RIG_QUEUE(l) | RIG_LOG2_QUEUE);
        rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_CONFIG, 1);
    }
}

static void put_at(unsigned l, uint32_t index, uint64_t word0, uint64_t word1)
{
    uint8_t *at = rig_ram + (RIG_QUEUE(l) - RIG_RAM) +
                  16 * (index & ((1 << RIG_LOG2_QUEUE) - 1));

    stq_le_p(at, word0);
    stq_le_p(at + 8, word1);
}

void rig_cmdqv_repair(Rig *rig, unsigned l)
{
    hwaddr slot = PAGE0(l);
    uint32_t cons, gerror;

    g_assert_cmphex(rig_cmdqv_read(rig, A_CMDQV_VINTF_ERR_MAP), ==, 1);
    g_assert_cmphex(rig_cmdqv_read(rig, VINTF0(A_VINTF_LVCMDQ_ERR_MAP)), ==,
                    1 << l);
    gerror = rig_cmdqv_read(rig, slot + A_VCMDQ_GERROR);
    g_assert_cmphex(gerror ^ rig_cmdqv_read(rig, slot + A_VCMDQ_GERRORN), ==,
                    R_VCMDQ_GERROR_CMDQ_ERR_MASK);
    cons = rig_cmdqv_read(rig, slot + A_VCMDQ_CONS);
    put_at(l, cons, SMMU_CMD_SYNC, 0);
    rig_cmdqv_write(rig, slot + A_VCMDQ_GERRORN, gerror);
    g_assert_cmphex(rig_cmdqv_read(rig, VINTF0(A_VINTF_LVCMDQ_ERR_MAP)), ==, 0);
}

/* The last PROD that the guest has written, or will write */
static uint32_t prods[RIG_QUEUES];

void rig_cmdqv_put(Rig *rig, unsigned l, uint64_t word0, uint64_t word1)
{
    put_at(l, prods[l], word0, word1);
    prods[l] = (prods[l] + 1) & ((2 << RIG_LOG2_QUEUE) - 1);
}

void rig_cmdqv_ring(Rig *rig, unsigned l)
{
    rig_cmdqv_write(rig, PAGE0(l) + A_VCMDQ_PROD, prods[l]);
}

void rig_cmdqv_invalidate(Rig *rig, unsigned l, unsigned asid)
{
    rig_cmdqv_put(rig, l, TLBI_ASID(asid), 0);
    rig_cmdqv_put(rig, l, SMMU_CMD_SYNC, 0);
    rig_cmdqv_ring(rig, l);
}

bool rig_cmdqv_is_done(Rig *rig, unsigned l)
{
    return rig_cmdqv_read(rig, PAGE0(l) + A_VCMDQ_CONS) == prods[l];
}

bool rig_cmdqv_is_hardware(Rig *rig)
{
    bool hardware = smmuv3_accel_cmdqv_mode(rig->s) ==
                    SMMU_ACCEL_CMDQV_HARDWARE;

    g_assert(rig_cmdqv_is_direct(rig) == hardware);
    g_assert(ARM_SMMU(rig->s)->no_iotlb == hardware);
    g_assert_cmpuint(fake_cmdqv_queues(rig->iommufd), ==,
                     hardware ? RIG_QUEUES : 0);
    g_assert(!hardware || !smmuv3_accel_cmdqv_why(rig->s));
    return hardware;
}

void rig_cmdqv_wait_give(Rig *rig)
{
    rig->s->cmdqv->next_give_ms = 0;
}

void rig_cmdqv_give(Rig *rig)
{
    rig_cmdqv_wait_give(rig);
    for (int l = 0; l < RIG_QUEUES; l++) {
        rig_cmdqv_invalidate(rig, l, 1);
        g_assert(rig_cmdqv_is_done(rig, l));
    }
    g_assert(rig_cmdqv_is_hardware(rig));
    g_free(fake_iommufd_calls(rig->iommufd));
}

/* Rigs */

Rig *rig_cmdqv_new(FakeKernel kernel, const FakeSMMU *smmu, OnOffAuto wanted,
                   uint32_t param, Error **errp)
{
    Rig *rig = rig_new(kernel);

    executed = executed ?: g_array_new(false, false, sizeof(Cmd));
    g_array_set_size(executed, 0);
    memset(prods, 0, sizeof(prods));
    memset(rig_ram, 0, sizeof(rig_ram));
    rig_hardware = (RigHardware) { 0 };
    irqs = 0;
    enabled_page = NULL;
    the_rig = rig;
    rig_on_queue_access(queue_access);
    qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);    /* the machine runs */

    rig->smmu = smmu ?: rig->smmu;
    rig->s3->cmdqv_wanted = wanted;
    rig->s->cmdqv_param = param;
    rig->s->spec.cmdqv = wanted;
    rig->s->spec.cmdqv_param = param;
    if (!smmuv3_accel_cmdqv_check(rig->s, errp)) {
        rig_free(rig);
        return NULL;
    }
    smmuv3_accel_cmdqv_realize(rig->s);
    return rig;
}

Rig *rig_cmdqv_started(FakeKernel kernel, const FakeSMMU *smmu)
{
    Rig *rig = rig_cmdqv_new(kernel, smmu, ON_OFF_AUTO_ON, 0, &error_abort);

    if (smmu) {
        g_assert(rig_plug(rig, 1, &error_abort));
    }
    smmuv3_accel_cmdqv_decide(rig->s);
    /* Without a host, the registers of the command line */
    memcpy(rig->s3->idr, host_smmu.info.idr, sizeof(rig->s3->idr));
    rig_set_s1(SID(1), 0x1000);
    rig_write_cr0(rig, CR0_SMMUEN);
    rig_cmdqv_start(rig);
    g_free(fake_iommufd_calls(rig->iommufd));
    return rig;
}

Rig *rig_cmdqv_given(void)
{
    Rig *rig = rig_cmdqv_started(LINUX_7_3, &cmdqv_smmu);

    rig_cmdqv_give(rig);
    return rig;
}
