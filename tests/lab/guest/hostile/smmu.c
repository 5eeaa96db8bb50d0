/*
 * Commands and registers of the vSMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tables.h"

#define LOG2_COMMANDS   8
#define LOG2_STES       10
#define MANY            200     /* commands that wait for a doorbell */

enum {
    CFGI_STE = 0x03, CFGI_ALL = 0x04, CFGI_CD = 0x05, CFGI_CD_ALL = 0x06,
    TLBI_NH_VA = 0x12, TLBI_NH_VAA = 0x13, TLBI_EL2_VA = 0x22,
    TLBI_S2_IPA = 0x2a, ATC_INV = 0x40, CMD_SYNC = 0x46,
};

static const uint8_t opcodes[] = {
    0x01, 0x02, CFGI_STE, CFGI_STE, CFGI_STE, CFGI_ALL, CFGI_CD, CFGI_CD,
    CFGI_CD_ALL, 0x10, 0x11, TLBI_NH_VA, TLBI_NH_VA, TLBI_NH_VAA, 0x18, 0x1a,
    0x20, 0x21, TLBI_EL2_VA, 0x23, 0x28, TLBI_S2_IPA, 0x30, ATC_INV, 0x41,
    0x44, 0x45, CMD_SYNC, CMD_SYNC,
};

static const struct {
    uint32_t offset;
    uint8_t width;
} registers[] = {
    { CR0, 32 }, { CR0, 32 }, { 0x28, 32 }, { 0x2c, 32 }, { GBPA, 32 },
    { IRQ_CTRL, 32 }, { GERRORN, 32 }, { GERROR_IRQ_CFG0, 64 },
    { GERROR_IRQ_CFG0 + 8, 32 }, { GERROR_IRQ_CFG0 + 12, 32 },
    { STRTAB_BASE, 64 }, { STRTAB_BASE_CFG, 32 }, { CMDQ_BASE, 64 },
    { CMDQ_PROD, 32 }, { CMDQ_CONS, 32 }, { EVENTQ_BASE, 64 },
    { EVENTQ_IRQ_CFG0, 64 }, { EVENTQ_IRQ_CFG0 + 8, 32 },
    { EVENTQ_PROD, 32 }, { EVENTQ_CONS, 32 }, { 0xa8, 32 }, { 0xac, 32 },
};

/* Of both CPUs, with all races */
static volatile uint32_t prod;
static volatile uint32_t waiting;

void smmu_recover(unsigned log2_events)
{
    put32(SMMU + CR0, 0);
    put32(SMMU + GBPA, BIT(31));
    put32(SMMU + IRQ_CTRL, 0);
    put64(SMMU + GERROR_IRQ_CFG0, 0);
    put64(SMMU + EVENTQ_IRQ_CFG0, 0);
    put32(SMMU + GERRORN, get32(SMMU + GERROR));
    tables_valid();
    for (unsigned n = 0; n < NDEVICES; n++) {
        ste_stage1(pci_sid(n), n);
    }
    put64(SMMU + STRTAB_BASE, STRTAB);
    put32(SMMU + STRTAB_BASE_CFG, LOG2_STES);
    put64(SMMU + CMDQ_BASE, CMDQ | LOG2_COMMANDS);
    put32(SMMU + CMDQ_PROD, 0);
    put32(SMMU + CMDQ_CONS, 0);
    put64(SMMU + EVENTQ_BASE, EVENTQ | log2_events);
    put32(SMMU + EVENTQ_PROD, 0);
    put32(SMMU + EVENTQ_CONS, 0);
    prod = waiting = 0;
    barrier();
    put32(SMMU + CR0, CR0_ON);
}

static void invalidation(Random *r, uint64_t cmd[2])
{
    uint64_t asid = below(r, 10), vmid = below(r, 4);

    cmd[0] |= asid << 48 | vmid << 32;
    cmd[1] = (random_iova(r) & ~0xfffULL) | below(r, 2);
    if (once_in(r, 2)) {                /* a range, with a level */
        cmd[0] |= below(r, 32) << 12 | below(r, 32) << 20;
        cmd[1] |= below(r, 4) << 8 | below(r, 4) << 10;
    }
}

static void sync_command(Random *r, uint64_t cmd[2])
{
    if (once_in(r, 3)) {
        cmd[0] |= below(r, 4) << 12 | (uint64_t)below(r, 256) << 32;
        cmd[1] = random_address(r) & 0xffffffffffffc;
    }
}

void random_command(Random *r, uint64_t cmd[2])
{
    uint8_t opcode = opcodes[below(r, ARRAY_SIZE(opcodes))];

    cmd[0] = opcode;
    cmd[1] = 0;
    switch (opcode) {
    case CFGI_STE:
    case CFGI_CD:
    case CFGI_CD_ALL:
        cmd[0] |= (uint64_t)random_sid(r) << 32;
        cmd[0] |= once_in(r, 4) ? BIT(11) | below(r, 1024) << 12 : 0;
        cmd[1] = below(r, 2);
        break;
    case CFGI_ALL:
        cmd[0] |= (uint64_t)random_sid(r) << 32;
        cmd[1] = once_in(r, 2) ? 31 : below(r, 32);
        break;
    case ATC_INV:
        cmd[0] |= (uint64_t)random_sid(r) << 32;
        cmd[1] = (random_iova(r) & ~0xfffULL) | below(r, 64);
        break;
    case CMD_SYNC:
        sync_command(r, cmd);
        break;
    default:
        invalidation(r, cmd);
    }
    if (once_in(r, 24)) {
        cmd[0] = flip(r, cmd[0], 64);
    }
    if (once_in(r, 24)) {
        cmd[1] = flip(r, cmd[1], 64);
    }
    if (once_in(r, 200)) {
        cmd[0] = any(r);
    }
}

/* Mostly as a driver does: a CMD_SYNC in the place of the illegal command */
static void acknowledge(Random *r)
{
    uint32_t error = get32(SMMU + GERROR);

    if (error == get32(SMMU + GERRORN)) {
        return;
    }
    if (!once_in(r, 8)) {
        uint32_t cons = get32(SMMU + CMDQ_CONS) & (BIT(LOG2_COMMANDS) - 1);

        put64(CMDQ + 16 * cons, CMD_SYNC);
        put64(CMDQ + 16 * cons + 8, 0);
        barrier();
    }
    put32(SMMU + GERRORN, error);
}

void smmu_command(Random *r, Counts *counts)
{
    uint64_t cmd[2], at = CMDQ + 16 * (prod & (BIT(LOG2_COMMANDS) - 1));

    random_command(r, cmd);
    put64(at, cmd[0]);
    put64(at + 8, cmd[1]);
    prod = (prod + 1) & (BIT(LOG2_COMMANDS + 1) - 1);
    waiting++;
    counts->commands++;
    if (once_in(r, 12) || waiting > MANY) {
        waiting = 0;
        barrier();
        put32(SMMU + CMDQ_PROD, prod);
        acknowledge(r);
    }
}

static uint64_t register_value(Random *r, uint32_t offset)
{
    switch (offset) {
    case CR0:
        return once_in(r, 2) ? CR0_ON : below(r, 16);
    case GBPA:
        return BIT(31) | (once_in(r, 2) ? BIT(20) : 0);
    case GERRORN:
        return get32(SMMU + GERROR);
    case STRTAB_BASE:
        return once_in(r, 3) ? random_address(r)
                             : once_in(r, 2) ? STRTAB_L1 : STRTAB;
    case STRTAB_BASE_CFG:
        return once_in(r, 2) ? LOG2_STES
                             : BIT(16) | below(r, 12) << 6 | below(r, 33);
    case CMDQ_BASE:
        return once_in(r, 2) ? CMDQ | LOG2_COMMANDS
                             : random_address(r) | below(r, 20);
    case CMDQ_PROD:
        return once_in(r, 2) ? prod : below(r, BIT(20));
    case EVENTQ_BASE:
        return once_in(r, 2) ? EVENTQ | below(r, 20)
                             : random_address(r) | below(r, 20);
    case EVENTQ_CONS:
        return get32(SMMU + EVENTQ_PROD);
    case IRQ_CTRL:
        return below(r, 8);
    default:
        return once_in(r, 2) ? random_address(r) : any(r);
    }
}

/* Registers with guards change only after CR0 was cleared */
void smmu_register(Random *r, Counts *counts)
{
    unsigned n = below(r, ARRAY_SIZE(registers));
    uint32_t offset = registers[n].offset;
    uint64_t value = register_value(r, offset);
    bool guarded = offset >= STRTAB_BASE && once_in(r, 2);

    counts->registers++;
    if (once_in(r, 8)) {
        value = flip(r, value, registers[n].width);
    }
    if (once_in(r, 16)) {
        offset = any(r) & 0x1ffff;
    }
    if (guarded) {
        put32(SMMU + CR0, below(r, 16) & ~BIT(below(r, 4)));
    }
    switch (once_in(r, 16) ? 8U << below(r, 4) : registers[n].width) {
    case 8:
        put8(SMMU + offset, value);
        break;
    case 16:
        put16(SMMU + (offset & ~1), value);
        break;
    case 32:
        put32(SMMU + (offset & ~3), value);
        break;
    default:
        put64(SMMU + (offset & ~7), value);
    }
    if (guarded) {
        put32(SMMU + CR0, CR0_ON);
    }
}

void smmu_read(Random *r, Counts *counts)
{
    uint32_t offset = once_in(r, 2) ? any(r) & 0x1ffff
        : registers[below(r, ARRAY_SIZE(registers))].offset;

    counts->reads++;
    if (once_in(r, 4)) {
        get64(SMMU + (offset & ~7));
    } else {
        get32(SMMU + (offset & ~3));
    }
}
