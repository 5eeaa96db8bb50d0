/*
 * Accelerated SMMUv3: monitor commands in a QEMU without the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-misc-target.h"

SMMUv3AccelInfoList *qmp_query_smmuv3_accel(Error **errp)
{
    return NULL;
}

void hmp_info_smmuv3_accel(Monitor *mon, const QDict *qdict)
{
    monitor_printf(mon, "no arm-smmuv3-accel\n");
}
