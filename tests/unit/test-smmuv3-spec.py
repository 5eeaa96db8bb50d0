#!/usr/bin/env python3
#
# Runs smmuv3-spec and compares its output and exit status.
#
# test-smmuv3-spec.py TOOL FIELDS.rst.inc
#
# The lab and test-smmuv3-spec-host test the calls to a kernel.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of smmuv3-spec, in TAP"""

import json
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from xml.etree import ElementTree

TOOL, FIELDS = sys.argv[1:3]
NOWHERE = "0000:7f:1f.7"

# Three invented hosts and what they have in common, derived by hand: see
# test-smmuv3-accel-baseline.c, which has them field by field.
HOSTS = (
    "idr0=0xd48301a,idr1=0x2730510,idr3=0x1400,idr5=0x475,iidr=0x4832043b,aidr=0x2",
    "idr0=0x948301e,idr1=0x2730410,idr3=0xc00,idr5=0x454,iidr=0x4832043b,aidr=0x3",
    "idr0=0xd48201a,idr1=0x2730210,idr3=0x400,idr5=0x45,iidr=0x1234,aidr=0x1",
)
COMMON = "idr0=0xd48201a,idr1=0x2730210,idr3=0x400,idr5=0x44,iidr=0x0,aidr=0x1"

DECODED = """\
idr0  0x0d48201a  S1P=1 TTF=2 COHACC=1 MSI=1 CD2L=1 TTENDIAN=2 \
STALL_MODEL=1 TERM_MODEL=1 STLEVEL=1
idr1  0x02730210  SIDSIZE=16 SSIDSIZE=8 EVENTQS=19 CMDQS=19
idr3  0x00000400  RIL=1
idr5  0x00000044  OAS=4(44bit) GRAN64K=1
iidr  0x00000000
aidr  0x00000001  ARCH_MINOR=0x1
"""


def run(*args, status=0):
    """(stdout, stderr) of the tool, which must exit with this status"""
    done = subprocess.run([TOOL, *args], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == status, (args, done)
    assert bool(done.stderr) == bool(status), (args, done)
    return done.stdout, done.stderr


def same(have, want):
    """Compare, and show both if they differ"""
    assert have == want, f"\n{have}\n  is not\n{want}"


def values(spec):
    """{"idr0": 1, ...}"""
    return {k: int(v, 0) for k, v in (i.split("=") for i in spec.split(","))}


def decode():
    """decode: every register that is given, and the missing ones"""
    same(run("decode", COMMON)[0], DECODED)
    same(run("decode", "-device arm-smmuv3-accel,id=s,bus=pcie.1," + COMMON)[0],
         DECODED)
    same(run("decode", "-device", "arm-smmuv3-accel,id=s," + COMMON)[0],
         DECODED)
    same(run("decode", "idr3=1024,oas=44,ril=on")[0],
         "idr3  0x00000400  RIL=1\n"
         "from the first host device: idr0, idr1, idr5, iidr, aidr, "
         "with ril=on, oas=44\n")


def decode_json():
    """decode --json: the fields, and an object for device_add"""
    out = json.loads(run("--json", "decode", COMMON)[0])
    same(out["spec"], COMMON)
    same(out["device"], {"driver": "arm-smmuv3-accel", "idr2": 0, "idr4": 0,
                         **values(COMMON)})
    same(out["fields"]["idr5"],
         {"OAS": 4, "GRAN4K": 0, "GRAN16K": 0, "GRAN64K": 1, "DS": 0, "VAX": 0,
          "STALL_MAX": 0})
    same(out["missing"], [])
    # what it prints, it reads
    again = run("decode", json.dumps(out["device"]))[0]
    same(again.replace("idr2  0x00000000\n", "").replace(
        "idr4  0x00000000\n", ""), DECODED)
    same(json.loads(run("decode", "idr3=0", "--json")[0])["missing"],
         ["idr0", "idr1", "idr5", "iidr", "aidr"])


# The options of KubeVirt 1.9
DROPIN = "arm-smmuv3,id=iommu0,primary-bus=pci.1,accel=on,ats=on,ril=off," \
    "ssidsize=20,oas=48"


def dropin():
    """decode arm-smmuv3,accel=on: with a device at start, and without"""
    want = "from the first host device: idr0, idr1, idr3, idr5, iidr, aidr, " \
        "with ril=off, ats=on, ssidsize=20, oas=48\n" \
        "if there is none at start:\n" \
        "idr0  0x0d44341a  S1P=1 TTF=2 COHACC=1 ATS=1 ASID16=1 MSI=1 " \
        "VMID16=1 TTENDIAN=2 STALL_MODEL=1 TERM_MODEL=1 STLEVEL=1\n" \
        "idr1  0x02730510  SIDSIZE=16 SSIDSIZE=20 EVENTQS=19 CMDQS=19\n" \
        "idr3  0x00001004  HAD=1 BBML=2\n" \
        "idr5  0x00000075  OAS=5(48bit) GRAN4K=1 GRAN16K=1 GRAN64K=1\n" \
        "iidr  0x00000000\n" \
        "aidr  0x00000001  ARCH_MINOR=0x1\n"
    same(run("decode", DROPIN)[0], want)
    same(run("decode", "-device", '{"driver": "arm-smmuv3", "accel": true, '
             '"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48"}')[0],
         want)
    same(run("decode", f"arm-smmuv3,accel=on,{COMMON}")[0], DECODED)
    out = json.loads(run("decode", "--json", DROPIN)[0])
    same((out["device"]["driver"], out["device"]["accel"]),
         ("arm-smmuv3", True))
    same(out["missing"], [])
    same(out["default"], list(out["fields"]))
    # what it prints, it reads
    same(json.loads(run("decode", "--json", json.dumps(out["device"]))[0])
         ["spec"], out["spec"])
    err = run("decode", "arm-smmuv3,primary-bus=pcie.1", status=2)[1]
    assert "add accel=on" in err, err
    # no known host has the registers of QEMU 11
    err = run("baseline", COMMON, DROPIN, status=2)[1]
    assert "specification number 2 lacks idr0, idr1, idr3, idr5" in err, err


QUEUES = ",cmdqv=on,cmdqv-param=0x4011"


def cmdqv():
    """A CMDQV: decode, baseline, formats"""
    line = "cmdqv  0x00004011  VER=1 queues=2 StreamIDs=16"
    same(run("decode", COMMON + QUEUES)[0], DECODED + line + "\n")
    same(run("decode", COMMON + ",cmdqv=on")[0],
         DECODED + line + ", or as a host device at start has\n")
    same(run("decode", COMMON + ",cmdqv=auto")[0],
         DECODED + "cmdqv  if the SMMU of a host device at start has one\n")
    out = json.loads(run("decode", "--json", COMMON + QUEUES)[0])
    same(out["spec"], COMMON + QUEUES)
    same((out["device"]["cmdqv"], out["device"]["cmdqv-param"]), ("on", 16401))
    # what it prints, it reads
    same(json.loads(run("decode", "--json", json.dumps(out["device"]))[0])
         ["spec"], out["spec"])
    for number, host in enumerate(HOSTS):
        all_but_one = [h + QUEUES for h in HOSTS if h != host]
        same(run("baseline", host, *all_but_one)[0], COMMON + "\n")
        limits = json.loads(run("baseline", "--json", host, *all_but_one)[0])
        same((number, limits["limits"]["cmdqv"]), (number, ["number 1"]))
    same(run("baseline", *(h + QUEUES for h in HOSTS))[0],
         COMMON + QUEUES + "\n")
    # with a smaller queue that fits into the smallest page, if not given
    out = run("decode", "arm-smmuv3,accel=on,cmdqv=on")[0]
    assert "EVENTQS=19 CMDQS=8\n" in out, out
    out = run("decode", "--format=libvirt", COMMON + QUEUES)[0]
    assert "oas='44' cmdqv='on'/>" in out and \
        "name='cmdqv-param' type='unsigned' value='16401'/>" in out, out
    out = run("decode", "--format=libvirt", "accel=on,cmdqv=on")[0]
    assert "<driver pciBus='1' accel='on' cmdqv='on'/>" in out and \
        "qemu:" not in out, out
    out = run("decode", "--format=kubevirt", COMMON + QUEUES)[0]
    assert f"{COMMON}{QUEUES}\n" in out, out
    err = run("decode", "cmdqv-param=0x4011", status=2)[1]
    assert "cmdqv-param needs cmdqv=on" in err, err


LIBVIRT = """\
<!--
  What 3 hosts have in common, for libvirt 12.7.0 or later.
  pciBus: the index of the pcie-expander-bus above the device.
  Without <qemu:override> the registers come from the first <hostdev> below
  that controller. If there is none at start, they are those of QEMU 11,
  which a device here does not fit:
    IDR0.ASID16: host 0, vSMMU 1 (idr0=0xd44201a)
    IDR3.BBML: host 0, vSMMU 2 (idr3=0x400)
    IDR5.GRAN4K: host 0, vSMMU 1 (idr5=0x44)
    IDR5.GRAN16K: host 0, vSMMU 1 (idr5=0x44)
-->
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <devices>
    <iommu model='smmuv3'>
      <driver pciBus='1' accel='on' ats='off' ril='on' ssidsize='8' oas='44'/>
    </iommu>
  </devices>
  <qemu:override>
    <qemu:device alias='iommu0'>
      <qemu:frontend>
        <qemu:property name='idr0' type='unsigned' value='222830618'/>
        <qemu:property name='idr1' type='unsigned' value='41091600'/>
        <qemu:property name='idr3' type='unsigned' value='1024'/>
        <qemu:property name='idr5' type='unsigned' value='68'/>
        <qemu:property name='iidr' type='unsigned' value='0'/>
        <qemu:property name='aidr' type='unsigned' value='1'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
"""

KUBEVIRT = """\
# What 3 hosts have in common, by the names of KubeVirt's domain schema.
iommu:
  model: smmuv3
  driver:
    accel: "on"
    ats: "off"
    ril: "on"
    ssidSize: "8"
    oas: "44"
# KubeVirt 1.9 has no field of a VirtualMachineInstance for these. For a Grace
# GPU it writes ats "on", ril "off", ssidSize "20" and oas "48" on every host.
# A device here does not fit that if it is plugged later:
#   IDR0.ASID16: host 0, vSMMU 1 (idr0=0xd44241a)
#   IDR1.SSIDSIZE: host 8, vSMMU 20 (ssidsize=8)
#   IDR3.BBML: host 0, vSMMU 2 (idr3=0x0)
#   IDR5.OAS: host 44 bits, vSMMU 48 bits (oas=44)
#   IDR5.GRAN4K: host 0, vSMMU 1 (idr5=0x44)
#   IDR5.GRAN16K: host 0, vSMMU 1 (idr5=0x44)
# libvirt calls it ssidsize, and silently drops ssidSize.
# What the schema cannot express: pciBus, which KubeVirt chooses, and the
# registers
#   idr0=0xd48201a,idr1=0x2730210,idr3=0x400,idr5=0x44,iidr=0x0,aidr=0x1
# which fix what the guest sees. A hook sidecar (onDefineDomain) can add them as
# --format=libvirt prints them.
"""


def for_libvirt():
    """--format=libvirt: <iommu> for several hosts, and registers in base 10"""
    same(run("baseline", "--format=libvirt", *HOSTS)[0], LIBVIRT)
    out = run("decode", "--format=libvirt", COMMON)[0]
    same(out.splitlines()[2:], LIBVIRT.splitlines()[2:])
    root = ElementTree.fromstring(out)
    props = {p.get("name"): int(p.get("value")) for p in root.iter(
        "{http://libvirt.org/schemas/domain/qemu/1.0}property")}
    same(props, values(COMMON))
    # QEMU accepts both parts together
    driver = dict(root.find("devices/iommu/driver").attrib)
    del driver["pciBus"]
    together = ",".join(f"{k}={v}" for k, v in {**driver, **props}.items())
    same(run("decode", f"arm-smmuv3,{together}")[0], DECODED)
    # a host with all features, and one that does not limit them
    out = run("baseline", "--format=libvirt", HOSTS[0])[0]
    assert "which a device here fits.\n-->" in out, out
    out = run("decode", "--format=libvirt", DROPIN)[0]
    assert "ats='on' ril='off' ssidsize='20' oas='48'/>" in out and \
        "qemu:" not in out, out
    out = run("decode", "--format=libvirt", "accel=on,ril=auto")[0]
    assert "<driver pciBus='1' accel='on'/>" in out, out
    out = run("decode", "--format=libvirt", "idr3=1024")[0]
    assert "accel='on' ril='on'/>" in out and "value='1024'" in out, out


def for_kubevirt():
    """--format=kubevirt: the values, and what they cannot express"""
    same(run("baseline", "--format=kubevirt", *HOSTS)[0], KUBEVIRT)
    out = run("baseline", "--format=kubevirt", HOSTS[0])[0]
    assert "# A device here fits that.\n" in out, out
    out = run("decode", "--format=kubevirt", DROPIN)[0]
    assert '    ssidSize: "20"\n    oas: "48"\n#' in out and \
        "registers" not in out, out


def formats():
    """--format: formats that a command does not support"""
    for command in (("check", COMMON, NOWHERE), ("doctor",), ("fields",)):
        err = run(*command, "--format=libvirt", status=2)[1]
        assert f"{command[0]} has no --format=libvirt" in err, err
    run("decode", COMMON, "--format=xml", status=2)
    same(run("decode", COMMON, "--format=text")[0], DECODED)
    same(run("decode", COMMON, "--format=json"),
         run("decode", COMMON, "--json"))


def wrong_specs():
    """An invalid specification: status 2, option and cure, no output"""
    for spec, text in (
            ("idr0=zero", "idr0 'zero' is not a number of 32 bits"),
            ("idr9=0", "'idr9' is not an option of arm-smmuv3-accel"),
            ("idr5=0x7", "IDR5.OAS: 7, can be 0..5"),
            ("idr5=0x5", "GRAN64K: all 0, one must be 1"),
            ("idr3=0,ril=on", "IDR3.RIL: 0 by idr3=0x0, but 1 by ril=on"),
            ("@/nonexistent/file", "/nonexistent/file")):
        for command in (("decode", spec), ("check", spec, NOWHERE),
                        ("baseline", COMMON, spec)):
            out, err = run(*command, status=2)
            same(out, "")
            assert text in err, err


def baseline():
    """baseline: three invented hosts, with the result derived by hand"""
    same(run("baseline", *HOSTS)[0], COMMON + "\n")
    same(run("baseline", *reversed(HOSTS))[0], COMMON + "\n")
    for host in HOSTS:
        same(run("baseline", host)[0], host + "\n")
        same(run("baseline", host, COMMON)[0], COMMON + "\n")
    out = json.loads(run("baseline", "--json", *HOSTS)[0])
    same(out["spec"], COMMON)
    same(out["device"]["idr5"], 0x44)
    one, two, three = "number 1", "number 2", "number 3"
    same(out["limits"],
         {"IDR0.TTF": [one, three], "IDR0.TERM_MODEL": [one, three],
          "IDR0.ASID16": [three], "IDR1.SSIDSIZE": [three],
          "IDR3.BBML": [three], "IDR5.OAS": [two], "IDR5.GRAN4K": [three],
          "IDR5.GRAN16K": [two, three], "IDR5.VAX": [three],
          "AIDR.ARCH_MINOR": [three]})


def files():
    """@FILE: as printed, as an argument of -device, in JSON, for -readconfig"""
    config = '# kept\n[device "pcie.1"]\n  driver = "pxb-pcie"\n\n' \
        '[device "smmu1"]\n  driver = "arm-smmuv3-accel"\n  bus = "pcie.1"\n'
    for key, value in values(HOSTS[1]).items():
        config += f'  {key} = "{value:#x}"\n'
    texts = (HOSTS[0] + "\n", config,
             json.dumps({"driver": "arm-smmuv3-accel", **values(HOSTS[2])}))
    with tempfile.TemporaryDirectory() as where:
        names = []
        for number, text in enumerate(texts):
            path = Path(where, f"host{number}.spec")
            path.write_text(text, encoding="utf-8")
            names.append(f"@{path}")
        same(run("baseline", *names)[0], COMMON + "\n")
        Path(where, "host1.spec").write_text("idr0=1,idr0=1", encoding="utf-8")
        err = run("baseline", *names, status=2)[1]
        assert "host1.spec: idr0 is given twice" in err, err


def no_baseline():
    """baseline: no common result, or an incomplete host"""
    small = HOSTS[0].replace("idr5=0x475", "idr5=0x14")
    out, err = run("baseline", small, HOSTS[2], status=1)
    same(out, "")
    assert "none in common (number 1: 4K, number 2: 64K)" in err, err
    err = run("baseline", HOSTS[0], "idr0=0xd48201a,ril=on", status=2)[1]
    text = "specification number 2 lacks idr1, idr3, idr5, iidr, aidr"
    assert text in err, err


def no_host():
    """host, check: a device that does not exist, an invalid address"""
    for bdf, text in ((NOWHERE, f"there is no PCI device {NOWHERE}"),
                      ("nvme0", "'nvme0' is not a PCI address")):
        for command in (("host", bdf), ("check", COMMON, bdf),
                        ("--json", "check", COMMON, bdf)):
            out, err = run(*command, status=2)
            same(out, "")
            assert text in err and err.count("\n") == 1, err


def fields():
    """fields: the rule table of the user page is up to date"""
    want = Path(FIELDS).read_text(encoding="utf-8")
    assert run("fields", "rst")[0] == want, \
        f"{FIELDS} is not what `{TOOL} fields rst' prints"
    table = json.loads(run("fields", "--json")[0])
    text = run("fields")[0]
    same(len(text.splitlines()), len(table))
    for row in table:
        assert f"{row['register']}.{row['field']} [" in text, row
        assert row["field"] in want, row


def manual():
    """The manual has the output, up to where it omits text"""
    page = Path(FIELDS).parents[2] / "tools/smmuv3-spec.rst"
    page = page.read_text(encoding="utf-8")
    common = "idr0=0xd40201a,idr1=0x2730010,idr3=0x400,idr5=0x44,iidr=0x0," \
        "aidr=0x1"
    dropin = "arm-smmuv3,primary-bus=pci.1,accel=on,ril=off,oas=44"
    assert common in page
    for typed, args in (
            (f"decode {dropin}\n", ("decode", dropin)),
            ("--format=libvirt baseline @host1.spec @host2.spec @host3.spec\n",
             ("--format=libvirt", "baseline", common, common, common))):
        printed = [line.strip() for line in run(*args)[0].splitlines()]
        shown = page.split("$ smmuv3-spec " + typed)[1].split("\n\n")[0]
        for line in shown.splitlines():
            part = line.strip().removesuffix("...").rstrip()
            assert any(p.startswith(part) for p in printed), line


def usage():
    """--help, --version, and an invalid command"""
    text = run("--help")[0]
    for word in ("host BDF", "decode SPEC", "check SPEC BDF", "check XML",
                 "baseline SPEC...", "doctor", "--json", "--format=FORMAT",
                 "--libvirt=", "--root=", "Exit status"):
        assert word in text, word
    assert run("--version")[0].startswith("smmuv3-spec ")
    out, err = run(status=2)
    same(out, "")
    assert err.startswith("usage: smmuv3-spec host BDF"), err
    for args, said in (
            (("help",), "'help' is not a command"),
            (("decode",), "decode takes a SPEC, not 0 arguments"),
            (("decode", "a", "b"), "decode takes a SPEC, not 2 arguments"),
            (("host",), "host takes a BDF, not 0"),
            (("check",), "check takes a SPEC and a BDF, or the XML"),
            (("baseline",), "baseline takes at least one SPEC"),
            (("doctor", "a", "b"), "doctor takes a BDF or nothing, not 2"),
            (("--jsno", "fields"), "'--jsno' is not an option"),
            (("--format", "json", "fields"), "'--format' is not --format= "),
            (("--format=xml", "fields"), "'--format=xml' is not --format= "),
            (("--root=/", "fields"), "fields has no --root="),
            (("--libvirt=11.3", "host", NOWHERE), "host has no --libvirt="),
            (("--libvirt=11.3", "check", COMMON, NOWHERE),
             "--libvirt= is for the XML of a domain"),
            (("decode", FIELDS), f"is a file: write @{FIELDS}"),
            (("check", "nowhere.xml", NOWHERE), "no file 'nowhere.xml'")):
        out, err = run(*args, status=2)
        same(out, "")
        assert said in err and err.count("\n") <= 2, err
    run("fields", "xml", status=2)
    err = run("check", COMMON, status=2)[1]
    assert "without a BDF nothing else can be checked" in err, err


def main():
    """Run all tests"""
    tests = (decode, decode_json, dropin, cmdqv, for_libvirt, for_kubevirt,
             formats, wrong_specs, baseline, files, no_baseline, no_host,
             fields, manual, usage)
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
        except Exception:   # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} {test.__doc__}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
        else:
            print(f"ok {number} {test.__doc__}")
    return failed > 0


sys.exit(main())
