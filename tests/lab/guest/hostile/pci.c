/*
 * Root ports, bus numbers, and the DMA of an NVMe below each port
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "hostile.h"

/* NVMe registers */
#define CC          0x14
#define CSTS        0x1c
#define AQA         0x24
#define ASQ         0x28
#define ACQ         0x30
#define DOORBELL    0x1000
#define ENABLE      0x460001

#define LOG2_ENTRIES 12         /* of an admin queue */
#define ENTRIES     BIT(LOG2_ENTRIES)
#define PATIENCE    20000       /* reads of CSTS */

/* Each device has 1 MiB: submission queue, completion queue */
#define SQ(n)       (QUEUES + (n) * 0x100000ULL)
#define CQ(n)       (SQ(n) + 0x40000)

static volatile uint8_t bus_of[NDEVICES];

static uint64_t port(unsigned n)
{
    return ECAM + ((n + 2) << 15);      /* slots 2, 3, 4 */
}

static uint64_t bar(unsigned n)
{
    return WINDOW + ((n + 1) << 21);
}

uint32_t pci_sid(unsigned n)
{
    return bus_of[n] << 8;
}

static void set_bus(unsigned n, uint8_t bus)
{
    bus_of[n] = bus;
    put32(port(n) + 0x18, bus << 8 | bus << 16);
}

static void enable(unsigned n)
{
    uint64_t config = ECAM + ((uint64_t)bus_of[n] << 20);

    if (bus_of[n]) {
        put32(config + 0x10, bar(n));
        put32(config + 0x14, 0);
        put16(config + 4, 0x406);       /* memory, bus master, no INTx */
    }
}

void pci_recover(void)
{
    for (unsigned n = 0; n < NDEVICES; n++) {
        uint64_t window = bar(n);

        set_bus(n, n + 1);
        put32(port(n) + 0x20, window >> 16 | (window & 0xfff00000));
        put16(port(n) + 4, 6);
        enable(n);
    }
}

/* Bus numbers, also those of others; bus mastering */
void pci_step(Random *r, Counts *counts)
{
    unsigned n = below(r, NDEVICES);

    counts->config++;
    switch (below(r, 6)) {
    case 0:
        set_bus(n, below(r, 8));
        break;
    case 1:
        set_bus(n, any(r));
        break;
    case 2:
        if (bus_of[n]) {
            put16(ECAM + ((uint64_t)bus_of[n] << 20) + 4, below(r, 8) | 0x400);
        }
        break;
    default:
        set_bus(n, n + 1);
        enable(n);
    }
}

static void identify(uint64_t at, unsigned id, uint64_t iova)
{
    static const uint8_t words[] = { 1, 2, 4, 6, 7 };

    put64(at, 6 | id << 16);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        put64(at + 8 * words[i], 0);
    }
    put64(at + 24, iova);
    put64(at + 40, 1);          /* the controller */
}

static bool wait_ready(unsigned n, uint32_t want)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        uint32_t status = get32(bar(n) + CSTS);

        if (status == UINT32_MAX) {
            return false;       /* nobody is there */
        }
        if ((status & 1) == want) {
            return true;
        }
    }
    return false;
}

static bool start(unsigned n, uint64_t base)
{
    uint64_t offset = base - RAM;

    put32(bar(n) + CC, 0);
    if (!wait_ready(n, 0)) {
        return false;
    }
    put32(bar(n) + AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    put64(bar(n) + ASQ, (SQ(n) + offset) & ~0xfffULL);
    put64(bar(n) + ACQ, (CQ(n) + offset) & ~0xfffULL);
    put32(bar(n) + CC, ENABLE);
    return wait_ready(n, 1);
}

/* One to eight commands to random addresses, through queues at one of them */
void nvme_step(Random *r, Counts *counts)
{
    unsigned n = below(r, NDEVICES), commands = 1 + below(r, 8);
    uint64_t base = RAM;

    counts->dma++;
    switch (below(r, 8)) {
    case 0:
        break;                  /* as in bypass */
    case 1:
        base = random_iova(r) & 0xfffffffff000;
        break;
    default:
        base = va(below(r, NCONTEXTS));
    }
    for (unsigned i = 0; i < commands; i++) {
        identify(SQ(n) + 64 * i, i, not_the_program(random_iova(r)) & ~3ULL);
    }
    barrier();
    if (start(n, base)) {
        put32(bar(n) + DOORBELL, commands);
    }
}

/*
 * Device 0 with queues in context 0, for nvme_faults().  Entries of the
 * completion queue have the phase of no command.
 */
bool nvme_faults_start(void)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        put64(CQ(0) + 16 * i + 8, 0);
    }
    return start(0, va(0));
}

/*
 * Let device 0 fault again: commands for a whole queue whose data goes to
 * @iova, in which nothing is mapped.  Returns how many were completed.
 */
unsigned nvme_faults(uint64_t iova, unsigned *tail)
{
    unsigned half = ENTRIES / 2, last = (*tail + half - 1) % ENTRIES;
    unsigned phase = get32(CQ(0) + 16 * last + 12) >> 16 & 1;

    for (unsigned i = 0; i < half; i++) {
        unsigned at = (*tail + i) % ENTRIES;

        identify(SQ(0) + 64 * at, at, iova + ((uint64_t)at << 12));
    }
    *tail = (*tail + half) % ENTRIES;
    barrier();
    put32(bar(0) + DOORBELL, *tail);
    for (unsigned i = 0; i < PATIENCE; i++) {
        if ((get32(CQ(0) + 16 * last + 12) >> 16 & 1) != phase) {
            put32(bar(0) + DOORBELL + 4, *tail);
            return half;
        }
        if (get32(bar(0) + CSTS) & 2) {
            return 0;
        }
    }
    return 0;
}
