/*
 * Accelerated SMMUv3: a host that does not execute a guest's command queues
 *
 * What the failure of a host call means, what QEMU undoes, and what the user
 * can do about it. The guest does not notice: QEMU executes the commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"

#include "smmuv3-accel-cmdqv-refused.h"
#include "smmuv3-accel-cmdqv-slot.h"
#include "smmuv3-accel-report.h"
#include "smmuv3-accel-state.h"

/* The error itself has the meaning of the errno */
void smmuv3_accel_cmdqv_explain(int ret, uint64_t size, Error **errp)
{
    switch (ret) {
    case -EFAULT:
        error_append_hint(errp, "QEMU executes the commands of the guest "
                          "instead. Hardware needs each queue, here of %"
                          PRIu64 " bytes, in one piece of host memory: use "
                          "huge pages for the guest (-object memory-backend-"
                          "memfd,hugetlb=on,...), or an idr1= with smaller "
                          "CMDQS.\n", size);
        break;
    case -EINVAL:
        error_append_hint(errp, "QEMU executes the commands of the guest "
                          "instead. If a queue of %" PRIu64 " bytes is too "
                          "large for the host's SMMU, use an idr1= with "
                          "smaller CMDQS.\n", size);
        break;
    default:
        error_append_hint(errp,
                          "QEMU executes the commands of the guest instead.\n");
        break;
    }
}

void smmuv3_accel_cmdqv_refused(SMMUv3AccelState *s, Error *err)
{
    int64_t until_us = smmuv3_accel_cmdqv_patience_ends();

    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        smmuv3_accel_cmdqv_slot_disable(s, l, until_us);
    }
    smmuv3_accel_host_queues_free(s->host);
    s->cmdqv->failure = g_strdup(error_get_pretty(err));
    error_prepend(&err, "arm-smmuv3-accel: the host refuses the guest's "
                  "command queues: ");
    smmuv3_accel_complain(s, err);
}

void smmuv3_accel_cmdqv_tell_of_none(SMMUv3AccelState *s,
                                     const SMMUv3AccelHostDevice *dev)
{
    Error *err;

    if (!s->host->cmdqv_error) {
        return;
    }
    err = error_copy(s->host->cmdqv_error);
    if (dev->cmdqv.error) {
        error_prepend(&err, "arm-smmuv3-accel: no hardware executes the "
                      "commands of the guest's queues, because the host does "
                      "not tell whether it has a CMDQV; unplug all host "
                      "devices and plug them again, to ask once more: ");
    } else {
        error_prepend(&err, "arm-smmuv3-accel: QEMU executes the commands of "
                      "the guest's queues, because the host provides none: ");
    }
    smmuv3_accel_complain(s, err);
}

void smmuv3_accel_cmdqv_tell_of_no_errors(SMMUv3AccelState *s, Error *err)
{
    error_prepend(&err, "arm-smmuv3-accel: QEMU executes the commands of "
                  "the guest's queues, because the host cannot report "
                  "their errors: ");
    smmuv3_accel_complain(s, err);
}
