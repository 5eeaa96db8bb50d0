# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples, and their statistics: medians, ranges, ratios within a round.

A sample is one flat dict: round, config, figure, and its metrics.  Times vary
from minute to minute on a machine that has other work to do.  So two
configurations are compared only within a round, and the median is taken of the
ratios of all rounds.
"""

import statistics
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """Median and range of the values of n runs."""
    median: float
    low: float
    high: float
    n: int

    def __str__(self):
        if self.n == 1:
            return f"{self.median:.3g} (1 run)"
        return f"{self.median:.3g} ({self.low:.3g}..{self.high:.3g}, {self.n} runs)"

    def json(self):
        return {key: round(value, 6) for key, value in asdict(self).items()}


def spread(values):
    """The Spread of some numbers; None if there are none."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


class Samples:
    """All samples of a bench, and the questions that the report asks."""

    def __init__(self, rows=()):
        self.rows = list(rows)

    def add(self, round, config, figure, **metrics):
        self.rows.append({"round": round, "config": config, "figure": figure, **metrics})

    def by_round(self, config, figure, metric, per=None):
        """{round: value}; per: another metric to divide by, such as "ops"."""
        out = {}
        for row in self.rows:
            if (row["config"], row["figure"]) != (config, figure) or row.get(metric) is None:
                continue
            if per is None:
                out[row["round"]] = row[metric]
            elif row.get(per):
                out[row["round"]] = row[metric] / row[per]
        return out

    def of(self, config, figure, metric, per=None):
        """Spread of a metric over the rounds."""
        return spread(self.by_round(config, figure, metric, per).values())

    def ratio(self, config, base, figure, metric="seconds", per="ops"):
        """Spread of config / base within each round."""
        mine = self.by_round(config, figure, metric, per)
        others = self.by_round(base, figure, metric, per)
        return spread(mine[r] / others[r] for r in mine if others.get(r))

    def gain(self, config, figure, base_figure, metric="seconds", per="ops"):
        """Spread of how many times faster one figure is than another."""
        mine = self.by_round(config, figure, metric, per)
        others = self.by_round(config, base_figure, metric, per)
        return spread(others[r] / mine[r] for r in mine if others.get(r) and mine[r])

    def configs(self):
        return list(dict.fromkeys(row["config"] for row in self.rows))

    def figures(self, prefix=""):
        names = dict.fromkeys(row["figure"] for row in self.rows)
        return [name for name in names if name.startswith(prefix)]

    def summary(self):
        """{config: {figure: {metric: Spread as a dict}}}, for the JSON file."""
        out = {}
        for row in self.rows:
            figure = out.setdefault(row["config"], {}).setdefault(row["figure"], {})
            for metric in row:
                if metric not in ("round", "config", "figure") and metric not in figure:
                    found = self.of(row["config"], row["figure"], metric)
                    if found:
                        figure[metric] = found.json()
        return out


def per(samples, config, figure, metric, by="ops"):
    """Median of metric / by, or None."""
    found = samples.of(config, figure, metric, by)
    return found.median if found else None
