# SPDX-License-Identifier: GPL-2.0-or-later
"""Find messages in the code, on a page, and in the tests that produce them."""

import re
import subprocess

CALL = re.compile(r"\b(?:error_(?:setg\w*|append_hint|report|prepend)|warn_report)\s*\(")
LITERAL = r'"(?:[^"\\]|\\.)*"'
FORMAT = re.compile(r"%(?:(%)|[-#0-9.]*[lhz]*([sdiuxX]))")

# Sources whose messages are not for users who start QEMU, with the reason.
ELSEWHERE = {
    "hw/arm/smmuv3-accel-spec.c": "smmuv3-spec has a page of its own",
    "hw/arm/smmuv3-accel-baseline.c": "smmuv3-spec has a page of its own",
    "hw/arm/smmuv3-cmdqv.c": "the option is for tests",
    "patches/smmuv3-load.patch": "no QEMU writes such a stream",
}
# Formats without words of their own.
FRAME = ("%s", "%s failed", "%s failed (%s)", "detach %s failed")
# The beginnings of messages that no test produces, with the reason.
NEVER = {
    "the host maps ": "no kernel maps more or less than page 0 of a virtual interface",
    "arm-smmuv3-accel: cannot read events": "the kernel does not fail a read of a vEVENTQ that is ready",
    "host device %s is behind an arm-smmuv3-accel and needs iommufd": "VFIO prints the same before",
    "the host's CMDQV cannot start a queue ": "it is not known whether such hardware exists; the page has the message",
    "smmuv3-cmdqv: in the stream ": "no QEMU writes such a stream",
    "Failed to free id: ": "it is a bug: the kernel does not have the id",
    "vfio %s: no room for the PASID capability": "it needs a device with PASIDs; the reference page has the message",
}


def squeeze(text):
    return " ".join(text.split())


def formats(root):
    """{format: source} of the messages in new files and in lines that patches add."""
    found = {}
    sources = [path for pattern in ("hw/arm/*.c", "hw/vfio/*.c", "backends/*.c", "patches/*.patch")
               for path in sorted(root.glob(pattern))]
    for path in sources:
        name = str(path.relative_to(root))
        text = re.sub(r"\bPRI([udx])\d+\b", r'"\1"', path.read_text())
        if path.suffix == ".patch":
            text = "\n".join(line[1:] for line in text.splitlines() if line.startswith("+") and line[:3] != "+++")
        for call in CALL.finditer(text):
            first = re.compile(rf"[^\";]*?({LITERAL}(?:\s*{LITERAL})*)").match(text, call.end())
            if first and name not in ELSEWHERE:
                literal = "".join(part[1:-1] for part in re.findall(LITERAL, first[1]))
                found[re.sub(r'\\(.)', lambda m: {"n": "\n"}.get(m[1], m[1]), literal)] = name
    return {fmt: name for fmt, name in found.items() if fmt not in FRAME and not fmt.startswith(tuple(NEVER))}


def instance(fmt):
    """A regular expression that matches the output of a format."""
    pattern, at = "", 0
    for match in FORMAT.finditer(fmt):
        pattern += re.escape(squeeze_inner(fmt[at:match.start()]))
        pattern += "%" if match[1] else ".*?" if match[2] == "s" else "[0-9a-f]+"
        at = match.end()
    return pattern + re.escape(squeeze_inner(fmt[at:]))


def squeeze_inner(text):
    return re.sub(r"\s+", " ", text)


def missing(root, page):
    text = squeeze(" ".join(line for block in page for line in block.lines))
    return [f"{name}: {squeeze(fmt)}" for fmt, name in sorted(formats(root).items(), key=lambda item: item[1])
            if not re.search(instance(fmt.strip()), text)]


def programs(page):
    return sorted({word.partition(":")[2] for block in page for word in block.shown if word.startswith("unit:")})


def of_programs(page, obj):
    """{test: its output}"""
    said = {}
    for name in programs(page):
        run = subprocess.run([obj / "tests/unit" / name, "--tap", "-k"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, cwd=obj / "tests/unit", timeout=300)
        said[name] = squeeze(re.sub(r"^# ?", "", run.stdout, flags=re.MULTILINE))
    return said


def scenarios(root):
    sources = (root / "tests/lab/scenarios").glob("*.py")
    return {name for path in sources for name in re.findall(r"^@scenario.*\ndef (\w+)", path.read_text(), re.MULTILINE)}


def unshown(root, page, said):
    """Blocks that no test shows, and blocks whose test prints something else."""
    problems, known = [], scenarios(root)
    for block in page:
        first = f"line {block.line}: {block.lines[0]}"
        if block.language == "text" and not block.shown:
            problems.append(f"{first}\n  names no test that shows it")
        for word in block.shown:
            kind, _, name = word.partition(":")
            if kind == "lab":
                if name not in known:
                    problems.append(f"{first}\n  the lab has no scenario {name}")
            elif kind == "unit":
                pattern = ".*?".join(re.escape(squeeze(part)) for part in squeeze("\n".join(block.lines)).split("..."))
                if not re.search(pattern, said.get(name, "")):
                    problems.append(f"{first}\n  {name} says no such thing")
            else:
                problems.append(f"{first}\n  shown by {word}: neither lab: nor unit:")
    return problems
