/*
 * Accelerated SMMUv3: the IOMMU of a PCI root complex
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ACCEL_PCI_H
#define HW_ARM_SMMUV3_ACCEL_PCI_H

#include "hw/arm/smmu-common.h"

/* SMMUBaseClass::setup_pci_iommu */
bool smmuv3_accel_setup_pci_iommu(SMMUState *bs, Error **errp);

#endif /* HW_ARM_SMMUV3_ACCEL_PCI_H */
