# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of `bench --device` on several machines, and the table that compares them."""

import json
from dataclasses import dataclass

from ..util import LabError
from .stats import spread

FORMAT = 1


@dataclass(frozen=True)
class Setup:
    """What owns the device, and how its DMA is translated.

    domain: the type of the IOMMU group on the host itself, or "" for a guest;
    append: words for the guest's kernel.
    """
    name: str
    label: str
    domain: str = ""
    vsmmu: bool = True
    append: str = ""
    cmdqv: bool = False


STRICT, LAZY, PASS = "iommu.strict=1 iommu.passthrough=0", "iommu.strict=0 iommu.passthrough=0", "iommu.passthrough=1"
SETUPS = (
    Setup("host-strict", "host, strict", "DMA"),
    Setup("host-lazy", "host, lazy", "DMA-FQ"),
    Setup("host-pass", "host, passthrough", "identity"),
    Setup("plain", "guest, no vSMMU", vsmmu=False),
    Setup("strict", "guest, strict", append=STRICT),
    Setup("lazy", "guest, lazy", append=LAZY),
    Setup("pass", "guest, passthrough", append=PASS),
    Setup("strict-cmdqv", "guest, strict, cmdqv", append=STRICT, cmdqv=True),
    Setup("lazy-cmdqv", "guest, lazy, cmdqv", append=LAZY, cmdqv=True),
)
BY_NAME = {setup.name: setup for setup in SETUPS}
# What each setup is a share of: the same mode without a vSMMU, on the host.
NATIVE = {"strict": "host-strict", "lazy": "host-lazy", "pass": "host-pass", "plain": "host-pass",
          "strict-cmdqv": "host-strict", "lazy-cmdqv": "host-lazy"}


def chosen(names):
    """The setups with these names, separated by commas; all of them without names."""
    unknown = [name for name in names.split(",") if name not in BY_NAME] if names else []
    if unknown:
        raise LabError(f"there is no configuration {unknown[0]}; the configurations are: {' '.join(BY_NAME)}")
    return [setup for setup in SETUPS if not names or setup.name in names.split(",")]


@dataclass(frozen=True)
class Job:
    """Random reads by fio."""
    name: str
    label: str
    bs: str
    depth: int
    jobs: int

    def command(self, fio, device, seconds):
        return (f"{fio} --name={self.name} --filename={device} --readonly --rw=randread --bs={self.bs} --direct=1 "
                f"--ioengine=libaio --iodepth={self.depth} --numjobs={self.jobs} --thread --group_reporting "
                f"--time_based --ramp_time={max(seconds // 5, 1)} --runtime={seconds} --output-format=json")


JOBS = (Job("4k-1", "4 KiB, one at a time, IOPS", "4k", 1, 1),
        Job("4k-128", "4 KiB, 4 x 32 at a time, IOPS", "4k", 32, 4),
        Job("128k-32", "128 KiB, 4 x 8 at a time, IOPS", "128k", 8, 4))


def parse(text):
    """{figure: number} of fio's JSON, which may have warnings around it."""
    start = text.find("{")
    try:
        job = json.JSONDecoder().raw_decode(text[start:])[0]["jobs"][0] if start >= 0 else None
    except (ValueError, KeyError, IndexError):
        job = None
    if not job or job.get("error"):
        raise LabError(f"fio failed: {text[-600:].strip()}")
    read = job["read"]
    if not read["total_ios"]:
        raise LabError("fio has read nothing")
    return {"iops": read["iops"], "us": read["clat_ns"]["mean"] / 1000, "cpu": job["usr_cpu"] + job["sys_cpu"]}


def check(result):
    """A result that the table can take; the error says what is wrong with another one."""
    for key in ("format", "machine", "kernel", "qemu", "device", "smmu", "samples"):
        if key not in result:
            raise LabError(f"it has no {key!r}: it is not a result of bench --device")
    if result["format"] != FORMAT:
        raise LabError(f"its format is {result['format']}, not {FORMAT}")
    return result


def median(result, setup, job, figure="iops"):
    """The Spread over the rounds, or None."""
    return spread([s[figure] for s in result["samples"] if (s["setup"], s["job"]) == (setup, job)])


def share(result, setup, job):
    """The median of the IOPS divided by those of the host, within each round."""
    def by_round(name):
        return {s["round"]: s["iops"] for s in result["samples"] if (s["setup"], s["job"]) == (name, job)}
    mine, native = by_round(setup), by_round(NATIVE[setup])
    return spread([mine[r] / native[r] for r in mine if native.get(r)])


def table(results):
    """A table for the page: for each machine and each kind of read, each setup and its share of native."""
    out = ""
    for result in results:
        out += (f"**{result['machine']}**: {result['device']}; {result['smmu']}; Linux {result['kernel']}; "
                f"QEMU {result['qemu']}; {result['date']}, {result['rounds']} x {result['seconds']} s"
                + (f"; {result['note']}" if result.get("note") else "") + "\n\n")
        out += "| | " + " | ".join(job.label for job in JOBS) + " |\n|---|" + "---|" * len(JOBS) + "\n"
        for setup in SETUPS:
            cells = [cell(result, setup.name, job.name) for job in JOBS]
            if any(cell != "-" for cell in cells):
                out += f"| {setup.label} | " + " | ".join(cells) + " |\n"
        out += "".join(f"\n{setup}: not measured, {why}.\n" for setup, why in result.get("skipped", {}).items())
        out += "\n"
    return out.rstrip() or "No results yet."


def cell(result, setup, job):
    found = median(result, setup, job)
    if not found:
        return "-"
    part = share(result, setup, job) if setup in NATIVE else None
    return f"{found.median:.0f}" + (f", {part.median:.0%}" if part else "")
