#!/usr/bin/env python3
#
# Runs `smmuv3-spec check' on domains of libvirt: good ones, and copies of them
# with one mistake each.
#
# test-smmuv3-spec-domain.py TOOL DIRECTORY
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of smmuv3-spec check XML, in TAP"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL, FILES = sys.argv[1], Path(sys.argv[2])
NOWHERE = "0000:7f:1f.7"

DRIVER = "<driver pciBus='1' accel='on' ats='off' ril='on' ssidsize='0' " \
    "oas='44'/>"
ADDRESS = "<address type='pci' domain='0x0000' bus='0x02' slot='0x00' " \
    "function='0x0'/>\n    </hostdev>"
QEMU = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
SPECIFIED = ("<domain type='kvm'>", f"<domain type='kvm'{QEMU}>")


def driver(text):
    """hostdev.xml with another <driver>"""
    return [(DRIVER, text)]


def override(text, alias="iommu0"):
    """hostdev.xml with properties of its <iommu>"""
    return [SPECIFIED, ("</domain>", "<qemu:override>"
                        f"<qemu:device alias='{alias}'><qemu:frontend>{text}"
                        "</qemu:frontend></qemu:device></qemu:override>\n"
                        "</domain>")]


# The change of a good file, and the expected finding: line, value, and a part
# of the text; advice has a + before the value.
# The equivalent of <iommu> in commandline.xml
SMMU_ARG = ('{"driver":"arm-smmuv3","id":"smmu1","primary-bus":"pci.1",'
            '"accel":true,"idr3":5120}')

BAD = (
    # libvirt silently drops these
    ("hostdev", driver("<driver accel='on'/>"),
     [(26, "accel", "write pciBus with the index of the pcie-expander-bus")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' ssidSize='20'/>"),
     [(26, "ssidSize", "silently drops this: write ssidsize")]),
    ("hostdev", [("<iommu model='smmuv3'>", "<iommu xmlns='urn:x' "
                  "model='smmuv3'>")],
     [(25, "iommu", "take it out of the namespace 'urn:x'")]),
    ("hostdev", [("<iommu model='smmuv3'>", "<q:iommu xmlns:q='http://"
                  "libvirt.org/schemas/domain/qemu/1.0' model='smmuv3'>"),
                 ("</iommu>", "</q:iommu>")],
     [(25, "iommu", "take it out of the namespace")]),
    ("hostdev", driver("<driver xmlns='urn:x' pciBus='1' accel='on'/>"),
     [(26, "driver", "take it out of the namespace 'urn:x'")]),
    ("hostdev", [("<domain type='kvm'>", "<domain xmlns='urn:x' type='kvm'>")],
     [(1, "xmlns", "libvirt finds nothing in the namespace 'urn:x'")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' ssid_size='20'/>"),
     [(26, "ssid_size", "silently drops this: write ssidsize")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' pasid='on'/>"),
     [(26, "pasid", "write ssidsize='20' for PASIDs")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' colour='red'/>"),
     [(26, "colour", "no libvirt up to 12.8 knows")]),
    ("hostdev", [("<iommu model='smmuv3'>",
                  "<iommu model='smmuv3' accel='on'>")],
     [(25, "accel", "write <driver accel='on'/> inside <iommu>")]),
    ("hostdev", [("  </devices>", "  </devices>\n"
                  "  <iommu model='smmuv3'/>")],
     [(36, "iommu", "move it into <devices>")]),
    ("hotplug", [("<iommufd enabled='yes' fdgroup='iommu'/>", ""),
                 ("<devices>", "<devices><iommufd enabled='yes'/>")],
     [(15, "iommufd", "move it out of <devices>"),
      (15, "+iommufd", "write <iommufd enabled='yes' fdgroup='iommu'/>")]),
    ("hotplug", [(QEMU, "")],
     [(38, "override", "write <domain xmlns:qemu=")]),
    ("hotplug", [(QEMU, QEMU.replace("/1.0", "/2.0"))],
     [(38, "override", "write <domain xmlns:qemu=")]),
    ("commandline", [(QEMU, "")],
     [(14, "iommu", "no SMMU here is accelerated"),
      (24, "commandline", "write <domain xmlns:qemu=")]),
    # libvirt refuses these
    ("hostdev", driver("<driver pciBus='1' accel='yes'/>"),
     [(13, "iommu", "no SMMU here is accelerated"),
      (26, "accel", "refuses 'yes': write 'on' or 'off'")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' ats='auto'/>"),
     [(26, "ats", "refuses 'auto': write 'on' or 'off', or leave it out")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' ril='0'/>"),
     [(26, "ril", "refuses '0'")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' oas='auto'/>"),
     [(26, "oas", "takes a number: leave it out")]),
    ("hostdev", driver("<driver pciBus='0x1' accel='on'/>"),
     [(26, "pciBus", "refuses '0x1': write a decimal number")]),
    ("hostdev", driver("<driver pciBus='010' accel='on'/>"),
     [(26, "pciBus", "there is no controller 10")]),
    ("hostdev", driver("<driver pciBus='99999999999' accel='on'/>"),
     [(26, "pciBus", "no controller can have an index of '99999999999'")]),
    ("hostdev", driver("<driver pciBus='7' accel='on'/>"),
     [(26, "pciBus", "there is no controller 7")]),
    ("hostdev", driver("<driver pciBus='2' accel='on'/>"),
     [(26, "pciBus", "controller 2 is a pcie-root-port")]),
    ("hostdev", driver("<driver pciBus='1' ril='on'/>"),
     [(13, "iommu", "no SMMU here is accelerated"),
      (26, "ril", "refuses it without accel='on'")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' cmdqv='auto'/>"),
     [(26, "cmdqv", "refuses 'auto': write 'on' or 'off', or leave it out")]),
    ("hostdev", driver("<driver pciBus='1' cmdqv='on'/>"),
     [(13, "iommu", "no SMMU here is accelerated"),
      (26, "cmdqv", "refuses it without accel='on'")]),
    ("hostdev", override("<qemu:property name='cmdqv-param' type='string' "
                         "value='16401'/>"),
     [(36, "cmdqv-param", "QEMU wants a number: write type='unsigned'")]),
    ("hostdev", override("<qemu:property name='cmdqv-param' type='unsigned' "
                         "value='16401'/>"),
     [(26, "arm-smmuv3", "cmdqv-param needs cmdqv=on")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' caching_mode='on'/>"),
     [(26, "caching_mode", "refuses it for an smmuv3: remove it")]),
    ("hostdev", [("</iommu>", "</iommu><iommu model='virtio'/>")],
     [(27, "model", "'virtio' is not an SMMUv3")]),
    ("hostdev", [("</iommu>", "</iommu><iommu model='smmuv3'/>")],
     [(27, "iommu", "silently drops one without pciBus: write it")]),
    ("hotplug", [("pciBus='3'", "pciBus='1'")],
     [(35, "pciBus", "controller 1 has an SMMU on line 32")]),
    ("hotplug", [("</devices>", "<iommu model='smmuv3'><driver pciBus='1' "
                  "accel='on'/></iommu></devices>")],
     [(37, "pciBus", "controller 1 has an SMMU on line 32")]),
    ("hotplug", [("enabled='yes' ", "enabled='on' ")],
     [(14, "iommufd", "refuses it without enabled='yes'")]),
    ("hotplug", [("enabled='yes' ", "")],
     [(14, "iommufd", "refuses it without enabled='yes'")]),
    ("hostdev", override("<qemu:property name='idr3' type='unsigned' "
                         "value='0x1400'/>"),
     [(36, "idr3", "base 10 only: write '5120'")]),
    # QEMU refuses these
    ("hostdev", [("</devices>", "<hostdev mode='subsystem' type='mdev' "
                  "model='vfio-pci'><source><address uuid='c2177883-f1bb-47f0-"
                  "914d-32a22e3a8804'/></source><address type='pci' "
                  "bus='0x02' slot='0x01'/></hostdev></devices>")],
     [(35, "hostdev", "mediated device behind the SMMU on line 26")]),
    ("hostdev", [("<hostdev mode='subsystem'", "<hostdev"),
                 ("<driver iommufd='yes'/>", "")],
     [(28, "hostdev", "write <driver iommufd='yes'/> inside")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' ssidsize='21'/>"),
     [(26, "ssidsize", "'21' is neither 0..20 nor 'auto'")]),
    ("hostdev", driver("<driver pciBus='1' accel='on' oas='52'/>"),
     [(26, "oas", "(QEMU does not walk tables of 52 bits)")]),
    ("hostdev", override("<qemu:property name='idr3' type='unsigned' "
                         "value='0'/>"),
     [(26, "arm-smmuv3", "IDR3.RIL: 0 by idr3=0x0, but 1 by ril=on")]),
    ("hostdev", override("<qemu:property name='idr3' type='string' "
                         "value='5120'/>"),
     [(36, "idr3", "QEMU wants a number: write type='unsigned'")]),
    ("hostdev", override("<qemu:property name='idr9' type='unsigned' "
                         "value='5120'/>"),
     [(26, "arm-smmuv3", "'idr9' is not an option")]),
    ("hostdev", override("", "iommu1"),
     [(36, "alias", "there is no iommu1, libvirt silently drops this")]),
    ("commandline", [('"idr3":5120', '"idr3":5120,"oas":"39"')],
     [(14, "iommu", "no SMMU here is accelerated"),
      (28, "arm-smmuv3", "oas '39' is none of")]),
    ("commandline", [(',"accel":true,"idr3":5120', "")],
     [(14, "iommu", "no SMMU here is accelerated"),
      (28, "arm-smmuv3", "without accel=on")]),
    ("commandline", [('"primary-bus":"pci.1",', "")],
     [(28, "arm-smmuv3", "write primary-bus=pci.N")]),
    ("commandline", [(SMMU_ARG,
                      "arm-smmuv3,primary-bus=pci.1,accel=on")],
     [(28, "arm-smmuv3", "QEMU creates it before pci.1")]),
    ("commandline", [(SMMU_ARG,
                      "arm-smmuv3,primary-bus=pci.1")],
     [(14, "iommu", "no SMMU here is accelerated"),
      (28, "arm-smmuv3", "QEMU creates it before pci.1"),
      (28, "arm-smmuv3", "without accel=on")]),
    ("commandline", [("  </devices>",
                      "    <hostdev mode='subsystem' type='pci'>"
                      "<driver iommufd='yes'/>"
                      "<source><address bus='3' slot='0' function='0'/></source>"
                      f"{ADDRESS}\n  </devices>")],
     [(23, "hostdev", "before the SMMU on line 30")]),
    ("hostdev", [(" firmware='efi'", "")],
     [(5, "os", "refuses ACPI without firmware: write <os firmware='efi'>")]),
    ("hostdev", [("<acpi/>", "")],
     [(8, "acpi", "write <features><acpi/></features>")]),
    ("hostdev", [("version='3'", "version='2'")],
     [(10, "gic", "write <gic version='3'/>")]),
    ("hostdev", [("type='kvm'", "type='qemu'"), ("<gic version='3'/>", "")],
     [(8, "gic", "version 2, the default of type='qemu',")]),
    ("hostdev", [("arch='aarch64'", "arch='x86_64'")],
     [(6, "arch", "'x86_64' has no SMMUv3")]),
    ("hostdev", [("machine='virt'", "machine='q35'")],
     [(6, "machine", "'q35' has no SMMUv3")]),
    ("hostdev", [("<driver iommufd='yes'/>", "")],
     [(28, "hostdev", "write <driver iommufd='yes'/> inside")]),
    ("hostdev", [("<driver iommufd='yes'/>", "<driver name='vfio'/>")],
     [(28, "hostdev", "write <driver iommufd='yes'/> inside")]),
    ("hostdev", [("<driver iommufd='yes'/>", "<driver iommufd='no'/>")],
     [(29, "iommufd", "'no': QEMU refuses")]),
    ("hostdev", [(ADDRESS, ADDRESS.replace("0x02", "0x03"))],
     [(33, "bus", "line 26 has one for controller 1: write <address type='pci' "
       "domain='0x0000' bus='0x02'")]),
    ("hostdev", [(ADDRESS, "</hostdev>")],
     [(28, "hostdev", "without <address> libvirt puts the device below "
       "controller 0")]),
    ("hostdev", [("<iommu model", "<controller type='pci' index='5' "
                  "model='pcie-to-pci-bridge'><address type='pci' bus='2' "
                  "slot='0'/></controller><iommu model"),
                 (ADDRESS, ADDRESS.replace("0x02", "0x05"))],
     [(33, "bus", "controller 5 is a pcie-to-pci-bridge, which hides")]),
    ("hotplug", [("<driver pciBus='1' accel='on'/>", "<driver pciBus='1'/>"),
                 ("  </devices>", "    <hostdev mode='subsystem' type='pci'>"
                  f"<source/>{ADDRESS}\n  </devices>")],
     [(37, "bus", "controller 1 has an emulated SMMU")]),
    ("hostdev", [("<address type='pci' domain='0x0000' bus='0x01' slot='0x00' "
                  "function='0x0'/>", "<address type='pci' bus='0'/>")],
     [(26, "pciBus", "bus='0x01' slot='0x00'"),
      (33, "bus", "another controller")]),
    ("hostdev", [("<iommu model='smmuv3'>", "<iommu model='smmuv3'/><!--"),
                 ("</iommu>", "-->")],
     [(13, "iommu", "write <iommu model='smmuv3'><driver pciBus='1' "
       "accel='on'/></iommu> into <devices>")]),
    # these work, but not everywhere
    ("hotplug", [("<iommufd enabled='yes' fdgroup='iommu'/>", "")],
     [(15, "+iommufd", "fdgroup='iommu'")]),
    ("hotplug", [("<memtune>", "<!--"), ("</memtune>", "-->")],
     [(1, "+memtune", "write <memtune><hard_limit unit='GiB'>")]),
)

# An old libvirt drops everything that is new; with the remedy
OLD = {
    "hostdev": [(26, name) for name in ("pciBus", "accel", "ats", "ril",
                                        "ssidsize", "oas")]
    + [(29, "iommufd")],
    "hotplug": [(14, "iommufd"), (32, "pciBus"), (32, "accel"),
                (35, "pciBus"), (35, "accel"), (35, "ril")],
    "commandline": [],
}


def run(*args, text=None, status=0):
    """(stdout, stderr) of the tool, which must exit with this status"""
    done = subprocess.run([TOOL, *args], capture_output=True, text=True,
                          input=text, check=False, timeout=60)
    assert done.returncode == status, (args, done)
    return done.stdout, done.stderr


def read(name):
    """One of the good files"""
    return (FILES / f"{name}.xml").read_text(encoding="utf-8")


def findings(text, *args, status=0):
    """[(line, value, text)], advice with a + before the value"""
    out = run("check", "-", "--json", *args, text=text, status=status)[0]
    sign = {"advice": "+", "wrong": ""}
    return sorted((f["line"], sign[f["level"]] + f["value"], f["text"])
                  for f in json.loads(out)["findings"])


def good():
    """The good files, with the oldest libvirt that accepts them"""
    for name, needs in (("hostdev", "12.7.0"), ("hotplug", "12.7.0"),
                        ("commandline", None)):
        path = str(FILES / f"{name}.xml")
        out, err = run("check", path)
        want = f"{path}: good" + (f", for libvirt of at least {needs}\n"
                                  if needs else "\n")
        assert (out, err) == (want, ""), (out, err)
        assert run("check", "-", text=read(name))[0] == want.replace(path, "-")


def cmdqv():
    """Command queues in hardware: good, if libvirt has the attribute"""
    text = read("hostdev").replace("oas='44'/>", "oas='44' cmdqv='on'/>")
    assert not findings(text)
    assert (26, "cmdqv") in [f[:2] for f in findings(
        text, "--libvirt=12.6.0", status=1)]
    text = text.replace(*SPECIFIED).replace(
        "</domain>", "<qemu:override><qemu:device alias='iommu0'>"
        "<qemu:frontend><qemu:property name='cmdqv-param' type='unsigned' "
        "value='16401'/></qemu:frontend></qemu:device></qemu:override>"
        "</domain>")
    assert not findings(text)
    # queues that may lie in pieces, and those that do not
    text = text.replace("</qemu:frontend>", "<qemu:property name='idr1' "
                        "type='unsigned' value='41091088'/></qemu:frontend>")
    have, = findings(text)
    assert have[:2] == (26, "+cmdqv") and "of up to 524288 entries" in have[2] \
        and "or idr1 with CMDQS 8" in have[2], have
    assert not findings(text.replace("41091088", "18022416"))
    assert not findings(text.replace("<devices>", "<memoryBacking><hugepages/>"
                                     "</memoryBacking><devices>"))


def bad(case):
    """One mistake"""
    name, edits, want = case
    text = read(name)
    for old, new in edits:
        assert text.count(old) == 1, f"{old} is not in {name} once"
        text = text.replace(old, new)
    wrong = sum(not value.startswith("+") for _, value, _ in want)
    have = findings(text, status=int(wrong > 0))
    want = sorted(want)
    assert [f[:2] for f in have] == [f[:2] for f in want], have
    for (_, _, said), (_, _, part) in zip(have, want):
        assert part in said, (part, said)
    # the same as text
    with tempfile.TemporaryDirectory() as where:
        path = Path(where, "domain.xml")
        path.write_text(text, encoding="utf-8")
        out, err = run("check", str(path), status=int(wrong > 0))
    for line, value, said in have:
        advice = "advice: " if value.startswith("+") else ""
        text = f"{path}:{line}: {advice}{value.lstrip('+')}: {said}\n"
        assert text in out, out
    assert bool(err) == (wrong > 0), err


def old_libvirt():
    """--libvirt=VERSION: what that version drops"""
    for name, want in OLD.items():
        have = findings(read(name), "--libvirt=11.3", status=int(bool(want)))
        assert [f[:2] for f in have] == sorted(want), have
        for _, _, text in have:
            assert "libvirt 11.3.0 silently drops this: use 12." in text or \
                "use 11.10.0 or later" in text, text
    have = findings(read("hostdev"), "--libvirt=11.10.1", status=1)
    assert (26, "pciBus") not in [f[:2] for f in have], have
    assert not findings(read("hostdev"), "--libvirt=12.7.0")
    assert "not a version of libvirt" in run("check", "-", "--libvirt=new",
                                          text=read("hostdev"), status=2)[1]


def no_domain():
    """Files that are not domains"""
    for text, said in (("", "-:"), ("<domain>", "-:1: "),
                       ("<a/>", "its root is <a>"),
                       ("<domain><x></domain>", "-:1: ")):
        out, err = run("check", "-", text=text, status=2)
        assert not out and said in err and err.count("\n") == 1, (text, err)
    err = run("check", "nowhere.xml", status=2)[1]
    assert "'nowhere.xml' is not a file with the XML of a domain" in err, err
    bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(c + 1)} '{f'&{chr(c)};' * 10}'>"
        for c in range(97, 107)) \
        + "]><domain><devices><iommu model='&k;'/></devices></domain>"
    run("check", "-", text=bomb, status=2)
    run("check", "-", text="<domain>" * 5000, status=2)


def odd_files():
    """Files that are pipes, have a byte order mark, are long or missing"""
    with tempfile.TemporaryDirectory() as where:
        path = Path(where, "file")
        for encoding in ("utf-8-sig", "utf-16"):
            path.write_text(read("hostdev"), encoding=encoding)
            assert "good" in run("check", str(path))[0]
        path.unlink()
        os.mkfifo(path)
        with subprocess.Popen(["cp", FILES / "hostdev.xml", path]) as writer:
            assert "good" in run("check", str(path))[0]
            assert writer.wait() == 0
        path.unlink()
        path.write_text("idr0=0xd40301a\n", encoding="utf-8")
        for bdf in ((), (NOWHERE,)):
            err = run("check", str(path), *bdf, status=2)[1]
            assert f"if it is a specification, write @{path}" in err, err
        assert "directory" in run("check", where, status=2)[1]
    long = read("hostdev").replace("<devices>", "<devices>" + "\n" * 70000)
    long = long.replace("ssidsize", "ssidSize")
    # libxml2 counts from the next text beyond 65535
    assert findings(long, status=1)[0][0] in (70026, 70027)
    err = run("check", "-", status=2, text=long.replace(
        "<devices>", f"<devices><!--{'x' * 11000000}-->"))[1]
    assert err.count("\n") == 1, err


def with_device():
    """check XML BDF: the domain first, then the device"""
    path = str(FILES / "hostdev.xml")
    out, err = run("check", path, NOWHERE, status=2)
    assert "good" in out and f"no PCI device {NOWHERE}" in err, (out, err)
    assert "JSON" in run("check", path, NOWHERE, "--json", status=2)[1]


def manual():
    """The manual has the output for four mistakes"""
    text = read("hostdev")
    for old, new in (("ssidsize='0' oas='44'", "ssidSize='20' oas='52'"),
                     ("<driver iommufd='yes'/>", ""),
                     (ADDRESS, ADDRESS.replace("0x02", "0x03"))):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as where:
        Path(where, "vm.xml").write_text(text, encoding="utf-8")
        done = subprocess.run([Path(TOOL).resolve(), "check", "vm.xml"],
                              cwd=where, capture_output=True, text=True,
                              check=False)
    page = FILES.parents[2] / "docs/tools/smmuv3-spec.rst"
    page = " ".join(page.read_text(encoding="utf-8").split())
    good_one = run("check", str(FILES / "hostdev.xml"))[0]
    for said in (done.stdout, done.stderr,
                 good_one.replace(str(FILES / "hostdev"), "vm")):
        assert " ".join(said.split()) in page, said


def main():
    """Run all tests"""
    tests = [(test.__doc__, test) for test in (good, cmdqv, old_libvirt,
                                               no_domain, odd_files,
                                               with_device, manual)]
    tests += [(f"{case[0]}: {case[2][0][1]}: {case[2][0][2] or 'advice'}",
               lambda case=case: bad(case)) for case in BAD]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
        except AssertionError as error:
            failed += 1
            print(f"not ok {number} {name}")
            for line in str(error).splitlines():
                print(f"# {line}")
        else:
            print(f"ok {number} {name}")
    return failed > 0


sys.exit(main())
