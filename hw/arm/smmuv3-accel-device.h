/*
 * Accelerated SMMUv3: host devices that come and go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_DEVICE_H
#define HW_ARM_SMMUV3_ACCEL_DEVICE_H

#include "hw/arm/smmuv3-accel.h"
#include "system/host_iommu_device.h"

struct SMMUv3AccelDevice;

/**
 * smmuv3_accel_device_plug - take over a host device from VFIO
 * @hiod: the device, attached by VFIO to its nesting parent HWPT
 *
 * On success the device's attachment is what the registers and the STE of its
 * StreamID ask for, and remains so until smmuv3_accel_device_unplug().
 */
bool smmuv3_accel_device_plug(SMMUv3AccelState *s, PCIBus *bus, int devfn,
                              HostIOMMUDevice *hiod, Error **errp);

/*
 * Give the device back to VFIO, with its DMA blocked; none there: no effect.
 * Waits for nobody.
 */
void smmuv3_accel_device_unplug(SMMUv3AccelState *s, PCIBus *bus, int devfn);

/* The host device at this place, or NULL */
struct SMMUv3AccelDevice *
smmuv3_accel_device_find(SMMUv3AccelState *s, PCIBus *bus, int devfn);

/**
 * smmuv3_accel_pasid_cap - what the guest may do with PASIDs of this device
 * @dev: host device that has been admitted
 *
 * Returns: the PASID Capability register (PCI_PASID_CAP_*), 0 for none: the
 * device has none in the host, or the vSMMU no substreams.
 */
uint16_t smmuv3_accel_pasid_cap(SMMUv3AccelState *s,
                                const struct SMMUv3AccelDevice *dev);

#endif /* HW_ARM_SMMUV3_ACCEL_DEVICE_H */
