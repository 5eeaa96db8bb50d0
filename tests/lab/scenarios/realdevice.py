# SPDX-License-Identifier: GPL-2.0-or-later
"""`run --device` and `bench --device` of an Arm host, tested in L1."""

import io
import json
import tarfile

from lab import l0, util
from lab.bench import machines
from lab.checks import expect
from lab.scenario import scenario

# L1 has the files that the command would build, under other names.
DRIVER = """
import sys
from pathlib import Path
sys.dont_write_bytecode = True
sys.path.insert(0, "/tmp/real")
from lab import cli, images, kernel, roots, util
import argparse
guest = Path("/lab/guest")
kernel.image = lambda: guest / "Image"
roots.l1_root = lambda: guest
images.initrd = (guest / "initrd").read_bytes
sys.argv[0] = "run.py"
try:
    sys.exit(cli.main(argparse.ArgumentParser()))
except util.LabError as error:
    sys.exit(f"lab: error: {error}")
"""


def install(l1):
    """Install the lab itself and its QEMU where `run` looks for them."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for path in sorted(util.HERE.rglob("*.py")):
            tar.add(path, f"lab/{path.relative_to(util.HERE)}")
    l1.sh("rm -rf /tmp/real && mkdir -p /tmp/real/build/obj && "
          "ln -s /lab/qemu/qemu-system-aarch64 /tmp/real/build/obj/")
    l1.put("/tmp/real/lab.tgz", body.getvalue())
    l1.put("/tmp/real/driver.py", DRIVER.encode())
    l1.sh("cd /tmp/real && tar xzf lab.tgz")


def installed(lab):
    """Install the lab in L1; the address of a disk that has its own driver."""
    install(lab.l1)
    bdf = lab.l1.bdf("nvme1")
    if lab.l1.sh(f"readlink /sys/bus/pci/devices/{bdf}/driver", check=False).out.endswith("vfio-pci"):
        lab.l1.unbind_vfio(bdf)
    return bdf


@scenario
def run_on_a_real_device(lab):
    """`run --device BDF` in L1 as the Arm host: refusals, the report, and the device is returned to its driver."""
    l1, bdf = lab.l1, installed(lab)
    command = "BUILD=/tmp/real/build python3 /tmp/real/driver.py run --device"

    answer = l1.sh(f"{command} 0000:77:00.0 --yes", 60, check=False)
    expect(not answer and "no PCI device" in answer.out, f"a device that is not there: {answer.out}")
    answer = l1.sh(f"{command} {bdf}", 60, check=False)
    expect(not answer and "nothing was done" in answer.out, f"without --yes: {answer.out}")

    answer = l1.sh(f"{command} {bdf} --yes", 240, check=False)
    (lab.dir / "report.txt").write_text(answer.out)
    expect(answer, f"run --device: {answer.out[-1500:]}")
    for text in ("EQUAL", "nested, stage 1", "Registers of the vSMMU (inherited)"):
        expect(text in answer.out, f"the report has no {text!r}")
    driver = l1.sh(f"basename $(readlink /sys/bus/pci/devices/{bdf}/driver)").out
    expect(driver == "nvme", f"{bdf} was left with {driver}")


@scenario(platform=l0.WITH_FIO, named=True)
def bench_on_a_real_device(lab):
    """`bench --device BDF` in L1 as the Arm host: fio on the host and in guests, a table, and the disk is left as it was."""
    l1, bdf = lab.l1, installed(lab)
    domain = f"cat /sys/bus/pci/devices/{bdf}/iommu_group/type"
    before = l1.sh(domain).out
    setups = ("host-strict", "strict", "strict-cmdqv")
    answer = l1.sh(f"BUILD=/tmp/real/build python3 /tmp/real/driver.py bench --device {bdf} --yes --seconds 2 --rounds 1 "
                   f"--only {','.join(setups)} --name 'the lab'", 560, check=False)
    (lab.dir / "bench.txt").write_text(answer.out)
    expect(answer, f"bench --device: {answer.out[-1500:]}")
    result = machines.check(json.loads(l1.get("/tmp/real/build/bench/device.json")))
    for setup in setups[:2]:
        for job in machines.JOBS:
            found = machines.median(result, setup, job.name)
            expect(found and found.median > 0, f"{setup} has no {job.name}: {answer.out}")
    # The emulated SMMU of this platform has no command queues.
    expect(list(result["skipped"]) == [machines.BY_NAME["strict-cmdqv"].label], f"skipped: {result['skipped']}")
    for text in ("**the lab**", "| host, strict |", "| guest, strict |", "cmdqv: not measured"):
        expect(text in answer.out, f"the table has no {text!r}: {answer.out}")
    driver = l1.sh(f"basename $(readlink /sys/bus/pci/devices/{bdf}/driver)").out
    expect(driver == "nvme", f"{bdf} was left with {driver}")
    after = l1.sh(domain).out
    expect(after == before, f"the group of {bdf} was left with a domain of type {after}, not {before}")
