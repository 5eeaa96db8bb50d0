/*
 * PCI Address Translation Services (ATS) of emulated functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "hw/pci/pci_ats.h"

void pci_ats_invalidate(PCIDevice *dev, const PCIATSInvalidation *inv)
{
    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_ATS_FUNCTION)) {
        PCI_ATS_FUNCTION_GET_CLASS(dev)->invalidate(dev, inv);
    }
}

static const TypeInfo pci_ats_function_info = {
    .name = TYPE_PCI_ATS_FUNCTION,
    .parent = TYPE_INTERFACE,
    .class_size = sizeof(PCIATSFunctionClass),
};

static void pci_ats_register_types(void)
{
    type_register_static(&pci_ats_function_info);
}

type_init(pci_ats_register_types)
