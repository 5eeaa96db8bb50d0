/*
 * smmuv3-spec: find which devices of a domain are behind which SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "domain.h"

/* Deeper than any guest can number its buses */
#define MAX_DEPTH 256

static const xmlNode *pci_address(const xmlNode *node)
{
    const xmlNode *address = domain_child(node, "address");

    return address && !g_strcmp0(domain_attr(address, "type"), "pci") ?
           address : NULL;
}

/* Controllers */

const Controller *domain_controller(const Domain *d, int index)
{
    for (guint i = 0; i < d->controllers->len; i++) {
        const Controller *c = g_ptr_array_index(d->controllers, i);

        if (c->index == index) {
            return c;
        }
    }
    return NULL;
}

static void add_controller(Domain *d, int index, const char *model, int parent)
{
    Controller *c = g_new0(Controller, 1);

    *c = (Controller) {
        .index = index, .model = model ?: "", .parent = parent,
    };
    g_ptr_array_add(d->controllers, c);
}

void domain_find_controllers(Domain *d)
{
    DOMAIN_FOREACH(node, d->devices, "controller") {
        int index = domain_index(domain_attr(node, "index"));
        const xmlNode *address = pci_address(node);

        if (!g_strcmp0(domain_attr(node, "type"), "pci") && index >= 0) {
            add_controller(d, index, domain_attr(node, "model"),
                           domain_number(domain_attr(address, "bus")));
        }
    }
    if (!domain_controller(d, 0)) {
        add_controller(d, 0, "pcie-root", NO_CONTROLLER);
    }
}

static bool is_root_complex(const Controller *c)
{
    return !strcmp(c->model, "pcie-expander-bus") || c->index == 0;
}

/* The index of the root complex above controller @index, or NO_CONTROLLER */
static int root_complex(const Domain *d, int index, const Controller **bridge)
{
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        const Controller *c = domain_controller(d, index);

        if (!c) {
            break;
        }
        if (is_root_complex(c)) {
            return index;
        }
        if (strstr(c->model, "pci-bridge")) {
            *bridge = c;
        }
        index = c->parent;
    }
    return NO_CONTROLLER;
}

/* A root port whose root complex is @index, or NULL */
static const Controller *port_below(const Domain *d, int index)
{
    for (guint i = 0; i < d->controllers->len; i++) {
        const Controller *c = g_ptr_array_index(d->controllers, i);

        if (!strcmp(c->model, "pcie-root-port") && c->parent == index) {
            return c;
        }
    }
    return NULL;
}

static void check_root(Domain *d, const Smmu *smmu)
{
    const Controller *c = domain_controller(d, smmu->controller);

    if (!c) {
        domain_wrong(d, smmu->node, "pciBus", "there is no controller %d: "
                     "write the index of a <controller type='pci' "
                     "model='pcie-expander-bus'>", smmu->controller);
    } else if (!is_root_complex(c)) {
        domain_wrong(d, smmu->node, "pciBus", "controller %d is a %s, and an "
                     "SMMU serves a root complex: write the index of the "
                     "pcie-expander-bus above it", c->index, c->model);
    } else if (!port_below(d, c->index)) {
        domain_wrong(d, smmu->node, "pciBus", "controller %d has no port to "
                     "plug a device into: add <controller type='pci' "
                     "index='..' model='pcie-root-port'><address type='pci' "
                     "domain='0x0000' bus='0x%02x' slot='0x00' "
                     "function='0x0'/></controller>", c->index, c->index);
    }
}

void domain_check_controllers(Domain *d)
{
    for (guint i = 0; i < d->smmus->len; i++) {
        const Smmu *smmu = g_ptr_array_index(d->smmus, i);

        if (smmu->controller != NO_CONTROLLER) {
            check_root(d, smmu);
        }
    }
}

/* Devices */

static const Smmu *smmu_of_root(const Domain *d, int root)
{
    for (guint i = 0; i < d->smmus->len; i++) {
        const Smmu *smmu = g_ptr_array_index(d->smmus, i);

        if (smmu->controller == root) {
            return smmu;
        }
    }
    return NULL;
}

static const Smmu *first_accel(const Domain *d)
{
    for (guint i = 0; i < d->smmus->len; i++) {
        const Smmu *smmu = g_ptr_array_index(d->smmus, i);

        const Controller *c = domain_controller(d, smmu->controller);

        if (smmu->accel && c && is_root_complex(c)) {
            return smmu;
        }
    }
    return NULL;
}

static void check_iommufd(Domain *d, const xmlNode *hostdev)
{
    const xmlNode *driver = domain_child(hostdev, "driver");
    const char *value = domain_attr(driver, "iommufd");

    if (value) {
        domain_needs(d, driver, "iommufd", LIBVIRT_HOSTDEV_IOMMUFD);
    }
    if (!value && !d->iommufd) {
        domain_wrong(d, hostdev, "hostdev", "libvirt opens it by the old VFIO "
                     "container, and QEMU refuses it behind this SMMU: write "
                     "<driver iommufd='yes'/> inside");
    } else if (value && strcmp(value, "yes")) {
        domain_wrong(d, driver, "iommufd", "'%s': QEMU refuses the device "
                     "behind this SMMU without iommufd: write 'yes'", value);
    }
}

/* What to write so that a device is behind @smmu; g_free() */
static char *place_below(const Domain *d, const Smmu *smmu)
{
    const Controller *port = smmu ? port_below(d, smmu->controller) : NULL;

    return port ? g_strdup_printf("write <address type='pci' domain='0x0000' "
                                  "bus='0x%02x' slot='0x00' "
                                  "function='0x0'/> inside", port->index) :
        g_strdup("write an <address> with the bus of a pcie-root-port below "
                 "that controller");
}

static void check_place(Domain *d, const xmlNode *hostdev)
{
    const xmlNode *address = pci_address(hostdev);
    const Smmu *want = first_accel(d), *smmu;
    const Controller *bridge = NULL;
    g_autofree char *place = place_below(d, want);
    int root = address ?
        root_complex(d, domain_number(domain_attr(address, "bus")), &bridge)
        : 0;

    if (!want) {
        return;
    }
    smmu = smmu_of_root(d, root);
    if (!smmu) {
        domain_wrong(d, address ?: hostdev, address ? "bus" : "hostdev",
                     "%s, where no SMMU is; line %ld has one for controller "
                     "%d: %s", address ? "the device is below another "
                     "controller" : "without <address> libvirt puts the device "
                     "below controller 0", xmlGetLineNo((xmlNode *)want->node),
                     want->controller, place);
    } else if (!smmu->accel) {
        domain_wrong(d, address ?: hostdev, "bus", "controller %d has an "
                     "emulated SMMU, which no device of the host works behind: "
                     "write accel='on' on line %ld", root,
                     xmlGetLineNo((xmlNode *)smmu->node));
    } else if (bridge) {
        domain_wrong(d, address, "bus", "controller %d is a %s, which hides "
                     "the StreamID of the device: %s", bridge->index,
                     bridge->model, place);
    } else if (smmu->last) {
        domain_wrong(d, hostdev, "hostdev", "QEMU creates it before the SMMU "
                     "on line %ld, because <qemu:commandline> comes last, and "
                     "refuses that: move it to <qemu:commandline>, after the "
                     "SMMU, or plug it later",
                     xmlGetLineNo((xmlNode *)smmu->node));
    }
}

static void check_hostdev(Domain *d, const xmlNode *node)
{
    d->hostdevs = true;
    check_iommufd(d, node);
    check_place(d, node);
}

/* A mediated device has no stream in the SMMU of the host */
static void check_mdev(Domain *d, const xmlNode *node)
{
    const xmlNode *address = pci_address(node);
    const Controller *bridge = NULL;
    const Smmu *smmu = smmu_of_root(d, address ?
        root_complex(d, domain_number(domain_attr(address, "bus")), &bridge)
        : 0);

    if (smmu && smmu->accel) {
        domain_wrong(d, address ?: node, "hostdev", "QEMU refuses a mediated "
                     "device behind the SMMU on line %ld: write an <address> "
                     "below a controller without one",
                     xmlGetLineNo((xmlNode *)smmu->node));
    }
}

static bool is_type(const xmlNode *hostdev, const char *type)
{
    const char *mode = domain_attr(hostdev, "mode");

    return (!mode || !strcmp(mode, "subsystem")) &&
           !g_strcmp0(domain_attr(hostdev, "type"), type);
}

void domain_check_hostdevs(Domain *d)
{
    DOMAIN_FOREACH(node, d->devices, "hostdev") {
        if (is_type(node, "pci")) {
            check_hostdev(d, node);
        } else if (is_type(node, "mdev")) {
            check_mdev(d, node);
        }
    }
    DOMAIN_FOREACH(node, d->devices, "interface") {
        if (!g_strcmp0(domain_attr(node, "type"), "hostdev")) {
            check_hostdev(d, node);
        }
    }
}

static bool is_device(const xmlNode *hostdev, const char *bdf)
{
    const xmlNode *at = domain_child(domain_child(hostdev, "source"),
                                     "address");
    g_autofree char *text = g_strdup_printf("%04x:%02x:%02x.%x",
        MAX(domain_number(domain_attr(at, "domain")), 0),
        domain_number(domain_attr(at, "bus")),
        domain_number(domain_attr(at, "slot")),
        domain_number(domain_attr(at, "function")));

    return is_type(hostdev, "pci") && at && g_str_has_suffix(text, bdf);
}

const Smmu *domain_smmu_of(const Domain *d, const char *bdf)
{
    DOMAIN_FOREACH(node, d->devices, "hostdev") {
        const xmlNode *address = pci_address(node);
        const Controller *bridge = NULL;

        if (address && is_device(node, bdf)) {
            int bus = domain_number(domain_attr(address, "bus"));

            return smmu_of_root(d, root_complex(d, bus, &bridge));
        }
    }
    return first_accel(d);
}
