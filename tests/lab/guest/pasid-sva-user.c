/*
 * Processes in the guest that share their address spaces with a device
 *
 * The device is the PCI function for tests that can stall, bound to the driver
 * pasid-sva. Nothing is pinned: the device finds pages that the process has never
 * touched, and waits until the kernel has made them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    0x1000UL
#define SIZE    (8 * PAGE)

enum { DONE = 1, READ_FAULT = 2, WRITE_FAULT = 4 };

struct copy {
    uint64_t source, destination, length;
};

static int device;

static uint8_t *new_memory(int populate)
{
    uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                      MAP_ANONYMOUS | (populate ? MAP_POPULATE : 0), -1, 0);

    if (p == MAP_FAILED) {
        err(1, "memory");
    }
    return p;
}

static uint32_t copy(const void *source, void *destination)
{
    struct copy copy = {
        (uintptr_t)source, (uintptr_t)destination, SIZE,
    };
    uint32_t status;

    /* STATUS is that of the last copy, whoever asked for it */
    if (flock(device, LOCK_EX)) {
        err(1, "flock");
    }
    if (write(device, &copy, sizeof(copy)) != sizeof(copy) ||
        read(device, &status, sizeof(status)) != sizeof(status)) {
        err(1, "/dev/pasid-sva");
    }
    flock(device, LOCK_UN);
    return status;
}

static void expect(const char *what, uint32_t status, uint32_t want)
{
    printf("%s: status %u\n", what, status);
    if (status != want) {
        errx(1, "%s: the status is %u, not %u", what, status, want);
    }
}

static void expect_same(const char *what, const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, SIZE)) {
        errx(1, "%s: other data", what);
    }
}

static void fill(uint8_t *p)
{
    if (getrandom(p, SIZE, 0) != SIZE) {
        err(1, "getrandom");
    }
}

/* How many pages of @p are in memory */
static int resident(uint8_t *p)
{
    unsigned char vec[SIZE / PAGE];
    int n = 0;

    if (mincore(p, SIZE, vec)) {
        err(1, "mincore");
    }
    for (unsigned i = 0; i < SIZE / PAGE; i++) {
        n += vec[i] & 1;
    }
    return n;
}

/* The same in the parent and the child, at the same addresses */
static void work(uint8_t *from, uint8_t *to)
{
    uint8_t *zero = new_memory(0);

    if (resident(to)) {
        errx(1, "the destination is in memory before the copy");
    }
    expect("to pages that do not exist yet", copy(from, to), DONE);
    expect_same("to pages that do not exist yet", from, to);

    memset(to, 1, SIZE);
    expect("from pages that do not exist yet", copy(zero, to), DONE);
    expect_same("from pages that do not exist yet", zero, to);

    /* They come back after the kernel has taken them away */
    fill(from);
    if (madvise(to, SIZE, MADV_DONTNEED)) {
        err(1, "madvise");
    }
    expect("to pages that were taken away", copy(from, to), DONE);
    expect_same("to pages that were taken away", from, to);

    if (mprotect(to, SIZE, PROT_READ)) {
        err(1, "mprotect");
    }
    expect("to pages that are read-only", copy(zero, to), WRITE_FAULT);
    expect_same("read-only pages", from, to);
    if (munmap(zero, SIZE)) {
        err(1, "munmap");
    }
    expect("from an address without memory", copy(zero, from), READ_FAULT);
}

int main(void)
{
    uint8_t *from = new_memory(1), *to = new_memory(0);
    pid_t child = fork();
    int status = 0;

    if (child < 0) {
        err(1, "fork");
    }
    /* Only now: a bond is to the address space of who opens the file */
    device = open("/dev/pasid-sva", O_RDWR);
    if (device < 0) {
        err(1, "/dev/pasid-sva");
    }
    fill(from);
    work(from, to);
    if (!child) {
        return 0;
    }
    if (waitpid(child, &status, 0) < 0 || status) {
        errx(1, "the other process failed");
    }
    puts("all right");
    return 0;
}
