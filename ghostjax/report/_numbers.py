"""Numbers of a comparison: final values per seed, means with intervals, differences of pairs."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ghostjax._intervals import note, t_interval


Records = Mapping[str, Mapping[str, np.ndarray]]
"""Per compared run, per metric: values `[seed, round]` or `[seed, round, node]`."""


class Shown(NamedTuple):
    """A metric of the tables: its name in records, its title, and the formats of a value and of a difference."""

    metric: str
    title: str
    value: Callable[[float], str]
    difference: Callable[[float], str]


def _percent(metric: str, title: str) -> Shown:
    return Shown(metric, title, lambda v: f"{v:.1%}", lambda v: f"{100 * v:+.1f} points")


def _plain(metric: str, title: str) -> Shown:
    return Shown(metric, title, lambda v: f"{v:.3f}", lambda v: f"{v:+.3f}")


SHOWN = (
    _percent("test_accuracy", "test accuracy"),
    _percent("accuracy", "accuracy"),
    _plain("loss", "loss"),
    _percent("worst_accuracy", "honest-worst accuracy"),
    _plain("worst_loss", "honest-worst loss"),
    _percent("byzantine_share", "Byzantine influence"),
    _plain("honest_distance", "moved by"),
)


def last(values: np.ndarray, window: int = 10) -> np.ndarray:
    """Mean over the last recorded rounds, per seed: a fifth of them, `window` at most; never the best round.

    Rounds in which an entry with a period is not due do not count. The final value is nan if the seed has no number in
    a round that others recorded, or if the metric stopped recording before the end.
    """
    recorded = np.flatnonzero(~np.isnan(values).all(0))
    if len(recorded) == 0 or _stopped(recorded, values.shape[1]):
        return np.full(len(values), np.nan)
    with np.errstate(invalid="ignore"):
        return values[:, recorded[-max(1, min(window, len(recorded) // 5)) :]].mean(1)


def _stopped(recorded: np.ndarray, rounds: int) -> bool:
    """Whether a metric that recorded these rounds should have recorded once more before the end."""
    missing = rounds - 1 - recorded[-1]
    if len(recorded) < 2:
        return False
    # A metric with period k records the first round and every k-th: the first step may be one shorter than the others.
    step = recorded[-1] - recorded[-2]
    return bool(missing > step or (len(recorded) > 2 and missing == step))


def spread(values: np.ndarray, form: Callable[[float], str]) -> str:
    """Mean over seeds and, with several of them, its 95 % interval."""
    there = values[~np.isnan(values)]
    if len(there) == 0:
        return "-"  # nobody to report on (no honest node), or never recorded
    middle = form(float(there.mean()))
    if len(there) < len(values):
        return f"{middle}  [of {len(there)} of {len(values)} seeds; the others have no number]"
    if len(values) < 2:
        return middle
    low, high = t_interval(values)
    return f"{middle}  [{form(float(low))}, {form(float(high))}]"


def table(records: Records) -> tuple[list[str], list[list[str]]]:
    """Final values per run, means over seeds with 95 % intervals; the terminal shows the same table."""
    present = _present(records)
    rows = [[name, *(spread(last(r[one.metric]), one.value) for one in present)] for name, r in records.items()]
    return ["rule", *(one.title for one in present)], rows


def differences(records: Records, against: str) -> tuple[list[str], list[list[str]]]:
    """Final values of every other run minus those of `against`, seed by seed: means with 95 % intervals."""
    present = _present(records)
    base = {one.metric: last(records[against][one.metric]) for one in present}
    rows = [
        [name, *(spread(last(record[one.metric]) - base[one.metric], one.difference) for one in present)]
        for name, record in records.items()
        if name != against
    ]
    return [f"minus {against}", *(one.title for one in present)], rows


def caveat(records: Records) -> str:
    """The scope of the intervals, and a warning about few seeds."""
    seeds = min(len(values) for record in records.values() for values in record.values())
    words = note(seeds)
    if seeds == 1:
        return f"Here is {words}."
    return "Intervals speak about other seeds on the same partition and data set." + (
        f" Note: {words}." if words else ""
    )


def paired(records: Records) -> bool:
    """Whether differences have intervals: there are several runs with the same number of seeds, at least two."""
    seeds = {len(values) for record in records.values() for values in record.values()}
    return len(records) > 1 and len(seeds) == 1 and min(seeds) > 1


def _present(records: Records) -> list[Shown]:
    return [one for one in SHOWN if all(one.metric in record for record in records.values())]
