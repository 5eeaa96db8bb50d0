/*
 * The CMDQV of the vSMMU: its registers, and commands in LVCMDQ 0
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "hostile.h"

#define CONFIG          CMDQV
#define ALLOC_MAP       (CMDQV + 0x200)
#define VINTF_CONFIG    (CMDQV + 0x1000)
#define PAGE0           (CMDQV + 0x30000)       /* hardware, or QEMU */
#define PAGE1           (CMDQV + 0x40000)
#define Q_CONS          (PAGE0 + 0x00)
#define Q_PROD          (PAGE0 + 0x04)
#define Q_CONFIG        (PAGE0 + 0x08)
#define Q_GERROR        (PAGE0 + 0x10)
#define Q_GERRORN       (PAGE0 + 0x14)
#define LOG2_COMMANDS   8

static volatile uint32_t prod;

void cmdqv_recover(void)
{
    put32(Q_CONFIG, 0);
    put32(ALLOC_MAP, 0);
    put32(VINTF_CONFIG, 0);
    put32(CONFIG, get32(CONFIG) & ~1);
    put32(CONFIG, get32(CONFIG) | 1);
    put32(VINTF_CONFIG, 1);
    put32(ALLOC_MAP, 1);
    put32(Q_GERRORN, get32(Q_GERROR));
    prod = 0;
    put32(Q_PROD, 0);
    put32(Q_CONS, 0);
    put64(PAGE1, VCMDQ | LOG2_COMMANDS);
    put32(Q_CONFIG, 1);
}

static void command(Random *r)
{
    uint64_t cmd[2], at = VCMDQ + 16 * (prod & (BIT(LOG2_COMMANDS) - 1));

    random_command(r, cmd);
    if (!once_in(r, 16)) {      /* what a queue of a guest accepts */
        cmd[0] = (cmd[0] & ~0xffULL) | (once_in(r, 2) ? 0x11 : 0x12);
    }
    put64(at, cmd[0]);
    put64(at + 8, cmd[1]);
    prod = (prod + 1) & (BIT(LOG2_COMMANDS + 1) - 1);
    if (once_in(r, 8)) {
        barrier();
        put32(Q_PROD, prod);
    }
    if (once_in(r, 32)) {
        put32(Q_GERRORN, get32(Q_GERROR));
    }
}

static uint64_t random_register(Random *r)
{
    static const uint32_t pages[] = { 0, 0x200, 0x1000, 0x10000, 0x20000,
                                      0x30000, 0x30000, 0x40000 };

    return CMDQV + pages[below(r, ARRAY_SIZE(pages))] + (any(r) & 0xfc);
}

void cmdqv_step(Random *r, Counts *counts)
{
    uint64_t at;

    counts->cmdqv++;
    switch (below(r, 64)) {
    case 0:
        at = random_register(r);
        put32(at, once_in(r, 2) ? below(r, 4) : flip(r, get32(at), 32));
        break;
    case 1:
        at = random_register(r) & ~7ULL;
        put64(at, once_in(r, 2) ? random_address(r) | below(r, 20) : any(r));
        break;
    case 2:
        get64(random_register(r) & ~7ULL);
        break;
    case 3:
        cmdqv_recover();
        break;
    default:
        command(r);
    }
}
