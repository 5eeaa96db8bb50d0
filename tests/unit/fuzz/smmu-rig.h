/*
 * An arm-smmuv3 without a machine, with memory in an array
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_FUZZ_SMMU_RIG_H
#define TESTS_UNIT_FUZZ_SMMU_RIG_H

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "hw/arm/smmuv3.h"
#include "fuzz.h"

#define SMMU_RIG_RAM        0x40000000ULL
#define SMMU_RIG_RAM_SIZE   0x10000
#define SMMU_RIG_MMIO       0x09000000ULL   /* a device model */
#define SMMU_RIG_DEVICES    4

extern uint8_t smmu_rig_ram[SMMU_RIG_RAM_SIZE];

/* The only one, reset, with empty memory; @stage: "1", "2" or "nested" */
SMMUv3State *smmu_rig_new(const char *stage);

/* Called after the SMMU has read memory, which may change then; or NULL */
void smmu_rig_on_read(void (*func)(hwaddr addr));

uint64_t smmu_rig_read(hwaddr offset, unsigned size);
void smmu_rig_write(hwaddr offset, uint64_t value, unsigned size);

/* DMA of one of the devices */
IOMMUTLBEntry smmu_rig_translate(unsigned devfn, hwaddr addr,
                                 IOMMUAccessFlags flags);

/* Bottom halves, and the registers in a migration stream */
void smmu_rig_poll(void);
GByteArray *smmu_rig_save(void);
int smmu_rig_load(const GByteArray *stream);

#endif
