/*
 * Accelerated SMMUv3: stalled transactions, and the guest's answers
 *
 * The kernel holds a transaction of stage 1 that faults, and reports it. The
 * guest gets an event with a STAG, and answers with CMD_RESUME or
 * CMD_STALL_TERM (IHI 0070, 3.12.2 and 4.6). Unlike other events, this one must
 * not get lost: a fault stays with the kernel until the guest's queue has room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "trace.h"

#include "smmuv3-accel-report.h"
#include "smmuv3-accel-stall.h"
#include "smmuv3-accel-state.h"

/*
 * How long a running guest may take to answer. The hardware can hold only so
 * many transactions, for all guests together.
 */
#define ANSWER_MS 30000

/* Others want the lock, too: a device may fault faster than QEMU reads */
#define READ_AT_ONCE 64

/* CMD_RESUME (IHI 0070, 4.6.1). Ab says how to terminate, the kernel cannot */
#define RESUME_AC(cmd)          extract32((cmd)->word[0], 12, 1)
#define RESUME_STAG(cmd)        extract32((cmd)->word[2], 0, 16)

#define PCI_VENDOR_ID_HUAWEI    0x19e5

/*
 * PCI Express knows no stalls. Linux lets only these functions stall, which are
 * HiSilicon's accelerators (quirk_huawei_pcie_sva() in drivers/pci/quirks.c);
 * there is no way to ask it.
 */
bool smmuv3_accel_function_can_stall(const PCIDevice *pdev)
{
    if (!pdev ||
        pci_get_word(pdev->config + PCI_VENDOR_ID) != PCI_VENDOR_ID_HUAWEI) {
        return false;
    }
    switch (pci_get_word(pdev->config + PCI_DEVICE_ID)) {
    case 0xa250:
    case 0xa251:
    case 0xa255:
    case 0xa256:
    case 0xa258:
    case 0xa259:
        break;
    default:
        return false;
    }
    switch (pci_get_byte(pdev->config + PCI_REVISION_ID)) {
    case 0x21:
    case 0x30:
        return true;
    default:
        return false;
    }
}

static void deliver(SMMUv3AccelState *s, const SMMUv3AccelFault *fault)
{
    /*
     * The kernel does not report which of the four kinds of faults it is. If a
     * guest maps the page, all of them are answered alike.
     */
    SMMUEventInfo event = {
        .type = SMMU_EVT_F_TRANSLATION,
        .sid = fault->vsid,
        .u.f_translation = {
            .stall = true,
            .stag = fault->stag,
            .ssv = fault->ssv,
            .ssid = fault->ssid,
            .addr = fault->addr,
            .rnw = !fault->writes,
            .ind = fault->executes,
            .pnu = fault->privileged,
            .class = SMMU_CLASS_IN,
        },
    };

    s->counters.stalled++;
    smmuv3_record_event(ARM_SMMUV3(s), &event);
}

static bool wants_faults(SMMUv3AccelState *s)
{
    SMMUv3State *s3 = ARM_SMMUV3(s);

    return smmuv3_eventq_enabled(s3) && !smmuv3_q_full(&s3->eventq) &&
           smmuv3_accel_host_has_room(s->host);
}

/* The oldest one is the first that has waited for too long */
static void watch_oldest(SMMUv3AccelState *s)
{
    int64_t oldest_ms;

    s->counters.stalls_expired +=
        smmuv3_accel_host_terminate_old(s->host, ANSWER_MS, &oldest_ms);
    if (oldest_ms < 0) {
        timer_del(s->stalls.timer);
    } else {
        timer_mod(s->stalls.timer, oldest_ms + ANSWER_MS);
    }
}

static void expire(void *opaque)
{
    SMMUv3AccelState *s = opaque;

    watch_oldest(s);
    smmuv3_accel_stall_update(s);
}

static void read_faults(void *opaque);

void smmuv3_accel_stall_update(SMMUv3AccelState *s)
{
    bool wanted;

    if (!s->host || !s->host->fault_queue_id) {
        return;
    }
    wanted = wants_faults(s);
    if (wanted != s->stalls.polled) {
        s->stalls.polled = wanted;
        qemu_set_fd_handler(s->host->fault_queue_fd,
                            wanted ? read_faults : NULL, NULL, s);
    }
}

static void stop_polling(SMMUv3AccelState *s)
{
    if (s->stalls.polled) {
        qemu_set_fd_handler(s->host->fault_queue_fd, NULL, NULL, NULL);
        s->stalls.polled = false;
    }
}

/* Until the guest writes a register again, so that the main loop does not spin */
static void read_failed(SMMUv3AccelState *s, int os_errno)
{
    Error *err = NULL;

    stop_polling(s);
    error_setg_errno(&err, os_errno, "arm-smmuv3-accel: cannot read faults; "
                     "the DMA of devices that have stalled waits");
    smmuv3_accel_complain(s, err);
}

/* Delivering an event may send an MSI, so the host may be gone afterwards */
static void read_faults(void *opaque)
{
    SMMUv3AccelState *s = opaque;
    SMMUv3AccelFault fault;

    for (int i = 0; i < READ_AT_ONCE && s->host && s->stalls.polled &&
                    wants_faults(s); i++) {
        int ret = smmuv3_accel_host_next_fault(s->host, &fault);

        if (!ret) {
            break;
        }
        if (ret > 0) {
            watch_oldest(s);
            deliver(s, &fault);
        } else if (ret != -ENODEV) {
            read_failed(s, -ret);
            return;
        }
    }
    smmuv3_accel_stall_update(s);
}

void smmuv3_accel_stall_host_new(SMMUv3AccelState *s)
{
    uint32_t idr0 = s->regs.reg[SMMU_ACCEL_IDR0];
    uint32_t idr5 = s->regs.reg[SMMU_ACCEL_IDR5];
    Error *err = NULL;

    if (FIELD_EX32(idr0, IDR0, STALL_MODEL)) {
        return;
    }
    if (!smmuv3_accel_host_open_faults(s->host,
                                       FIELD_EX32(idr5, IDR5, STALL_MAX),
                                       &err)) {
        error_prepend(&err, "arm-smmuv3-accel: faults of host devices do not "
                      "stall: ");
        smmuv3_accel_complain(s, err);
        return;
    }
    s->stalls.timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, expire, s);
    smmuv3_accel_stall_update(s);
}

void smmuv3_accel_stall_host_gone(SMMUv3AccelState *s)
{
    stop_polling(s);
    smmuv3_accel_host_close_faults(s->host);
    g_clear_pointer(&s->stalls.timer, timer_free);
}

void smmuv3_accel_stall_command(SMMUv3AccelState *s, const Cmd *cmd)
{
    uint32_t sid = CMD_SID(cmd);
    unsigned terminated = 0;

    if (!s->host->fault_queue_id) {
        return;
    }
    if (CMD_TYPE(cmd) == SMMU_CMD_STALL_TERM) {
        terminated = smmuv3_accel_host_terminate(s->host, sid);
    } else if (smmuv3_accel_host_resume(s->host, sid, RESUME_STAG(cmd),
                                        RESUME_AC(cmd))) {
        s->counters.stalls_resumed += RESUME_AC(cmd);
        terminated = !RESUME_AC(cmd);
    }
    s->counters.stalls_terminated += terminated;
    watch_oldest(s);
    smmuv3_accel_stall_update(s);
}
