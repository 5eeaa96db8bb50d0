/*
 * PCI Express: power management events (PME) of ports with hot-plug
 *
 * Software disables the hot-plug interrupt of a port that it puts into D3hot,
 * and learns of hot-plug by a PME. A port without a power management capability
 * cannot send one. Linux since 7.3 suspends such ports as well, except on x86,
 * and then does not notice that a device is plugged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_PCI_PCIE_PME_H
#define HW_PCI_PCIE_PME_H

#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"

/**
 * pcie_pme_init_below - let hot-plug ports of a root complex send PMEs
 * @bus: the root bus
 *
 * Adds a power management capability to each root port, and each downstream
 * port of a switch, that supports hot-plug and has none. The machine must not run
 * yet. A port without room for the capability stays as it is, with a warning.
 */
void pcie_pme_init_below(PCIBus *bus);

/* For the reset of a port */
void pcie_pme_reset(PCIDevice *port);

/* After a write to the config space of a port */
void pcie_pme_write_config(PCIDevice *port, uint32_t addr, int len);

/* After a change of the Slot Status of a port (PCIe 6.0, 6.7.3.4) */
void pcie_pme_slot_changed(PCIDevice *port);

#endif /* HW_PCI_PCIE_PME_H */
