# SPDX-License-Identifier: GPL-2.0-or-later
"""`bench`: runs the plan, saves the samples, and reports them."""

import datetime
import json
import os
import re
from dataclasses import replace

from .. import l0, roots, scenario, util
from ..util import LabError
from . import device, page, report, targets
from .plan import BY_NAME, PLANS, RIVAL
from .session import Session
from .stats import Samples

DIR = util.BUILD / "bench"
FORMAT = 1


def results_path():
    return DIR / "bench.json"


def about(lab, plan):
    """What was measured, and where."""
    def version(qemu):
        return lab.l1.sh(f"{qemu.env} {qemu.path} --version | sed -n 's/.*version //p'").out

    return {"format": FORMAT, "plan": plan.name, "rounds": plan.rounds,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "kernel": lab.l1.sh("uname -r").out,
            "qemu": version(lab.qemu),
            "rival": version(RIVAL.qemu) if lab.rival else "none",
            "host": f"{os.cpu_count()} CPUs ({os.uname().machine})",
            "load": round(os.getloadavg()[0], 1)}


def save(head, samples, problems):
    """Write the results; called after every configuration, so that an
    interrupted run has results, too."""
    DIR.mkdir(parents=True, exist_ok=True)
    result = {**head, "problems": problems, "targets": targets.evaluate(samples),
              "summary": samples.summary(), "samples": samples.rows}
    new = results_path().with_suffix(".new")
    new.write_text(json.dumps(result, indent=1) + "\n")
    new.rename(results_path())
    return result


def load():
    try:
        result = json.loads(results_path().read_text())
    except FileNotFoundError:
        raise LabError(f"{results_path()} does not exist: run `make bench' first") from None
    if result.get("format") != FORMAT:
        raise LabError(f"{results_path()} has another format: run `make bench' again")
    # The targets may have changed since the run.
    return {**result, "targets": targets.evaluate(Samples(result["samples"]))}


class Bench:
    """A run of a plan."""

    def __init__(self, plan):
        self.plan = plan
        self.samples = Samples()
        self.problems = []
        self.lab = scenario.Lab(rival=any(c.qemu is RIVAL.qemu for c in plan.configs))
        self.lab.qemu = BY_NAME["ours"].qemu
        self.session = Session(self.lab, plan, self.samples)

    def attempt(self, what, function, *args):
        """Measure one configuration.  A failure is recorded and ends only this one."""
        self.lab.begin("bench/" + re.sub(r"\W+", "-", what), l0.BENCH)
        failed = True
        try:
            function(*args)
            failed = False
        except LabError as error:
            scenario.report_failure(self.lab, what, str(error))
            self.problems.append(f"{what}: {str(error)[:300]}")
        finally:
            self.lab.end(failed)
        save(self.head, self.samples, self.problems)

    def run(self):
        plan = self.plan
        self.lab.begin("bench", l0.BENCH)
        try:
            self.head = about(self.lab, plan)
            for round in range(plan.rounds):
                for config in plan.order(round):
                    self.attempt(f"{config.name}, round {round + 1}", self.session.run,
                                 config, round)
            for number, rounds in plan.vsmmus.items():
                for round in range(rounds):
                    for config in plan.several():
                        self.attempt(f"{config.name}, {number} vSMMUs, run {round + 1}",
                                     self.session.several, config, number, round)
        finally:
            self.lab.drop_l1()
        return save(self.head, self.samples, self.problems)


def plan_of(args):
    """The plan that the command line asks for."""
    plan = PLANS["quick" if args.quick else "full" if args.full else "standard"]
    if args.rounds:
        plan = replace(plan, rounds=args.rounds, vsmmus={
            number: min(rounds, args.rounds) for number, rounds in plan.vsmmus.items()})
    if args.only:
        names = args.only.split(",")
        unknown = [name for name in names if name not in BY_NAME]
        if unknown:
            raise LabError(f"there is no configuration {unknown[0]}; the configurations are: {' '.join(BY_NAME)}")
        plan = replace(plan, configs=tuple(BY_NAME[name] for name in names))
    return plan


def main(args):
    if args.device:
        return device.main(args)
    if args.machines:
        return device.write_page()
    if not args.docs:
        roots.l1_root()
        l0.binary()
        result = Bench(plan_of(args)).run()
    else:
        result = load()
    text = report.text(result)
    DIR.mkdir(parents=True, exist_ok=True)
    (DIR / "report.txt").write_text(text)
    page.plots(result, DIR)
    print(text, end="")
    if args.docs:
        page.write(result, args.parts.split(",") if args.parts else None)
    else:
        print(f"\nThe samples are in {results_path()}, the plots in the same directory.")
    return 1 if result["problems"] else 0
