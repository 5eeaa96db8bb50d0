/*
 * arm-smmuv3-accel in a unit test: vSMMUs without a machine
 *
 * Everything of hw/arm/smmuv3-accel* that calls the kernel, on fake-iommufd.c,
 * below stubs of the PCI bus and of arm-smmuv3.
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

/* An SMMU that any guest can live with, and another one that is the same */
extern const FakeSMMU host_smmu, other_smmu;
/* Such a one with a CMDQV: two queues and 16 StreamIDs for each of 3 guests */
extern const FakeSMMU cmdqv_smmu;

typedef struct RigBus {
    PCIBus bus;
    int num;            /* as the guest has set it; 0: not yet */
} RigBus;

/* A vSMMU of bus 0, an iommufd, and buses 1 to 9 to put a device on each */
#define RIG_BUSES 9
typedef struct Rig {
    FakeIOMMUFD *iommufd;
    const FakeSMMU *smmu;   /* of devices that are plugged; @host_smmu at first */
    SMMUv3AccelState *s;
    SMMUv3State *s3;
    RigBus bus[RIG_BUSES + 1];
    FakeDevice *dev[RIG_BUSES + 1];     /* one at function 0 of each bus */
} Rig;

#define SID(bus) PCI_BUILD_BDF(bus, 0)

void rig_init(int *argc, char ***argv);
Rig *rig_new(FakeKernel kernel);
/* Unplug what is there; the iommufd must be empty then */
void rig_free(Rig *rig);

SMMUv3AccelState *rig_vsmmu_new(const char *id);
void rig_vsmmu_free(SMMUv3AccelState *s);

/* VFIO realizes a device on bus @bus, and back */
bool rig_plug(Rig *rig, int bus, Error **errp);
/* ... a function of a device, in an IOMMU group; the caller unplugs it */
FakeDevice *rig_plug_in_group(Rig *rig, int bus, int devfn, int group,
                              Error **errp);
void rig_unplug(Rig *rig, int bus);

/* The guest's stream table; NULL: no such entry, which is so at first */
STE *rig_ste(uint32_t sid);
void rig_set_ste(uint32_t sid, const STE *ste);
void rig_set_s1(uint32_t sid, uint64_t ctxptr);
void rig_set_config(uint32_t sid, int config);

/*
 * Whether register writes of this thread are a vCPU's own from now on, so that
 * the BQL may be dropped, and whether vCPUs have been asked to stop
 */
void rig_set_alone(bool alone);
void rig_set_shall_stop(bool shall_stop);
/*
 * Whether there are vCPUs to work for what rings the doorbell from within a
 * device; and have one do so: whether there was anything to do
 */
void rig_set_can_run(bool can_run);
bool rig_run_deferred(void);

/* The guest writes a register, all that follows included */
MemTxResult rig_write(Rig *rig, hwaddr offset, uint64_t data);
/* How many writes have reached the base class */
unsigned int rig_base_writes(void);
void rig_write_cr0(Rig *rig, uint32_t value);
void rig_write_gbpa(Rig *rig, uint32_t value);
void rig_write_eventq_size(Rig *rig, uint8_t log2size);
void rig_reset(Rig *rig);
#define CR0_SMMUEN      R_CR0_SMMU_ENABLE_MASK
#define CR0_EVENTQEN    R_CR0_EVENTQEN_MASK

/* ... puts a command in its queue, and rings; returns the SMMUCmdError */
#define RIG_LOG2_CMDQ 12
void rig_put_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2);
void rig_put_words(Rig *rig, uint64_t word0, uint64_t word1);
int rig_ring(Rig *rig);

/* A command that is just there, or several, and that was all */
void rig_command(Rig *rig, uint8_t opcode, uint32_t sid, uint32_t word2);
void rig_drained(Rig *rig);
void rig_cfgi_ste(Rig *rig, uint32_t sid);
void rig_cfgi_all(Rig *rig);

/* What the guest got by its event queue since the last call */
typedef struct RigEvents {
    unsigned n, overflows;
    Evt last;
} RigEvents;
RigEvents rig_events(void);
/* Called when an event is delivered, as the MSI of one might; NULL: nothing */
void rig_on_event(void (*func)(void));

/* What the CMDQV says of itself; its registers are the test's own */
void rig_set_cmdqv(SMMUv3AccelCmdqvMode mode, const char *why);
/* The smallest page of guest memory on the host; 4096 at first */
void rig_set_page_size(long size);

/* Messages since the last call */
char *rig_messages(void);
/* A plug that failed, as it had to: logs why, and frees it */
void rig_refused(Error *err);

/* assert what DMA of the device on @bus does, and the calls since the last */
void rig_assert_dma(Rig *rig, int bus, const char *want);
void rig_assert_calls(Rig *rig, const char *want);

#endif
