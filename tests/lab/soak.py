# SPDX-License-Identifier: GPL-2.0-or-later
"""`soak`: repeat an operation, and check that nothing grows.

The flows are in soak_flows.py.  Samples are taken between the cycles of a flow,
always in the same state; at the end every metric is flat or growing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import bench, l0, scenario, util
from .trace import Trace

RESULTS = util.BUILD / "logs/soak.json"
SAMPLES = 40            # maximum for one flow
QUICK = 10              # --quick divides the cycles by it
LEAST = 4               # cycles; with fewer, growth cannot be detected


@dataclass(frozen=True)
class Metric:
    """A metric, and the growth that does not count as a leak."""
    name: str
    title: str
    allowed: int


METRICS = (
    Metric("ids", "ids", 0),            # existing objects of iommufd
    Metric("fds", "fds", 0),            # open files of QEMU
    Metric("heap", "heap kB", 1024),    # resident, without guest memory and flash
    Metric("rss", "RSS kB", 4096),
    Metric("slab", "slab kB", 4096),    # of L1, unreclaimable
    Metric("used", "L1 kB", 16384),     # of L1, without caches and files in memory
)


@dataclass(frozen=True)
class Flow:
    name: str
    func: Callable
    cycles: int
    seconds: float          # of one cycle, on two cores
    setup: float            # seconds before the first cycle
    platform: l0.Platform

    def estimate(self, cycles, measured):
        return self.setup + cycles * measured.get("seconds", self.seconds)


FLOWS = {}


def flow(cycles, seconds, setup=30, platform=l0.EMULATED):
    """Register func(lab, run); its docstring says which operation it repeats."""
    def register(func):
        FLOWS[func.__name__] = Flow(func.__name__, func, cycles, seconds, setup, platform)
        return func
    return register


# ----------------------------------------------------------------- sampling

class Sampler:
    """The current resources of QEMU and L1.  Reads only new lines of the trace."""

    OBJECTS = "alloc|destroy_id|free_id|backend_disconnect"

    def __init__(self, guest):
        self.guest = guest
        self.seen = 0
        self.text = ""

    def take(self):
        # Files in /tmp are memory of L1 (Shmem), so the trace would count as growth.
        # Large mappings other than the heap are the guest's memory and flash.
        out = self.guest.host.sh(f"""
            cd /proc/{self.guest.pid} || exit
            echo fds $(ls fd | wc -l)
            awk '/^VmRSS/ {{ print "rss", $2 }}' status
            awk '/^[0-9a-f]+-/ {{ name = $6 }} /^Size:/ {{ size = $2 }}
                 /^Rss:/ && (size < 65536 || name == "[heap]") {{ sum += $2 }}
                 END {{ print "heap", sum }}' smaps
            awk '{{ n[$1] = $2 }} END {{ print "slab", n["SUnreclaim:"]
                 print "used", n["MemTotal:"] - n["MemAvailable:"] - n["Shmem:"] }}' /proc/meminfo
            """).out
        sample = {key: int(value) for key, value in map(str.split, out.splitlines())}
        sample["objects"] = self.objects()
        sample["ids"] = sum(sample["objects"].values())
        return sample

    def objects(self):
        head, _, text = self.guest.host.sh(f"""
            size=$(wc -c <{self.guest.dir}/trace)
            echo $size
            tail -c +{self.seen + 1} {self.guest.dir}/trace | head -c $((size - {self.seen})) |
                grep -E '{self.OBJECTS}' || :""", 60).out.partition("\n")
        self.seen = int(head)
        self.text += text + "\n"
        return Trace(self.text).live()


@dataclass
class Run:
    """A running flow: the second argument of a flow."""
    flow: Flow
    count: int
    samples: list = field(default_factory=list)
    done: int = 0
    seconds: float = 0.0

    def cycles(self, guest):
        """Numbers from 1 on; takes at most SAMPLES samples of the guest."""
        bench.quiet(guest)      # no trace of each invalidation
        sampler = Sampler(guest)
        step = max(1, self.count // SAMPLES)
        begin = said = time.monotonic()
        for number in range(1, self.count + 1):
            yield number
            self.done = number
            self.seconds = (time.monotonic() - begin) / number
            if number % step == 0 or number == self.count:
                self.samples.append({"cycle": number, **sampler.take()})
            if time.monotonic() - said > 30:
                said = time.monotonic()
                left = (self.count - number) * self.seconds
                util.say(f"{self.flow.name}: cycle {number} of {self.count}, "
                         f"{self.seconds:.1f} s each, {left / 60:.0f} min left")


# ------------------------------------------------------------------ verdict

def growth(values):
    """The minimum of the last quarter minus the minimum of the first quarter.

    Before that, a quarter of all values, but at least one, is warm-up: heaps
    and caches fill.  None: too few values.
    """
    values = values[max(1, len(values) // 4):]
    if len(values) < 2:
        return None
    quarter = max(1, len(values) // 4)
    return min(values[-quarter:]) - min(values[:quarter])


def judge(samples):
    """({metric: growth}, [descriptions of what grew])"""
    grown = {m.name: growth([s[m.name] for s in samples]) for m in METRICS}
    if None in grown.values():
        return grown, ["there are too few samples"]
    return grown, [f"{m.title.split()[0]} +{grown[m.name]}" for m in METRICS
                   if grown[m.name] > m.allowed]


def row(result):
    cells = f"{result['name']:12} {result['done']:6} {result['seconds']:8.1f}"
    last = result["samples"][-1] if result["samples"] else {}
    for m in METRICS:
        grown = result["growth"].get(m.name)
        text = f"{last[m.name]} ({grown:+d})" if last and grown is not None else "-"
        cells += f" {text:>{width(m)}}"
    return f"{cells}  {result['verdict']}"


def width(metric):
    return 9 if metric.name in ("ids", "fds") else 15


def table(results):
    head = f"{'flow':12} {'cycles':>6} {'s/cycle':>8}"
    head += "".join(f" {m.title:>{width(m)}}" for m in METRICS) + "  verdict"
    limits = ", ".join(f"{m.title.split()[0]} {m.allowed}" for m in METRICS)
    return "\n".join([head, *(row(r) for r in results), "",
                      "In parentheses: the minimum of the last quarter minus that of the first after the warm-up.",
                      f"A flow is flat if no metric grows by more than its limit: {limits}."])


# ------------------------------------------------------------------ running

def load():
    try:
        return json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        return {}


def save(result):
    everything = load()
    everything[result["name"]] = result
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(everything, indent=1) + "\n")


def run_flow(lab, one, cycles, key):
    run = Run(one, cycles)

    def body(lab):
        one.func(lab, run)
    body.platform = one.platform
    state, text = scenario.run_one(lab, f"soak-{one.name}", body)
    grown, bad = judge(run.samples)
    verdict = "growing: " + ", ".join(bad) if bad else "flat"
    if state != "ok":
        verdict = "FAILED: " + (text.splitlines() or [state])[-1]
    result = {"name": one.name, "qemu": key, "cycles": cycles, "done": run.done,
              "seconds": round(run.seconds, 2), "growth": grown, "samples": run.samples,
              "verdict": verdict}
    save(result)
    return result


def planned(args, key):
    """[(flow, cycles)] to run; prints those that --resume omits."""
    for name in args.names:
        if name not in FLOWS:
            raise util.LabError(f"there is no flow {name}; the flows are: {' '.join(FLOWS)}")
    known, out = load(), []
    for name in args.names or FLOWS:
        one, old = FLOWS[name], known.get(name, {})
        cycles = max(LEAST, args.cycles or one.cycles // (QUICK if args.quick else 1))
        same = old.get("qemu") == key and old.get("done", 0) >= cycles
        if args.resume and same and old["verdict"] == "flat":
            util.say(f"{name}: omitted, because an earlier run was flat over {old['done']} cycles (--resume)")
            continue
        out.append((one, cycles))
    return out


def announce(plan):
    known, whole = load(), 0
    for one, cycles in plan:
        seconds = one.estimate(cycles, known.get(one.name, {}))
        whole += seconds
        util.say(f"{one.name}: {cycles} cycles, about {seconds / 60:.0f} min: "
                 f"{scenario.summary(one.func)}")
    util.say(f"soak: {len(plan)} flows, about {whole / 60:.0f} minutes")


def main(args):
    from . import soak_flows    # noqa: F401  (it registers the flows)
    if not scenario.under_test().exists():
        raise util.LabError(f"{scenario.under_test()} is not built")
    key = util.file_key(scenario.under_test())
    plan = planned(args, key)
    announce(plan)
    lab, results = scenario.Lab(), []
    try:
        for one, cycles in plan:
            results.append(run_flow(lab, one, cycles, key))
            print(row(results[-1]), flush=True)
    finally:
        lab.drop_l1()
    print(f"\n{table(results)}\n\nAll samples are in {RESULTS}.")
    return 0 if all(r["verdict"] == "flat" for r in results) else 1
