/*
 * PCI Express: power management events (PME) of ports with hot-plug
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pcie_pme.h"
#include "hw/pci/pcie_port.h"
#include "trace.h"

#define SLOT_EVENTS (PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE)

static bool has_pme(const PCIDevice *d)
{
    return d->cap_present & QEMU_PCI_CAP_PM &&
           pci_get_word(d->config + d->pm_cap + PCI_PM_PMC) &
           PCI_PM_CAP_PME_D3hot;
}

/* The port that a PME of @d goes to */
static PCIDevice *root_port(PCIDevice *d)
{
    while (d && pcie_cap_get_type(d) != PCI_EXP_TYPE_ROOT_PORT) {
        d = pci_get_bus(d)->parent_dev;
    }
    return d;
}

static bool wants_interrupt(const PCIDevice *root)
{
    const uint8_t *exp = root->config + root->exp.exp_cap;

    return pci_get_word(exp + PCI_EXP_RTCTL) & PCI_EXP_RTCTL_PMEIE &&
           pci_get_long(exp + PCI_EXP_RTSTA) & PCI_EXP_RTSTA_PME;
}

static void notify(PCIDevice *root)
{
    unsigned vector = pcie_cap_flags_get_vector(root);

    if (msix_enabled(root)) {
        msix_notify(root, vector);
    } else if (msi_enabled(root)) {
        msi_notify(root, vector);
    } else if (pci_intx(root) != -1) {
        pci_irq_assert(root);
    }
}

/* Whether an event of the slot is to wake software */
static bool slot_wakes(const PCIDevice *port)
{
    const uint8_t *exp = port->config + port->exp.exp_cap;
    uint16_t pmcsr = pci_get_word(port->config + port->pm_cap + PCI_PM_CTRL);

    return pmcsr & PCI_PM_CTRL_STATE_MASK && pmcsr & PCI_PM_CTRL_PME_ENABLE &&
           pci_get_word(exp + PCI_EXP_SLTCTL) &
           pci_get_word(exp + PCI_EXP_SLTSTA) & SLOT_EVENTS;
}

void pcie_pme_slot_changed(PCIDevice *port)
{
    PCIDevice *root = root_port(port);
    uint8_t *status;

    if (!has_pme(port) || !root || !slot_wakes(port) ||
        pci_word_test_and_set_mask(port->config + port->pm_cap + PCI_PM_CTRL,
                                   PCI_PM_CTRL_PME_STATUS)) {
        return;
    }
    trace_pcie_pme(port->name, pci_requester_id(port));
    status = root->config + root->exp.exp_cap + PCI_EXP_RTSTA;
    if (pci_get_long(status) & PCI_EXP_RTSTA_PME) {
        return;         /* software has yet to handle an earlier one */
    }
    pci_set_long(status, PCI_EXP_RTSTA_PME | pci_requester_id(port));
    if (wants_interrupt(root)) {
        notify(root);
    }
}

void pcie_pme_write_config(PCIDevice *port, uint32_t addr, int len)
{
    uint32_t exp = port->exp.exp_cap;

    if (!has_pme(port)) {
        return;
    }
    if (range_covers_byte(addr, len, port->pm_cap + PCI_PM_CTRL)) {
        pcie_pme_slot_changed(port);
    }
    if (pcie_cap_get_type(port) != PCI_EXP_TYPE_ROOT_PORT) {
        return;
    }
    if (range_covers_byte(addr, len, exp + PCI_EXP_RTCTL) &&
        wants_interrupt(port)) {
        notify(port);
    }
    if (!wants_interrupt(port) && !msix_enabled(port) && !msi_enabled(port) &&
        pci_intx(port) != -1 && !port->exp.hpev_notified) {
        pci_irq_deassert(port);
    }
}

void pcie_pme_reset(PCIDevice *port)
{
    if (!has_pme(port)) {
        return;
    }
    pci_word_test_and_clear_mask(port->config + port->pm_cap + PCI_PM_CTRL,
                                 PCI_PM_CTRL_STATE_MASK |
                                 PCI_PM_CTRL_PME_ENABLE |
                                 PCI_PM_CTRL_PME_STATUS);
    if (pcie_cap_get_type(port) == PCI_EXP_TYPE_ROOT_PORT) {
        pci_set_long(port->config + port->exp.exp_cap + PCI_EXP_RTSTA, 0);
    }
}

static void pme_init(PCIDevice *port)
{
    uint32_t exp = port->exp.exp_cap;
    Error *err = NULL;
    int cap = pci_pm_init(port, 0, &err);

    if (cap < 0) {
        warn_reportf_err(err, "%s: ", port->name);
        return;
    }
    pci_set_word(port->config + cap + PCI_PM_PMC,
                 3 | PCI_PM_CAP_PME_D0 | PCI_PM_CAP_PME_D3hot);
    pci_set_word(port->config + cap + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(port->wmask + cap + PCI_PM_CTRL,
                 PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE);
    pci_set_word(port->w1cmask + cap + PCI_PM_CTRL, PCI_PM_CTRL_PME_STATUS);
    if (pcie_cap_get_type(port) == PCI_EXP_TYPE_ROOT_PORT) {
        pci_word_test_and_set_mask(port->wmask + exp + PCI_EXP_RTCTL,
                                   PCI_EXP_RTCTL_PMEIE);
        pci_long_test_and_set_mask(port->w1cmask + exp + PCI_EXP_RTSTA,
                                   PCI_EXP_RTSTA_PME);
        /* The last requester is state: it migrates and need not be equal */
        pci_set_long(port->cmask + exp + PCI_EXP_RTSTA, 0);
    }
}

/* Ports of CXL do not call the functions above */
static bool is_port_with_hotplug(PCIDevice *d)
{
    return (object_dynamic_cast(OBJECT(d), TYPE_PCIE_ROOT_PORT) ||
            object_dynamic_cast(OBJECT(d), "xio3130-downstream")) &&
           !(d->cap_present & QEMU_PCIE_CAP_CXL) &&
           pci_get_long(d->config + d->exp.exp_cap + PCI_EXP_SLTCAP) &
           PCI_EXP_SLTCAP_HPC;
}

static void init_port(PCIBus *bus, PCIDevice *d, void *opaque)
{
    if (is_port_with_hotplug(d) && !(d->cap_present & QEMU_PCI_CAP_PM)) {
        pme_init(d);
    }
}

void pcie_pme_init_below(PCIBus *bus)
{
    PCIBus *child;

    pci_for_each_device_under_bus(bus, init_port, NULL);
    QLIST_FOREACH(child, &bus->child, sibling) {
        if (!pci_bus_is_root(child)) {
            pcie_pme_init_below(child);
        }
    }
}
