# SPDX-License-Identifier: GPL-2.0-or-later
"""`hostile`: one guest abuses its vSMMU, two others do checked I/O on the same physical SMMU.

What is shown: the others see no error, QEMU lives and answers, the host's kernel logs little, nothing leaks.
"""

import json
import re
import secrets
import statistics
from collections import Counter
from dataclasses import asdict, dataclass, field

from . import checks, cmdqv, hostile, l0, options, scenario, soak, util
from .checks import expect
from .honest import Honest

RESULTS = util.BUILD / "logs/hostile.json"
MONITOR = 1.0           # seconds within which QEMU answers
ROUND = 20              # seconds of abuse between two resets of the hostile guest

# What the host's kernel may log. It limits these to ten in five seconds for each place that prints,
LIMITED = (r"event: \w+ client: ", r"(?:un)?priv(?:ileged)? (?:data|inst) ", r"event 0xN received:", r"^\s*0xN$",
           r"callbacks suppressed", r"arm-smmu-v3 \S+: \s*0xN$")
# and these not: the kernel has no limit for them, as the security page says
UNLIMITED = (r"EVTQ overflow detected -- events lost", r"tegra241_cmdqv: .*unexpected error reported",
             r"tegra241_cmdqv: .*uncleared error detected, resetting")
# One line for each start of a guest, and each reset of a device
ORDINARY = (r"vfio-pci \S+: (?:enabling|resetting|reset done|Enabling|restoring)",)


# ------------------------------------------------------------- the host's log

def kinds(text):
    """{kind: number} of the lines of a kernel's log; numbers and names are left out of a kind."""
    out = Counter()
    for line in text.splitlines():
        line = re.sub(r"^\[ *[\d.]+\] ", "", line)
        line = re.sub(r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d\b", "BDF", line)
        line = re.sub(r"\barm-smmu-v3\.\d+\.auto\b", "SMMU", line)
        out[re.sub(r"0x[0-9a-f]+|(?<![A-Za-z_\d])\d+", lambda n: "0xN" if n[0].startswith("0x") else "N", line).strip()] += 1
    return out


def unexpected(found):
    known = re.compile("|".join(LIMITED + UNLIMITED + ORDINARY))
    return {kind: n for kind, n in found.items() if not known.search(kind)}


# ------------------------------------------------------------------ the guests

# The vSMMUs of the honest guests: one with the SMMU's own command queue, one with queues in hardware
BOTH = ({}, {"cmdqv": "on"})


def honest_guests(lab, vsmmus):
    """[Honest], each with a disk of its own."""
    out = []
    for n, registers in enumerate(vsmmus):
        host, _ = lab.vfio(f"nvme{n}")
        guest = lab.guest()
        guest.start(options.iommufd() + options.root_complex(lab.qemu, **registers) + options.vfio(host))
        guest.boot(300)     # beside the others
        out.append(Honest(guest, f"nvme{n}", host))
    return out


def hostile_guest(lab, other):
    return hostile.Hostile(lab, [lab.vfio(f"nvme{n}")[0] for n in (2, 3)], other)


def monitor_text(rounds):
    own = [x for r in rounds for x in r.latencies]
    other = [end - begin for r in rounds for begin, end in r.others]
    return (f"monitor: {len(own)} queries, median {1000 * statistics.median(own):.0f} ms, longest {1000 * max(own):.0f} ms; "
            f"that of another QEMU: median {1000 * statistics.median(other):.0f} ms, "
            f"longest {1000 * max(other):.0f} ms; the longest is {1000 * max(r.longest for r in rounds):.0f} ms above that of the other meanwhile")


def monitor_answers(rounds):
    """Within a second, if the machine is idle; otherwise a second later than that of an idle QEMU."""
    longest = max(r.longest for r in rounds)
    expect(longest < MONITOR * util.patience, f"the monitor of the hostile guest took {longest:.2f} s")


@dataclass
class Report:
    seed: int
    windows: dict = field(default_factory=dict)     # {name: {serial: Window}}
    rounds: list = field(default_factory=list)
    samples: list = field(default_factory=list)
    log: Counter = field(default_factory=Counter)
    messages: Counter = field(default_factory=Counter)  # of the hostile guest's QEMU

    def counts(self):
        return Counter({name: sum(r.counts[name] for r in self.rounds) for name in hostile.COUNTS})

    def latencies(self):
        return [x for r in self.rounds for x in r.latencies]

    def text(self, seconds):
        out = [f"seed {self.seed:#x}, {len(self.rounds)} rounds, {seconds} s of hostility:"]
        out += [f"  {n:>12,}  {name}" for name, n in self.counts().items()]
        out += [monitor_text(self.rounds),
                "modes of its command queues: " + ", ".join(sorted(set().union(*(r.modes for r in self.rounds))))]
        for serial in next(iter(self.windows.values())):
            alone = self.windows["alone"][serial].reads_per_second
            out += [f"{serial}, reads of 4 KiB in a second: " + ", ".join(
                f"{name} {w[serial].reads_per_second:.0f} ({w[serial].reads_per_second / (alone or 1):.2f}, "
                f"{w[serial].passes} passes)" for name, w in self.windows.items())]
        out += ["the host's kernel:"] + [f"  {n:>8}  {kind}" for kind, n in self.log.most_common()]
        out += ["the hostile guest's QEMU:"] + [f"  {n:>8}  {kind}" for kind, n in self.messages.most_common()]
        grown, bad = soak.judge(self.samples)
        return "\n".join(out + [f"growth between rounds: {grown}; {', '.join(bad) or 'flat'}"])

    def save(self):
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        data = {"seed": self.seed, "counts": self.counts(), "latencies": self.latencies(), "samples": self.samples,
                "log": self.log, "messages": self.messages,
                "windows": {name: {s: asdict(w) for s, w in one.items()} for name, one in self.windows.items()}}
        RESULTS.write_text(json.dumps(data, indent=1) + "\n")


def window(report, name, guests):
    report.windows[name] = {g.serial: g.window() for g in guests}


def beside(guests, report, name, seconds):
    """What the honest guests do in this time beside a guest that does nothing."""
    for g in guests:
        g.window()
    guests[0].guest.host.sh(f"sleep {seconds}", seconds + 60)
    window(report, name, guests)


def messages(text):
    """QEMU's messages by kind; its log of a guest must be short."""
    return kinds(re.sub(r"(?m)^\S+Z ", "", text))


def run(lab, seed, seconds, vsmmus=BOTH, round_seconds=ROUND, quiet=10):
    """The whole test; a Report."""
    report = Report(seed)
    guests = honest_guests(lab, vsmmus)
    beside(guests, report, "alone", quiet)
    bad = hostile_guest(lab, guests[0].guest)
    lab.l1.sh("dmesg -c >/dev/null")
    report.samples.append(bad.sample())
    for g in guests:
        g.window()
    bad.round(seed, quiet, hostile.SPIN)
    window(report, "beside a busy guest", guests)
    for number in range(max(1, seconds // round_seconds)):
        util.say(f"round {number + 1}: seed {seed + number:#x}")
        report.rounds.append(bad.round(seed + number, round_seconds))
        bad.reset()
        report.samples.append(bad.sample())
    window(report, "beside the hostile guest", guests)
    report.log = kinds(lab.l1.sh("dmesg -c").out)
    report.messages = messages(bad.l2.stderr())
    report.save()
    for line in report.text(seconds).splitlines():
        util.say(line)
    judge(report, guests, bad)
    return report


def judge(report, guests, bad):
    for g in guests:
        g.end()
        w = report.windows["beside the hostile guest"][g.serial]
        expect(w.passes > 0, f"{g.serial} has done no I/O beside the hostile guest")
    last = guests[-1].guest
    if "cmdqv" in cmdqv.info(last):
        cmdqv.expect_mode(last, "hardware", "after the hostility")
    monitor_answers(report.rounds)
    expect(report.counts()["commands"] > 0 and report.counts()["recoveries"] > 0, "the hostile guest did nothing")
    surprise = unexpected(report.log)
    expect(not surprise, f"L1's kernel logged: {surprise}")
    before, after = report.samples[0], report.samples[-1]
    expect(before["objects"] == after["objects"],
           f"the kernel has {after['objects']} for the hostile guest, before it had {before['objects']}")
    expect(before["fds"] == after["fds"], f"QEMU has {after['fds']} open files, before it had {before['fds']}")
    expect(bad.l2.running(), "the hostile guest's QEMU has ended")
    checks.eventually("the hostile guest's QEMU answers", lambda: bad.l2.qmp.cmd("query-status")["running"])


# ------------------------------------------------------------------ the command

PARTS = ("abuse", "faults_without_end")


def main(args):
    if not scenario.under_test().exists():
        raise util.LabError(f"{scenario.under_test()} is not built")
    seed = int(args.seed, 0) if args.seed else secrets.randbits(32)
    names = args.names or PARTS
    wrong = set(names) - set(PARTS)
    if wrong:
        raise util.LabError(f"there is no part {' '.join(wrong)}; the parts are: {' '.join(PARTS)}")
    util.say(f"hostile: {', '.join(names)}; abuse for {args.seconds} s, --seed {seed:#x}")

    def abuse(lab):
        run(lab, seed, args.seconds)
    abuse.platform = l0.HOSTILE
    lab, known = scenario.Lab(), scenario.load()
    states = {}
    try:
        for name in names:
            states[name], _ = scenario.run_one(lab, f"hostile-{name}", abuse if name == "abuse" else known[name])
    finally:
        lab.drop_l1()
    for name, state in states.items():
        print(f"{state} {name}")
    return 0 if set(states.values()) == {"ok"} else 1
