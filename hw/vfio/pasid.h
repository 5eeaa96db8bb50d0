/*
 * VFIO: create a PASID capability
 *
 * The kernel hides the capability of the device and its position. These
 * functions treat config space as an array of bytes, and know no devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_PASID_H
#define HW_VFIO_PASID_H

/**
 * vfio_pasid_find_offset - find a place for the capability
 * @config: PCIE_CONFIG_SPACE_SIZE bytes, with the extended capabilities that
 *          the guest will see
 *
 * Finds the highest place that has only zeros and overlaps no capability. The
 * sizes of capabilities are guessed if they cannot be read.
 *
 * Returns: the offset, or 0 if there is none.
 */
uint16_t vfio_pasid_find_offset(const uint8_t *config);

/**
 * vfio_pasid_check_offset - can the capability be at an offset of the user?
 * @config: as above
 * @offset: the offset
 *
 * Assumes that the guest needs no registers there. Returns: false with @errp
 * set if @offset is invalid, or in the header of a capability.
 */
bool vfio_pasid_check_offset(const uint8_t *config, uint16_t offset,
                             Error **errp);

/**
 * vfio_pasid_init - fill in the registers after the capability's header
 * @config: the capability, of PCI_EXT_CAP_PASID_SIZEOF bytes
 * @wmask: the bits that the guest can write
 * @value: of the PASID Capability register
 */
void vfio_pasid_init(uint8_t *config, uint8_t *wmask, uint16_t value);

/* Apply a reset of the device to the capability at @config */
void vfio_pasid_reset(uint8_t *config);

#endif /* HW_VFIO_PASID_H */
