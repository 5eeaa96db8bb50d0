/*
 * Accelerated SMMUv3: the registers of one queue in hardware
 *
 * They are its slot in the page that the host maps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"

#include "smmuv3-accel-cmdqv-slot.h"
#include "smmuv3-accel-state.h"

/*
 * An idle queue stops within microseconds. The guest waits for a second, and
 * all threads wait for the BQL, so this is for all queues together.
 */
#define PATIENCE_US 100000
#define POLL_US 10

static SMMUv3Cmdqv *regs(SMMUv3AccelState *s)
{
    return &s->cmdqv->dev.regs;
}

/* The VCMDQ that is LVCMDQ @l of the guest's only VINTF */
static SMMUv3Vcmdq *vcmdq(SMMUv3AccelState *s, unsigned l)
{
    return &regs(s)->vcmdq[smmuv3_cmdqv_find(regs(s), 0, l)];
}

static uint32_t read_slot(SMMUv3AccelState *s, unsigned l, uint32_t reg)
{
    return smmuv3_accel_host_queue_read(s->host, l, reg);
}

static void write_slot(SMMUv3AccelState *s, unsigned l, uint32_t reg,
                       uint32_t value)
{
    smmuv3_accel_host_queue_write(s->host, l, reg, value);
}

/* Set the guest's registers to what hardware has */
static void adopt(SMMUv3AccelState *s, unsigned l)
{
    uint32_t slot[CMDQV_SLOT_REGS];

    for (int i = 0; i < ARRAY_SIZE(slot); i++) {
        slot[i] = read_slot(s, l, 4 * i);
    }
    smmuv3_vcmdq_adopt(vcmdq(s, l), slot);
}

void smmuv3_accel_cmdqv_sync(SMMUv3AccelState *s)
{
    if (!s->cmdqv->hardware) {
        return;
    }
    for (unsigned l = 0; l < smmuv3_accel_host_nb_queues(s->host); l++) {
        adopt(s, l);
    }
}

void smmuv3_accel_cmdqv_pass_on(SMMUv3AccelState *s, hwaddr offset,
                                uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size / 4; i++) {
        hwaddr at = offset - CMDQV_VINTF + 4 * i;

        write_slot(s, at / CMDQV_SLOT_SIZE, at % CMDQV_SLOT_SIZE,
                   value >> 32 * i);
    }
}

int64_t smmuv3_accel_cmdqv_patience_ends(void)
{
    return g_get_monotonic_time() + PATIENCE_US;
}

static bool is_enabled(SMMUv3AccelState *s, unsigned l)
{
    return read_slot(s, l, A_VCMDQ_STATUS) & R_VCMDQ_STATUS_EN_OK_MASK;
}

/* Returns: true if STATUS.EN_OK has become @on */
static bool enable_slot(SMMUv3AccelState *s, unsigned l, bool on,
                        int64_t until_us)
{
    write_slot(s, l, A_VCMDQ_CONFIG, on);
    while (is_enabled(s, l) != on) {
        if (g_get_monotonic_time() >= until_us) {
            return false;
        }
        g_usleep(POLL_US);
    }
    return true;
}

bool smmuv3_accel_cmdqv_slot_start(SMMUv3AccelState *s, unsigned l,
                                   int64_t until_us, Error **errp)
{
    const SMMUv3Vcmdq *q = vcmdq(s, l);
    uint32_t cons = q->cons & R_VCMDQ_CONS_INDEX_MASK;

    write_slot(s, l, A_VCMDQ_CONS, cons);
    if ((read_slot(s, l, A_VCMDQ_CONS) & R_VCMDQ_CONS_INDEX_MASK) != cons) {
        error_setg(errp, "the host's CMDQV cannot start a queue at command %u",
                   cons);
        return false;
    }
    write_slot(s, l, A_VCMDQ_PROD, q->prod);
    write_slot(s, l, A_VCMDQ_GERRORN, read_slot(s, l, A_VCMDQ_GERROR));
    if (!enable_slot(s, l, true, until_us)) {
        error_setg(errp, "the host's CMDQV does not enable queue %u", l);
        return false;
    }
    return true;
}

void smmuv3_accel_cmdqv_slot_disable(SMMUv3AccelState *s, unsigned l,
                                     int64_t until_us)
{
    enable_slot(s, l, false, until_us);
}

/* Let the hardware finish the commands, so they are not executed twice */
static void wait_empty(SMMUv3AccelState *s, unsigned l, int64_t until_us)
{
    unsigned q = smmuv3_cmdqv_find(regs(s), 0, l);

    adopt(s, l);
    while (smmuv3_cmdqv_pending(regs(s), q) &&
           g_get_monotonic_time() < until_us) {
        g_usleep(POLL_US);
        adopt(s, l);
    }
}

bool smmuv3_accel_cmdqv_slot_stop(SMMUv3AccelState *s, unsigned l,
                                  int64_t until_us)
{
    SMMUv3Vcmdq *q = vcmdq(s, l);
    uint32_t config, status;

    wait_empty(s, l, until_us);
    config = q->config;
    status = q->status;
    enable_slot(s, l, false, until_us);
    adopt(s, l);
    q->config = config;
    q->status = status;
    return smmuv3_vcmdq_errors(q);
}
