/*
 * Accelerated SMMUv3: messages about errors at run time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "trace.h"

#include "smmuv3-accel-report.h"
#include "smmuv3-accel-state.h"

/* Short enough to show that an error persists, long enough for a log */
#define INTERVAL_MS 5000

static void report_limited(SMMUv3AccelState *s, SMMUv3AccelLimit *limit,
                           Error *err)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    trace_smmuv3_accel_complain(error_get_pretty(err));
    s->counters.complaints++;
    if (now < limit->next_ms) {
        s->counters.complaints_suppressed++;
        limit->suppressed++;
        error_free(err);
        return;
    }
    if (limit->suppressed) {
        error_append_hint(&err, "(%u more since the last message)\n",
                          limit->suppressed);
    }
    limit->suppressed = 0;
    limit->next_ms = now + INTERVAL_MS;
    error_report_err(err);
}

void smmuv3_accel_complain(SMMUv3AccelState *s, Error *err)
{
    report_limited(s, &s->complaints, err);
}

void smmuv3_accel_report_exposed(SMMUv3AccelState *s, Error *err)
{
    report_limited(s, &s->exposures, err);
}
