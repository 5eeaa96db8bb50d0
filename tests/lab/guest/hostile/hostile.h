/*
 * A guest without an operating system that abuses its vSMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The virt machine with highmem-ecam=off, as metal.py has it */
#define UART        0x09000000ULL
#define SMMU        0x0c000000ULL
#define CMDQV       0x0c080000ULL
#define ITS         0x08090040ULL   /* the doorbell of MSIs */
#define WINDOW      0x10000000ULL
#define ECAM        0x3f000000ULL
#define RAM         0x40000000ULL
#define RAM_END     0x50000000ULL

/* What the SMMU and the devices read and write: never the program */
#define ARENA       0x44000000ULL
#define CMDQ        (ARENA + 0x000000)      /* up to 2^16 commands */
#define STRTAB      (ARENA + 0x100000)      /* 2^10 STEs */
#define STRTAB_L1   (ARENA + 0x180000)      /* level 1, for 2^10 StreamIDs */
#define CONTEXTS    (ARENA + 0x200000)      /* NCONTEXTS tables of CDs */
#define TABLES      (ARENA + 0x300000)      /* page tables */
#define VCMDQ       (ARENA + 0x400000)
#define QUEUES      (ARENA + 0x500000)      /* of the NVMes */
#define EVENTQ      (ARENA + 0x1000000)     /* up to 2^19 events */
#define ARENA_END   0x48000000ULL

#define NCONTEXTS   8
#define CONTEXT_SIZE 0x10000
#define NTABLES     16
#define NDEVICES    3           /* root ports, with an NVMe below each */

/* Registers of the SMMU */
#define CR0         0x20
#define CR0ACK      0x24
#define GBPA        0x44
#define IRQ_CTRL    0x50
#define GERROR      0x60
#define GERRORN     0x64
#define GERROR_IRQ_CFG0 0x68
#define STRTAB_BASE 0x80
#define STRTAB_BASE_CFG 0x88
#define CMDQ_BASE   0x90
#define CMDQ_PROD   0x98
#define CMDQ_CONS   0x9c
#define EVENTQ_BASE 0xa0
#define EVENTQ_IRQ_CFG0 0xb0
#define EVENTQ_PROD 0x100a8
#define EVENTQ_CONS 0x100ac

#define CR0_SMMUEN  BIT(0)
#define CR0_EVENTQEN BIT(2)
#define CR0_CMDQEN  BIT(3)
#define CR0_ON      (CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN)

#define BIT(n)      (1ULL << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------- accesses */

/*
 * One instruction without write-back for each access: KVM cannot emulate
 * others.
 */
#define ACCESSORS(width, type, suffix, reg)                             \
static inline type get##width(uint64_t at)                              \
{                                                                       \
    type value;                                                         \
    asm volatile("ldr" suffix " %" reg "0, [%1]"                        \
                 : "=r"(value) : "r"(at) : "memory");                   \
    return value;                                                       \
}                                                                       \
static inline void put##width(uint64_t at, type value)                  \
{                                                                       \
    asm volatile("str" suffix " %" reg "0, [%1]"                        \
                 : : "r"(value), "r"(at) : "memory");                   \
}
ACCESSORS(8, uint8_t, "b", "w")
ACCESSORS(16, uint16_t, "h", "w")
ACCESSORS(32, uint32_t, "", "w")
ACCESSORS(64, uint64_t, "", "x")

static inline void barrier(void)
{
    asm volatile("dsb sy" : : : "memory");
}

/* ---------------------------------------------------------- random things */

typedef struct Random {
    uint64_t state;
} Random;

uint64_t any(Random *r);                        /* 64 bits */
uint32_t below(Random *r, uint32_t n);          /* 0 to n - 1 */
bool once_in(Random *r, uint32_t n);
uint64_t flip(Random *r, uint64_t value, int width);    /* one to three bits */

uint32_t random_sid(Random *r);
uint64_t random_address(Random *r);             /* memory, mostly the arena */
uint64_t random_iova(Random *r);
uint64_t not_the_program(uint64_t address);

/* What an IOVA of a context maps to offset 0 of RAM */
static inline uint64_t va(unsigned context)
{
    return (uint64_t)(2 + context % NCONTEXTS) << 30;
}

/* -------------------------------------------------- what the guest abuses */

typedef struct Counts {
    uint64_t commands, stes, cds, ptes, registers, reads, cmdqv, dma, config;
    uint64_t recoveries;
} Counts;

void smmu_recover(unsigned log2_events);
void smmu_command(Random *r, Counts *counts);
void smmu_ste(Random *r, Counts *counts);
void smmu_cd(Random *r, Counts *counts);
void smmu_pte(Random *r, Counts *counts);
void smmu_register(Random *r, Counts *counts);
void smmu_read(Random *r, Counts *counts);
void random_command(Random *r, uint64_t cmd[2]);

void cmdqv_recover(void);
void cmdqv_step(Random *r, Counts *counts);

void pci_recover(void);
void pci_step(Random *r, Counts *counts);
uint32_t pci_sid(unsigned device);
void nvme_step(Random *r, Counts *counts);
bool nvme_faults_start(void);
unsigned nvme_faults(uint64_t iova, unsigned *tail);

#endif
