/*
 * A PCI function for tests: its state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_PASID_TESTDEV_H
#define HW_MISC_PASID_TESTDEV_H

#include "qemu/units.h"
#include "hw/pci/pci_device.h"
#include "pasid-testdev-cache.h"

#define TYPE_PASID_TESTDEV "pasid-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(PasidTestdev, PASID_TESTDEV)

/* Registers, of 32 bits each; addresses have two of them */
enum {
    R_ID,                       /* read-only: ID_VALUE */
    R_STATUS,                   /* read-only: the result of the last copy */
    R_SOURCE_LO,
    R_SOURCE_HI,
    R_DESTINATION_LO,
    R_DESTINATION_HI,
    R_SOURCE_PASID,             /* PASID_VALID, and the PASID */
    R_DESTINATION_PASID,
    R_LENGTH,                   /* in bytes */
    R_COMMAND,                  /* write-only: COMMAND_COPY */
    R_ENABLED,                  /* read-only: what software has enabled */
    R_CACHED,                   /* read-only: number of translations */
    R_INVALIDATIONS,            /* read-only: number of Invalidate Requests */
    N_REGS,
};

#define STATUS_DONE         BIT(0)
#define STATUS_READ_FAULT   BIT(1)
#define STATUS_WRITE_FAULT  BIT(2)
#define STATUS_NOT_SENT     BIT(3)      /* PASIDs or DMA are not enabled */
#define STATUS_BUSY         BIT(4)      /* a stalled transaction */

#define PASID_VALID         BIT(31)
#define PASID_MASK          MAKE_64BIT_MASK(0, 20)

#define LENGTH_MAX          (64 * KiB)

struct PasidTestdev {
    PCIDevice parent_obj;

    MemoryRegion bar;
    uint8_t pasid_bits;
    uint32_t regs[N_REGS];
    PasidTestdevCache cache;

    /* A copy that may stall: how much has been read, and how much written */
    bool stall;
    QEMUTimer *timer;
    uint32_t n_read, n_written;
    uint8_t buf[LENGTH_MAX];
};

/* What software has enabled */
bool pasid_testdev_has_pasid(PasidTestdev *s);
bool pasid_testdev_has_ats(PasidTestdev *s);
bool pasid_testdev_is_master(PasidTestdev *s);

/* Execute the copy that the registers describe, or start it; sets STATUS */
void pasid_testdev_start_copy(PasidTestdev *s);
/* The timer of a copy that is stalled */
void pasid_testdev_continue_copy(void *opaque);

#endif /* HW_MISC_PASID_TESTDEV_H */
