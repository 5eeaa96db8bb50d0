/*
 * A guest without an operating system that abuses its vSMMU
 *
 * It prints READY and waits for a line "go SEED SECONDS MODE LOG2" of
 * hexadecimal numbers on its console.  It prints its counts each second,
 * and DONE with the counts at the end; then it waits for the next line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "hostile.h"

enum { SPIN, ABUSE, FAULTS, FAULTS_TOGGLED };

#define PHASE       4096        /* steps with the same preferences */
#define LOG2_EVENTS 7

typedef struct Cpu {
    Random random;
    Counts counts;
} Cpu;

extern void start_secondary(void);
extern uint64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

volatile uint64_t refused_accesses;

static Cpu cpus[2];
static volatile uint64_t rounds;        /* a new one lets CPU 1 begin */
static volatile uint64_t ends_at;       /* of the timer */
static volatile unsigned mode;

void *memset(void *to, int value, size_t n)
{
    for (volatile uint8_t *p = to; n; n--) {
        *p++ = value;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    const uint8_t *q = from;

    for (volatile uint8_t *p = to; n; n--) {
        *p++ = *q++;
    }
    return to;
}

/* -------------------------------------------------------------- console */

static void print(const char *text)
{
    for (; *text; text++) {
        put32(UART, *text);
    }
}

static void print_number(uint64_t n)
{
    char text[21], *p = text + 20;

    *p = 0;
    do {
        *--p = '0' + n % 10;
        n /= 10;
    } while (n);
    print(" ");
    print(p);
}

static char read_char(void)
{
    while (get32(UART + 0x18) & BIT(4)) {       /* RXFE */
        asm volatile("wfe" : : : "memory");
    }
    return get32(UART);
}

/* The next hexadecimal number of the line */
static uint64_t read_number(void)
{
    uint64_t n = 0;
    bool begun = false;

    for (;;) {
        char c = read_char();

        if (c >= '0' && c <= '9') {
            n = n << 4 | (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            n = n << 4 | (c - 'a' + 10);
        } else if (begun) {
            return n;
        } else {
            continue;
        }
        begun = true;
    }
}

static void wait_for_go(void)
{
    char last = 0, c = 0;

    do {
        last = c;
        c = read_char();
    } while (last != 'g' || c != 'o');
}

/* ---------------------------------------------------------------- time */

static uint64_t now(void)
{
    uint64_t value;

    asm volatile("isb; mrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

static uint64_t frequency(void)
{
    uint64_t value;

    asm volatile("mrs %0, cntfrq_el0" : "=r"(value));
    return value;
}

/* --------------------------------------------------------------- abuse */

static void recover(unsigned log2_events)
{
    pci_recover();
    smmu_recover(log2_events);
    cmdqv_recover();
}

typedef void Step(Random *r, Counts *counts);

static Step *const steps[] = {
    smmu_command, smmu_ste, smmu_cd, smmu_pte, smmu_register, smmu_read,
    cmdqv_step, nvme_step, pci_step,
};

/* So that each phase has most of one thing and little of others */
static unsigned choose(Random *r, const uint16_t *weight)
{
    uint32_t sum = 0, at;
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(steps); n++) {
        sum += weight[n];
    }
    at = below(r, sum);
    for (n = 0; at >= weight[n]; n++) {
        at -= weight[n];
    }
    return n;
}

static void new_phase(Random *r, uint16_t *weight)
{
    for (unsigned n = 0; n < ARRAY_SIZE(steps); n++) {
        weight[n] = 1 + below(r, 16) * below(r, 16);
    }
    /* One of these takes as long as hundreds of others */
    weight[ARRAY_SIZE(steps) - 1] = weight[ARRAY_SIZE(steps) - 2] = 1;
    weight[0] += 64;
}

static void print_counts(const char *what)
{
    Counts sum = cpus[0].counts;
    const Counts *other = &cpus[1].counts;

    sum.commands += other->commands;
    sum.stes += other->stes;
    sum.cds += other->cds;
    sum.ptes += other->ptes;
    sum.registers += other->registers;
    sum.reads += other->reads;
    sum.cmdqv += other->cmdqv;
    sum.dma += other->dma;
    sum.config += other->config;
    sum.recoveries += other->recoveries;
    print(what);
    print_number(sum.commands);
    print_number(sum.stes);
    print_number(sum.cds);
    print_number(sum.ptes);
    print_number(sum.registers);
    print_number(sum.reads);
    print_number(sum.cmdqv);
    print_number(sum.dma);
    print_number(sum.config);
    print_number(sum.recoveries);
    print_number(refused_accesses);
    print("\n");
}

static void beat(unsigned cpu, uint64_t *next)
{
    if (!cpu && now() >= *next) {
        *next += frequency();
        print_counts("BEAT");
    }
}

static void abuse(unsigned cpu)
{
    Cpu *self = &cpus[cpu];
    uint16_t weight[ARRAY_SIZE(steps)];
    uint64_t next = now() + frequency();

    for (uint64_t n = 0; now() < ends_at; n++) {
        if (n % PHASE == 0) {
            new_phase(&self->random, weight);
        }
        if (once_in(&self->random, 1024)) {
            recover(LOG2_EVENTS);
            self->counts.recoveries++;
        }
        steps[choose(&self->random, weight)](&self->random, &self->counts);
        beat(cpu, &next);
    }
}

static void spin(unsigned cpu)
{
    uint64_t next = now() + frequency();

    while (now() < ends_at) {
        for (unsigned i = 0; i < 1000; i++) {
            any(&cpus[cpu].random);
        }
        beat(cpu, &next);
    }
}

/* CPU 0 lets a device fault without end; CPU 1 switches the event queue */
static void faults(unsigned log2)
{
    uint64_t next = now() + frequency();
    unsigned tail = 0;

    recover(log2);
    if (!nvme_faults_start()) {
        print("no NVMe\n");
        return;
    }
    while (now() < ends_at) {
        unsigned n = nvme_faults(0x600000000000, &tail);

        if (!n) {       /* it took offence at an earlier state */
            recover(log2);
            tail = 0;
            nvme_faults_start();
            cpus[0].counts.recoveries++;
        }
        cpus[0].counts.dma += n;
        if (log2 && once_in(&cpus[0].random, 8)) {
            put32(SMMU + EVENTQ_CONS, get32(SMMU + EVENTQ_PROD));
        }
        beat(0, &next);
    }
}

static void toggle(void)
{
    while (now() < ends_at) {
        put32(SMMU + CR0, CR0_ON & ~CR0_EVENTQEN);
        put32(SMMU + CR0, CR0_ON);
        cpus[1].counts.registers += 2;
    }
}

static void one_round(unsigned cpu, unsigned log2)
{
    switch (mode) {
    case ABUSE:
        abuse(cpu);
        break;
    case SPIN:
        spin(cpu);
        break;
    default:
        if (!cpu) {
            faults(log2);
        } else if (mode == FAULTS_TOGGLED) {
            toggle();
        }
    }
}

static volatile uint64_t done_by_cpu1;

static void cpu1(void)
{
    for (uint64_t seen = 0;;) {
        while (rounds == seen) {
            asm volatile("wfe" : : : "memory");     /* KVM lets others run */
        }
        seen = rounds;
        one_round(1, 0);
        done_by_cpu1 = seen;
        barrier();
    }
}

static void cpu0(void)
{
    put32(UART + 0x30, 0);              /* CR: off */
    put32(UART + 0x2c, 0x70);           /* LCRH: 8 bits, FIFOs */
    put32(UART + 0x30, 0x301);          /* CR: on */
    rounds = done_by_cpu1 = 0;
    hvc(0xc4000003, 1, (uint64_t)start_secondary, 1);       /* CPU_ON */
    recover(LOG2_EVENTS);
    print("READY\n");
    for (;;) {
        uint64_t seed, seconds;
        unsigned log2;

        wait_for_go();
        seed = read_number();
        seconds = read_number();
        mode = read_number();
        log2 = read_number();
        memset(cpus, 0, sizeof(cpus));
        cpus[0].random.state = seed;
        cpus[1].random.state = ~seed;
        refused_accesses = 0;
        ends_at = now() + seconds * frequency();
        barrier();
        rounds++;
        one_round(0, log2);
        while (done_by_cpu1 != rounds) {
            asm volatile("wfe" : : : "memory");
        }
        print_counts("DONE");
    }
}

void start_cpu(unsigned cpu);

void start_cpu(unsigned cpu)
{
    if (cpu) {
        cpu1();
    } else {
        cpu0();
    }
}
