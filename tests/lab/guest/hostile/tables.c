/*
 * Stream table entries, context descriptors and page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tables.h"

#define STE_S1      (BIT(0) | 5 << 1)
#define STE_S1_ATTR (1 << 2 | 1 << 4 | 3 << 6)
#define STE_S2      (20ULL << 32 | 1ULL << 38 | 3ULL << 44 | BIT(51) | BIT(58))

/* 4 KiB granule, 39 bits of VA, 40 of PA, write-back, AArch64, ASID n + 1 */
#define CD_VALID    (25 | 1 << 8 | 1 << 10 | 3 << 12 | BIT(30) | BIT(31) \
                     | 2ULL << 32 | BIT(41) | BIT(45) | BIT(46) | BIT(47))

#define PTE_BLOCK   (BIT(10) | 3 << 8 | BIT(6) | BIT(0))
#define PTE_PAGE    (PTE_BLOCK | BIT(1))
#define PTE_TABLE   3

uint64_t context_table(unsigned n)
{
    return CONTEXTS + n % NCONTEXTS * CONTEXT_SIZE;
}

uint64_t page_table(unsigned n)
{
    return TABLES + n % NTABLES * 0x10000;
}

static void write_words(uint64_t at, const uint64_t *word, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put64(at + 8 * i, word[i]);
    }
}

static uint64_t ste_address(uint32_t sid)
{
    return STRTAB + (sid & 0x3ff) * 64;
}

void ste_stage1(uint32_t sid, unsigned context)
{
    uint64_t ste[8] = { STE_S1 | context_table(context), STE_S1_ATTR };

    write_words(ste_address(sid), ste, 8);
}

void cd_valid(unsigned context)
{
    uint64_t cd[8] = { CD_VALID | (uint64_t)(context + 1) << 48,
                       page_table(context), 0, 0xff };

    write_words(context_table(context), cd, 8);
}

/* Page tables in which va(n) of context n is RAM; level 1 of the stream table */
void tables_valid(void)
{
    for (unsigned n = 0; n < NCONTEXTS; n++) {
        for (unsigned i = 0; i < 512; i++) {
            put64(page_table(n) + 8 * i, 0);
        }
        put64(page_table(n) + 8 * (va(n) >> 30), RAM | PTE_BLOCK);
        cd_valid(n);
    }
    for (unsigned i = 0; i < 16; i++) {     /* split 6: 64 STEs each */
        put64(STRTAB_L1 + 8 * i, (STRTAB + i * 64 * 64) | 7);
    }
}

static void random_ste(Random *r, uint64_t ste[4])
{
    unsigned context = below(r, NCONTEXTS);

    ste[1] = ste[2] = ste[3] = 0;
    switch (below(r, 10)) {
    case 0:
        ste[0] = BIT(0);                            /* abort */
        return;
    case 1:
        ste[0] = BIT(0) | 4 << 1;                   /* bypass */
        ste[1] = 1ULL << 44;
        return;
    case 2:
        ste[0] = any(r);
        ste[1] = any(r);
        ste[2] = any(r);
        ste[3] = any(r);
        return;
    case 3:
        ste[0] = BIT(0) | (6 + below(r, 2)) << 1;   /* stage 2, both */
        ste[0] |= context_table(context);
        ste[2] = STE_S2 | below(r, 4);
        ste[3] = page_table(below(r, NTABLES));
        return;
    default:
        ste[0] = STE_S1 | context_table(context);
        ste[1] = STE_S1_ATTR;
    }
    if (once_in(r, 3)) {                            /* substreams */
        ste[0] |= (uint64_t)below(r, 12) << 59 | below(r, 4) << 4;
        ste[1] |= below(r, 4);
    }
    if (once_in(r, 4)) {
        ste[1] |= (uint64_t)below(r, 4) << 28 | below(r, 4) << 30
                  | BIT(12 + below(r, 16));
    }
    if (once_in(r, 8)) {
        ste[0] = (ste[0] & 0xf80000000000003f)
                 | (random_address(r) & 0xfffffffffffc0);
    }
}

/* The words are written one by one, while the other CPU sends commands */
void smmu_ste(Random *r, Counts *counts)
{
    uint64_t ste[4], at = ste_address(random_sid(r));
    unsigned first = below(r, 4);

    random_ste(r, ste);
    if (once_in(r, 4)) {
        unsigned n = below(r, 4);

        ste[n] = flip(r, ste[n], 64);
    }
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = (first + i) & 3;

        put64(at + 8 * n, ste[n]);
    }
    counts->stes++;
}

void smmu_cd(Random *r, Counts *counts)
{
    unsigned context = below(r, NCONTEXTS);
    uint64_t at = context_table(context);

    if (once_in(r, 4)) {                            /* a substream */
        at += 64 * below(r, 1024);
    } else if (once_in(r, 4)) {                     /* level 1 */
        put64(at + 8 * below(r, 64), random_address(r) | below(r, 2));
    }
    switch (below(r, 6)) {
    case 0:
        put64(at, flip(r, get64(at), 64));
        break;
    case 1:
        put64(at + 8, random_address(r) & ~0xfULL);
        break;
    case 2:     /* granule, size, IPS */
        put64(at, (CD_VALID & ~0xffULL & ~(7ULL << 32)) | below(r, 64)
                  | below(r, 4) << 6 | (uint64_t)below(r, 8) << 32
                  | (uint64_t)(context + 1) << 48);
        break;
    default:
        cd_valid(context);
    }
    counts->cds++;
}

void smmu_pte(Random *r, Counts *counts)
{
    unsigned context = below(r, NCONTEXTS);
    uint64_t at = page_table(below(r, NTABLES)) + 8 * below(r, 512), pte;

    switch (below(r, 8)) {
    case 0:
        pte = 0;
        break;
    case 1:
        pte = any(r);
        break;
    case 2:
        pte = (random_address(r) & 0xfffffffff000) | PTE_PAGE;
        break;
    case 3:
        pte = page_table(below(r, NTABLES)) | PTE_TABLE;
        break;
    case 4:
        pte = flip(r, get64(at), 64);
        break;
    default:
        at = page_table(context) + 8 * (va(context) >> 30);
        pte = RAM | PTE_BLOCK;
    }
    put64(at, not_the_program(pte & 0xfffffffff000) == (pte & 0xfffffffff000)
              || (pte & 0xfffffffff000) == RAM ? pte : 0);
    counts->ptes++;
}
