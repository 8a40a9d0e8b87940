"""Thresholds from honest runs."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta

from ghostjax._border import member, number, whole
from ghostjax._types import require
from ghostjax.incident._incident import Incident
from ghostjax.incident._outcome import Outcome
from ghostjax.incident._play import drawn, play


class Calibration(NamedTuple):
    """An incident whose thresholds honest runs have set.

    `thresholds` by watch: the `rank`-th smallest of the `runs` maxima of the evidence, over rounds and streams.
    `interval` is the 95 % interval of the probability that a further honest run alarms, one watch at a time, over
    what the honest runs may have been: `Beta(runs + 1 - rank, rank)`, of mean at most `level`. `honest` are these runs.
    """

    incident: Incident
    thresholds: dict[str, float]
    runs: int
    rank: int
    interval: tuple[float, float]
    maxima: dict[str, np.ndarray]
    honest: list[Outcome]


def order_statistic(runs: int, level: float, call: str = "calibrate") -> int:
    """The rank `ceil((1 - level) (runs + 1))` whose maximum a further honest run exceeds with probability <= level."""
    rank = math.ceil((1 - level) * (runs + 1) - 1e-9)
    least = math.ceil(1 / level - 1 - 1e-9)
    require(rank <= runs, call, "honest_runs", runs, f"a false-alarm rate of {level:g} needs at least {least} of them")
    return rank


def calibrate(incident: Incident, honest_runs: int = 100, *, level: float = 0.05, key: Any = 0) -> Calibration:
    """Sets the thresholds of all watches by `honest_runs` runs without an adversary, of the same length.

        h = the ceil((1 - level) (m + 1))-th smallest maximum of the evidence in m honest runs

    **Guarantee:** if a further honest run is exchangeable with these, it alarms with probability at most `level`, on
    average over calibrations; for the one at hand the probability is uncertain by `Calibration.interval`. Nothing is
    assumed of the signal. The runs come from streams of `key`; runs that are judged have other keys.

    **Errors:** fewer runs than `level` needs (19 for 5 %).

    ```python
    >>> import ghostjax as gj
    >>> incident = gj.incident.ghost(rounds=12, t0=6, burn_in=(1, 4))
    >>> found = gj.incident.calibrate(incident, honest_runs=4, level=0.2)
    >>> found.rank, sorted(found.thresholds)
    (4, ['identities', 'network'])

    ```
    """
    member(incident, Incident, "calibrate", "incident")
    honest_runs = whole(honest_runs, "calibrate", "honest_runs", low=1)
    level = float(number(level, "calibrate", "level", 0, 1))
    require(0 < level < 1, "calibrate", "level", level, "a rate lies between 0 and 1")
    rank = order_statistic(honest_runs, level)
    quiet = incident.with_thresholds(dict.fromkeys(incident.watches, float("inf")))
    honest = play(quiet, drawn(key, "honest", honest_runs, "calibrate"), attacked=False)
    maxima = {name: np.array([one.record[f"evidence_{name}"].max() for one in honest]) for name in incident.watches}
    thresholds = {name: float(np.sort(values)[rank - 1]) for name, values in maxima.items()}
    # Beyond it, not at it: the run that set the threshold was honest.
    thresholds = {name: float(np.nextafter(np.float32(h), np.float32(np.inf))) for name, h in thresholds.items()}
    spread = beta(honest_runs + 1 - rank, rank)
    interval = (float(spread.ppf(0.025)), float(spread.ppf(0.975)))
    return Calibration(incident.with_thresholds(thresholds), thresholds, honest_runs, rank, interval, maxima, honest)
