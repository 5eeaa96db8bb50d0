/*
 * VFIO: a PASID capability of QEMU's making
 *
 * The kernel hides that of the device and does not tell its place. These
 * functions know config space as an array of bytes, and nothing of devices.
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
 * The highest that has nothing but zeros and is clear of every capability, of
 * which the sizes are guessed where they cannot be read.
 *
 * Returns: its offset, or 0 if there is none.
 */
uint16_t vfio_pasid_find_offset(const uint8_t *config);

/**
 * vfio_pasid_check_offset - can the capability be put where the user says?
 * @config: as above
 * @offset: where to
 *
 * Takes the user's word for it that the registers there are of no use. Returns:
 * false with @errp set if @offset is none, or the start of a capability.
 */
bool vfio_pasid_check_offset(const uint8_t *config, uint16_t offset,
                             Error **errp);

/**
 * vfio_pasid_init - fill in the registers after the capability's header
 * @config: the capability, of PCI_EXT_CAP_PASID_SIZEOF bytes
 * @wmask: what the guest can write of it
 * @value: of the PASID Capability register
 */
void vfio_pasid_init(uint8_t *config, uint8_t *wmask, uint16_t value);

/* What a reset of the device does to the capability at @config */
void vfio_pasid_reset(uint8_t *config);

#endif /* HW_VFIO_PASID_H */
