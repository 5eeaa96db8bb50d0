/*
 * arm-smmuv3-accel in a unit test: vSMMUs without a machine
 *
 * All modules of hw/arm/smmuv3-accel* that call the kernel run on
 * fake-iommufd.c, with stubs for the PCI bus and for arm-smmuv3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_SMMUV3_ACCEL_RIG_H
#define TESTS_UNIT_SMMUV3_ACCEL_RIG_H

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3-accel-cmdqv.h"
#include "hw/arm/smmuv3-accel-device.h"
#include "hw/arm/smmuv3-accel-evaluate.h"
#include "hw/arm/smmuv3-accel-state.h"
#include "hw/pci/pci_bus.h"
#include "system/hostmem.h"
#include "fake-iommufd.h"

/* An SMMU that fits any guest, and another one with the same registers */
extern const FakeSMMU host_smmu, other_smmu;
/* The same with a CMDQV: two queues and 16 StreamIDs for each of 3 guests */
extern const FakeSMMU cmdqv_smmu;

typedef struct RigBus {
    PCIBus bus;
    int num;            /* set by the guest; 0: not yet */
} RigBus;

/* A vSMMU of bus 0, an iommufd, and buses 1 to 9 for one device each */
#define RIG_BUSES 9
typedef struct Rig {
    FakeIOMMUFD *iommufd;
    const FakeSMMU *smmu;   /* of plugged devices; initially @host_smmu */
    SMMUv3AccelState *s;
    SMMUv3State *s3;
    RigBus bus[RIG_BUSES + 1];
    FakeDevice *dev[RIG_BUSES + 1];     /* one at function 0 of each bus */
} Rig;

#define SID(bus) PCI_BUILD_BDF(bus, 0)

void rig_init(int *argc, char ***argv);
Rig *rig_new(FakeKernel kernel);
/* Unplug all devices, and check that the iommufd is empty */
void rig_free(Rig *rig);

SMMUv3AccelState *rig_vsmmu_new(const char *id);
void rig_vsmmu_free(SMMUv3AccelState *s);

/* VFIO realizes or unrealizes a device on bus @bus */
bool rig_plug(Rig *rig, int bus, Error **errp);
/* The same for a function in an IOMMU group; the caller unplugs it */
FakeDevice *rig_plug_in_group(Rig *rig, int bus, int devfn, int group,
                              Error **errp);
void rig_unplug(Rig *rig, int bus);

/* Set an entry of the guest's stream table; NULL: no entry, as initially */
STE *rig_ste(uint32_t sid);
void rig_set_ste(uint32_t sid, const STE *ste);
void rig_set_s1(uint32_t sid, uint64_t ctxptr);
void rig_set_config(uint32_t sid, int config);

/*
 * Set whether register writes of this thread are a vCPU's own, so that the BQL
 * may be dropped, and whether vCPUs have been asked to stop
 */
void rig_set_alone(bool alone);
void rig_set_shall_stop(bool shall_stop);
/* Who waits for a write for a limited time, waits without a limit */
void rig_set_patient(bool is_patient);
/*
 * Set whether there are vCPUs that handle a doorbell which a device rings; and
 * let one handle it: returns whether there was anything to do
 */
void rig_set_can_run(bool can_run);
bool rig_run_deferred(void);

/* The guest writes a register, with all effects */
MemTxResult rig_write(Rig *rig, hwaddr offset, uint64_t data);
/* The number of writes that have reached the base class */
unsigned int rig_base_writes(void);
void rig_write_cr0(Rig *rig, uint32_t value);
void rig_write_gbpa(Rig *rig, uint32_t value);
void rig_write_eventq_size(Rig *rig, uint8_t log2size);
void rig_reset(Rig *rig);
#define CR0_SMMUEN      R_CR0_SMMU_ENABLE_MASK
#define CR0_EVENTQEN    R_CR0_EVENTQEN_MASK

/* The guest sends a command and rings; returns the SMMUCmdError */
#define RIG_LOG2_CMDQ 12
void rig_put_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2);
void rig_put_words(Rig *rig, uint64_t word0, uint64_t word1);
int rig_ring(Rig *rig);

/* Commands in the queue, and the end of the queue */
void rig_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2);
void rig_drained(Rig *rig);
void rig_cfgi_ste(Rig *rig, uint32_t sid);
void rig_cfgi_all(Rig *rig);

/* The events in the guest's queue since the last call */
typedef struct RigEvents {
    unsigned n, overflows;
    Evt last;
} RigEvents;
RigEvents rig_events(void);
/* Called when an event is delivered, like an MSI; NULL: nothing */
void rig_on_event(void (*func)(void));

/*
 * Called when a thread has dropped the BQL, and before it waits for another
 * one; before QEMU reads an STE; and after a command of the guest. NULL:
 * nothing
 */
void rig_on_unlock(void (*func)(void));
void rig_on_wait(void (*func)(bool forever));
void rig_on_ste_read(void (*func)(uint32_t sid));
void rig_on_command(void (*func)(const Cmd *cmd, int error));
void rig_command_done(const Cmd *cmd, int error);
/* Whether the guest may write registers that have no effect in the rig */
void rig_set_any_register(bool any);

/* The smallest page of guest memory on the host; initially 4096 */
void rig_set_page_size(long size);

/* Messages since the last call */
char *rig_messages(void);
/* After an expected failure of a plug: log and free the error */
void rig_refused(Error *err);

/* assert the DMA of the device on @bus, and the calls since the last check */
void rig_assert_dma(Rig *rig, int bus, const char *want);
void rig_assert_calls(Rig *rig, const char *want);

#endif
