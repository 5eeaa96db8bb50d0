/*
 * Random values that get far: mostly valid, then with a few wrong bits
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "hostile.h"

/* splitmix64 */
uint64_t any(Random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint32_t below(Random *r, uint32_t n)
{
    return (any(r) >> 32) * n >> 32;
}

bool once_in(Random *r, uint32_t n)
{
    return !below(r, n);
}

uint64_t flip(Random *r, uint64_t value, int width)
{
    for (unsigned n = 1 + below(r, 3); n; n--) {
        value ^= BIT(below(r, width));
    }
    return value;
}

uint32_t random_sid(Random *r)
{
    switch (below(r, 10)) {
    case 0:
        return any(r);
    case 1:
        return below(r, 1024);
    default:
        return pci_sid(below(r, NDEVICES));
    }
}

/* A device that overwrites the program would only end the test */
uint64_t not_the_program(uint64_t address)
{
    return address >= RAM && address < ARENA ? address + (ARENA - RAM) : address;
}

static uint64_t address_of_a_device(Random *r)
{
    static const uint64_t places[] = { SMMU, SMMU + 0x10000, CMDQV, ITS,
                                       ECAM, WINDOW };

    return places[below(r, ARRAY_SIZE(places))] + (any(r) & 0xffc);
}

uint64_t random_address(Random *r)
{
    static const uint64_t tables[] = { CMDQ, STRTAB, STRTAB_L1, CONTEXTS,
                                       TABLES, VCMDQ, QUEUES, EVENTQ };
    uint64_t address;

    switch (below(r, 12)) {
    case 0:
        address = any(r);
        break;
    case 1:
        address = RAM_END + (any(r) & 0xfffffff);
        break;
    case 2:
        address = address_of_a_device(r);
        break;
    case 3:     /* the last bytes of memory */
        address = RAM_END - (any(r) & 0xfff);
        break;
    case 4:
        address = ARENA + below(r, ARENA_END - ARENA);
        break;
    default:
        address = tables[below(r, ARRAY_SIZE(tables))] + below(r, 4) * 0x10000;
    }
    return not_the_program(address);
}

uint64_t random_iova(Random *r)
{
    switch (below(r, 8)) {
    case 0:
        return any(r);
    case 1:
        return any(r) & 0xfffffffff000;
    case 2:
        return random_address(r);
    case 3:
        return RAM_END + (below(r, 16) << 12);
    default:
        return va(below(r, NCONTEXTS)) + (QUEUES - RAM)
               + (below(r, 16) << 12);
    }
}
