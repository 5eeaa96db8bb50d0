/*
 * VFIO: create a PASID capability
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "hw/pci/pci.h"
#include "pasid.h"

#define SIZE            PCI_EXT_CAP_PASID_SIZEOF
#define LAST_OFFSET     (PCIE_CONFIG_SPACE_SIZE - SIZE)

/* Larger capabilities without a length are rare, and mostly zeros */
#define GUESSED_SIZE    0x100

/* Bits 31:20 of the second word of VSEC and DVSEC are their length */
#define VENDOR_LENGTH(word)     ((word) >> 20)

static unsigned capability_size(const uint8_t *config, uint16_t pos)
{
    switch (PCI_EXT_CAP_ID(pci_get_long(config + pos))) {
    case PCI_EXT_CAP_ID_VNDR:
    case PCI_EXT_CAP_ID_DVSEC:
        return VENDOR_LENGTH(pci_get_long(config + pos + 4));
    default:
        return GUESSED_SIZE;
    }
}

/* The capability after the one at @pos, or 0; a loop of them ends, too */
static uint16_t next_capability(const uint8_t *config, uint16_t pos,
                                unsigned *n_seen)
{
    uint16_t next = PCI_EXT_CAP_NEXT(pci_get_long(config + pos));

    if (next < PCI_CONFIG_SPACE_SIZE || next > LAST_OFFSET ||
        ++*n_seen > PCIE_CONFIG_SPACE_SIZE / SIZE) {
        return 0;
    }
    return next;
}

/* Without any, the first capability has to be where the chain starts */
static bool has_capabilities(const uint8_t *config)
{
    return pci_get_long(config + PCI_CONFIG_SPACE_SIZE);
}

/* Whether a capability, or only its header with @headers, overlaps @offset */
static bool is_taken(const uint8_t *config, uint16_t offset, bool headers)
{
    unsigned n_seen = 0;

    for (uint16_t pos = PCI_CONFIG_SPACE_SIZE; pos;
         pos = next_capability(config, pos, &n_seen)) {
        unsigned size = headers ? 0 : capability_size(config, pos);

        if (ranges_overlap(offset, SIZE, pos, MAX(size, SIZE))) {
            return true;
        }
    }
    return false;
}

uint16_t vfio_pasid_find_offset(const uint8_t *config)
{
    if (!has_capabilities(config)) {
        return PCI_CONFIG_SPACE_SIZE;
    }
    for (uint16_t offset = LAST_OFFSET; offset > PCI_CONFIG_SPACE_SIZE;
         offset -= SIZE) {
        if (buffer_is_zero(config + offset, SIZE) &&
            !is_taken(config, offset, false)) {
            return offset;
        }
    }
    return 0;
}

bool vfio_pasid_check_offset(const uint8_t *config, uint16_t offset,
                             Error **errp)
{
    if (offset < PCI_CONFIG_SPACE_SIZE || offset > LAST_OFFSET || offset % 4) {
        error_setg(errp, "x-vpasid-cap-offset=0x%x is not a place for a "
                   "capability: give a multiple of 4 from 0x%x to 0x%x, or 0 "
                   "to have one chosen", offset, PCI_CONFIG_SPACE_SIZE,
                   LAST_OFFSET);
        return false;
    }
    if (!has_capabilities(config)) {
        if (offset != PCI_CONFIG_SPACE_SIZE) {
            error_setg(errp, "x-vpasid-cap-offset=0x%x: the device has no "
                       "other extended capability, and the first one has to "
                       "be at 0x%x", offset, PCI_CONFIG_SPACE_SIZE);
            return false;
        }
        return true;
    }
    if (is_taken(config, offset, true)) {
        error_setg(errp, "x-vpasid-cap-offset=0x%x overlaps another "
                   "capability: give another offset, or 0 to have one chosen",
                   offset);
        return false;
    }
    return true;
}

void vfio_pasid_init(uint8_t *config, uint8_t *wmask, uint16_t value)
{
    pci_set_word(config + PCI_PASID_CAP, value);
    vfio_pasid_reset(config);
    /* The enable bits for EXEC and PRIV have the positions of the capability */
    pci_set_word(wmask + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE |
                 (value & (PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV)));
}

void vfio_pasid_reset(uint8_t *config)
{
    pci_set_word(config + PCI_PASID_CTRL, 0);
}
