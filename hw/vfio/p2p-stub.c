/*
 * Peer to peer needs iommufd: stubs for builds without it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "p2p.h"

bool vfio_p2p_check(VFIODevice *vbasedev, Error **errp)
{
    return true;
}

void vfio_p2p_add(VFIORegion *region, int index)
{
}

void vfio_p2p_del(VFIORegion *region, int index)
{
}

void vfio_p2p_config_written(PCIDevice *pdev, VFIODevice *vbasedev,
                             uint32_t addr, uint32_t val, int len)
{
}
