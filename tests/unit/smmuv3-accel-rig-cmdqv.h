/*
 * arm-smmuv3-accel in a unit test: a guest's Tegra241 CMDQV
 *
 * The rig of smmuv3-accel-rig.h with a CMDQV, guest memory for its queues, and
 * a host whose hardware runs between every two accesses to its registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_SMMUV3_ACCEL_RIG_CMDQV_H
#define TESTS_UNIT_SMMUV3_ACCEL_RIG_CMDQV_H

#include "smmuv3-accel-rig.h"
#include "hw/arm/smmuv3-accel-cmdqv.h"

#define RIG_RAM         0x40000000ULL
#define RIG_RAM_SIZE    0x200000
#define RIG_VRAM        (RIG_RAM + RIG_RAM_SIZE)
#define RIG_VRAM_SIZE   0x100000
extern uint8_t rig_ram[RIG_RAM_SIZE];

/* Registers of the configuration page, and of pages 0 and 1 of a queue */
#define CMDQV_ALLOC(q)  (A_CMDQV_CMDQ_ALLOC_MAP + 4 * (q))
#define VINTF0(reg)     (CMDQV_VINTF_REGS + (reg))
#define DIRECT0(q)      (CMDQV_VCMDQ0 + CMDQV_SLOT_SIZE * (q))
#define DIRECT1(q)      (CMDQV_VCMDQ1 + CMDQV_SLOT_SIZE * (q))
#define PAGE0(l)        (CMDQV_VINTF + CMDQV_SLOT_SIZE * (l))
#define PAGE1(l)        (PAGE0(l) + CMDQV_PAGE_SIZE)

/* Host calls that give the queues, and those that take them back */
#define RIG_GIVE        "hw-queue-alloc hw-queue-alloc"
#define RIG_TAKE        "destroy destroy"

/* Two queues, each with a page of memory */
#define RIG_QUEUES      2
#define RIG_LOG2_QUEUE  8
#define RIG_QUEUE(l)    (RIG_RAM + 0x1000 * (l))

#define TLBI_ASID(asid) (SMMU_CMD_TLBI_NH_ASID | (uint64_t)(asid) << 48)

/* A vSMMU with cmdqv=@wanted,cmdqv-param=@param in an incomplete machine */
Rig *rig_cmdqv_new(FakeKernel kernel, const FakeSMMU *smmu, OnOffAuto wanted,
                   uint32_t param, Error **errp);
/* ... with cmdqv=on, a host device if @smmu has one, and a guest that runs */
Rig *rig_cmdqv_started(FakeKernel kernel, const FakeSMMU *smmu);

/*
 * Accesses of the guest. Those to page 0 of its VINTF go to the host's page if
 * the guest has it. rig_cmdqv_trap() is always an access to QEMU, as if the
 * access had been under way when the guest got the page.
 */
uint32_t rig_cmdqv_read(Rig *rig, hwaddr offset);
void rig_cmdqv_write(Rig *rig, hwaddr offset, uint64_t value);
void rig_cmdqv_write64(Rig *rig, hwaddr offset, uint64_t value);
MemTxResult rig_cmdqv_trap(Rig *rig, hwaddr offset, uint64_t value,
                           unsigned size);
bool rig_cmdqv_is_direct(Rig *rig);
/* Pulses of the interrupt since the last call; delivers events of the host */
unsigned rig_cmdqv_irqs(void);

/* The actions of Linux's driver at its start, and after an error */
void rig_cmdqv_start(Rig *rig);
/* ... and of a driver that maps LVCMDQ 0 to VCMDQ 1, and vice versa */
void rig_cmdqv_cross(Rig *rig);
void rig_cmdqv_repair(Rig *rig, unsigned l);
/* Put commands in a queue, and ring the doorbell */
void rig_cmdqv_put(Rig *rig, unsigned l, uint64_t word0, uint64_t word1);
void rig_cmdqv_ring(Rig *rig, unsigned l);
/* A TLBI of this ASID and a CMD_SYNC */
void rig_cmdqv_invalidate(Rig *rig, unsigned l, unsigned asid);
/* Returns: true if all commands of the guest were executed */
bool rig_cmdqv_is_done(Rig *rig, unsigned l);

/* Whether the hardware has the queues; QEMU and the host must agree on it */
bool rig_cmdqv_is_hardware(Rig *rig);
/* Let QEMU try to give the queues again at the next doorbell */
void rig_cmdqv_wait_give(Rig *rig);
/* Make QEMU give the queues, by an invalidation in each of them */
void rig_cmdqv_give(Rig *rig);
/* A rig whose queues are in hardware */
Rig *rig_cmdqv_given(void);

/* Assert the ASIDs that the host was told to invalidate, such as "1 2" */
void rig_assert_asids(Rig *rig, const char *want);
/* The commands that the base class has executed */
const GArray *rig_executed(void);

/* The hardware */
typedef struct RigHardware {
    bool dead;              /* no register changes by itself */
    bool keeps_cons;        /* writes of CONS are lost */
    bool stale;             /* GERROR has the value of the last user */
    unsigned n;             /* number of executed commands */
    unsigned writes;        /* number of QEMU's writes to its registers */
} RigHardware;
extern RigHardware rig_hardware;
void rig_hardware_run(Rig *rig);
/* The hardware stops queue @l, and the host's kernel reports that to QEMU */
void rig_hardware_error(Rig *rig, unsigned l, unsigned err);

/* @func is called for QEMU's accesses to the host's registers, unless NULL */
void rig_on_queue_access(void (*func)(bool write, unsigned l, uint32_t reg,
                                      uint32_t *value));

#endif
