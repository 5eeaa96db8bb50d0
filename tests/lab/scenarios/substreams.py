# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's SMMU walks tables of Context Descriptors.  No device here has PASIDs."""

import re

from lab import bare, checks, l0
from lab.bare import SCRATCH
from lab.checks import expect, expect_state
from lab.options import SMMU1
from lab.registers import C_BAD_CD, C_BAD_SUBSTREAMID, F_STREAM_DISABLED
from lab.scenario import scenario

L2_4K, L2_64K = 1, 2
TERMINATE, BYPASS, SSID0 = 0, 1, 2


class Tables:
    """Our own stream table and CD tables, above the buffers of bare.Nvme."""

    STRTAB, L1CD, CDS, PAGES = (SCRATCH + n for n in (0x100000, 0x110000, 0x120000, 0x130000))

    def __init__(self, guest, smmu, sid):
        self.guest, self.smmu, self.sid = guest, smmu, sid
        # 1 GiB of memory, mapped one to one as a block
        self.write(self.PAGES, 0, 0x40000741)
        self.cfg, self.base = smmu.read(smmu.STRTAB_BASE_CFG), smmu.read(smmu.STRTAB_BASE, 64)

    def write(self, address, *words):
        for n, word in enumerate(words):
            bare.write(self.guest, address + 8 * n, word, 64)

    def switch(self, base, cfg):
        """Turn the SMMU off and on again, which clears the earlier state."""
        smmu = self.smmu
        smmu.change_cr0(clear=smmu.SMMUEN)
        bare.write(self.guest, smmu.base + smmu.STRTAB_BASE, base, 64)
        smmu.write(smmu.STRTAB_BASE_CFG, cfg)
        smmu.change_cr0(set=smmu.SMMUEN)

    def use(self, fmt, s1dss, cdmax=10, l1cd_valid=1, cd_valid=1):
        # 39 bits of address by 4K pages at TTB0; AArch64, A, R, ASID 0x77
        self.write(self.CDS, 0x77 << 48 | 0x6204 << 32 | cd_valid << 31 | 1 << 30 | 25, self.PAGES)
        self.write(self.L1CD, self.CDS | l1cd_valid)
        self.write(self.STRTAB + 64 * self.sid, cdmax << 59 | self.L1CD | fmt << 4 | 0xb, s1dss)
        self.switch(self.STRTAB, 8)

    def restore(self):
        self.switch(self.base, self.cfg)


def events(guest):
    """The types of the events that QEMU read from the kernel."""
    return {int(t, 16) for t in re.findall(r"smmuv3_accel_event type (\S+)", guest.trace().raw)}


@scenario(platform=l0.TWO_SMMUS)
def context_descriptor_tables(lab):
    """The host walks the guest's two-level CD tables; S1DSS applies to a device without PASIDs."""
    host, guest, smmu, disk = bare.machine(lab)
    expect(guest.qom(SMMU1, "ssidsize") == "10", "SSIDSIZE of the host is not inherited")
    expect(guest.qom(SMMU1, "idr0") & 1 << 19, "CD2L of the host is not inherited")
    tables = Tables(guest, smmu, bare.rid(disk.bdf))

    def blocked(event, why):
        expect(disk.identify() is None, f"{why}: DMA goes through")
        checks.eventually(f"{why}: event {event:#x}", lambda: event in events(guest))

    for fmt in L2_4K, L2_64K:
        tables.use(fmt, SSID0)
        expect_state(guest, host, "stage 1", f"S1Fmt={fmt}")
        expect(disk.identify() == "nvme0", f"S1Fmt={fmt}: no DMA by the CD of substream 0")
        tables.use(fmt, BYPASS, cd_valid=0)
        expect_state(guest, host, "stage 1", f"S1Fmt={fmt}, S1DSS=1")
        expect(disk.identify() == "nvme0", f"S1Fmt={fmt}, S1DSS=1: no DMA past stage 1")

    tables.use(L2_64K, TERMINATE)
    blocked(F_STREAM_DISABLED, "S1DSS=0")
    tables.use(L2_64K, SSID0, l1cd_valid=0)
    blocked(C_BAD_SUBSTREAMID, "level 1 descriptor with V=0")
    tables.use(L2_64K, SSID0, cd_valid=0)
    blocked(C_BAD_CD, "CD with V=0")
    tables.use(L2_64K, SSID0, cdmax=11)
    expect_state(guest, host, "abort", "S1CDMax above SSIDSIZE")
    expect(disk.identify() is None, "S1CDMax above SSIDSIZE: DMA goes through")

    tables.restore()
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)
