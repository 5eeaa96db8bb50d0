# SPDX-License-Identifier: GPL-2.0-or-later
"""`run --device` of an Arm host, tested in L1."""

import io
import tarfile

from lab import util
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


@scenario
def run_on_a_real_device(lab):
    """`run --device BDF` in L1 as the Arm host: refusals, the report, and the device is returned to its driver."""
    l1 = lab.l1
    install(l1)
    bdf = l1.bdf("nvme1")
    if l1.sh(f"readlink /sys/bus/pci/devices/{bdf}/driver", check=False).out.endswith("vfio-pci"):
        l1.unbind_vfio(bdf)
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
