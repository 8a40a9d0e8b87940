"""Summaries of a sweep: last rounds, never the best one; means, worst cases and differences with intervals."""

from typing import Any, Literal, TYPE_CHECKING

import numpy as np

from ghostjax._border import choice, number, shown, whole
from ghostjax._intervals import lowest_interval, note, t_interval
from ghostjax._types import ConfigurationError, require


if TYPE_CHECKING:
    import xarray


def final_value(dataset: "xarray.Dataset", metric: str, last: int = 5) -> "xarray.DataArray":
    """The mean of `metric` over the last `last` rounds that recorded it; nan where a cell is not done.

    Rounds in which an entry with a period is not due do not count. A nan in a round that other cells recorded stays
    nan.
    """
    known = sorted(str(name) for name, one in dataset.data_vars.items() if "round" in one.dims)
    choice(metric, known, "final", "metric")
    whole(last, "final", "last", 1)
    values = dataset[metric]
    others = [dim for dim in values.dims if dim != "round"]
    recorded = np.flatnonzero(values.notnull().any(others).values)
    chosen = values.isel(round=recorded[-last:]).mean("round", skipna=False)
    chosen.attrs = {**values.attrs, "summary": f"mean of the last {min(last, len(recorded))} recorded rounds"}
    return chosen


def better(metric: str, dataset: "xarray.Dataset") -> Literal["higher", "lower"] | None:
    """The direction of `metric` that is better, as its metric declares; None if it declares none."""
    declared = dataset[metric].attrs.get("better")
    return declared if declared in ("higher", "lower") else None


def mean_over_seeds(
    dataset: "xarray.Dataset", metric: str = "accuracy", *, last: int = 5, level: float = 0.95
) -> "xarray.Dataset":
    """The mean over seeds of `metric` (`final_value`) in every cell, with Student's interval.

    Its coverage is `level` for normal values, with any number of seeds from 2 on. It is about other seeds of **the same
    partition and data set**; `worst_case` says how to cover other partitions. Limits may lie outside the range of the
    metric. Returns `value`, `low`, `high` and `seeds`.
    """
    values, dims, _ = _seeds_last(dataset, metric, last, level, "mean")
    low, high = t_interval(values, level)
    return _result(dataset, dims, {"value": values.mean(-1), "low": low, "high": high}, metric, level, values.shape[-1])


def worst_case(
    dataset: "xarray.Dataset",
    metric: str = "accuracy",
    over: str = "attack",
    *,
    last: int = 5,
    worst: Literal["lowest", "highest"] | None = None,
    level: float = 0.95,
) -> "xarray.Dataset":
    """The mean over seeds of `metric` at the worst option along `over`, with an interval.

        value = min_a mean_s m[a, s]
        low = min_a (mean_a - t(1 - q) error_a),    high = min_a (mean_a + t(1 - q / k) error_a),    q = (1 - level) / 2

    for k options, with Student's t over seeds. **Coverage** is at least `level` for normal values, with any number of
    seeds from 2 on, for equal options, different ones, and ones that correlate because equal seeds share their random
    numbers (a test simulates it; `docs/statistics.md` shows the numbers). `value` itself is below the true worst case
    on average: it is the lowest of noisy means.

    **One partition:** seeds vary initial models, batches and noise. The interval is about other seeds on the same
    partition and data set. For a claim about other partitions, make the partition depend on the seed: `sweep(build,
    ...)` with `seed` among the arguments of `build`.

    `worst` is "highest" if lower values are better and "lowest" if higher ones are, as the metric declares. If it
    declares neither, `worst` must be given. `over` may be the last word of a dotted path.

    Returns `value`, `low`, `high`, `worst` (the option) and `seeds`. If there are so few seeds that the interval needs
    normal values, `attrs["note"]` says so. Cells that are not done make their point nan.

    Errors: `ConfigurationError` for an unknown metric or dimension, and for a direction that nobody declared.
    """
    values, dims, over = _seeds_last(dataset, metric, last, level, "worst_case", over)
    if worst is None:
        declared = better(metric, dataset)
        if declared is None:
            raise ConfigurationError(
                f"worst_case: metric={metric}: it does not declare whether higher or lower is better; give "
                "worst='lowest' or worst='highest'"
            )
        worst = "highest" if declared == "lower" else "lowest"
    choice(worst, ("lowest", "highest"), "worst_case", "worst")
    sign = 1.0 if worst == "lowest" else -1.0
    low, high = lowest_interval(sign * values, level)
    if sign < 0:
        low, high = high, low
    means = sign * values.mean(-1)
    unknown = np.isnan(means).any(0)
    which = np.argmin(np.where(np.isnan(means), np.inf, means), 0)
    labels = np.asarray([str(label) for label in dataset[over].values])
    found = {
        "value": sign * np.where(unknown, np.nan, means.min(0)),
        "low": sign * low,
        "high": sign * high,
        "worst": np.where(unknown, "", labels[which]),
    }
    return _result(dataset, dims, found, metric, level, values.shape[-1], over=over, worst=worst)


def difference(
    dataset: "xarray.Dataset",
    metric: str = "accuracy",
    over: str = "aggregator",
    against: Any = None,
    *,
    last: int = 5,
    level: float = 0.95,
) -> "xarray.Dataset":
    """The difference of `metric` to that of the option `against` along `over`, seed by seed, with an interval.

        value[a] = mean_s (m[a, s] - m[against, s]),    interval: Student's, of these differences

    Equal seeds share initial models, batches and noise, so their difference is often far less noisy than either value.
    Compare two rules by this interval, not by whether their own intervals overlap. **Coverage** is `level` for normal
    differences, for each option separately: of twenty comparisons at 95 % one is expected to miss. It is about one
    partition and data set, as for `worst_case`.

    `against` is a label of `over` (by default the first). Returns `value`, `low`, `high` for every other option, and
    `seeds`. Above 0 means a higher value than `against`; `attrs["better"]` says whether that is better, if declared.

    Errors: `ConfigurationError` for an unknown metric, dimension or label.
    """
    values, dims, over = _seeds_last(dataset, metric, last, level, "difference", over)
    labels = dataset[over].values.tolist()
    against = labels[0] if against is None else against
    names = [str(label) for label in labels]
    if against not in labels:
        choice(str(against), names, "difference", "against")
    place = labels.index(against) if against in labels else names.index(str(against))
    require(len(labels) > 1, "difference", "over", over, "it has one option; a comparison needs two")
    others = [i for i in range(len(labels)) if i != place]
    with np.errstate(invalid="ignore"):
        pairs = values[others] - values[place]
    low, high = t_interval(pairs, level)
    found = {"value": pairs.mean(-1), "low": low, "high": high}
    declared = better(metric, dataset)
    more = {"over": over, "against": str(against)} | ({} if declared is None else {"better": declared})
    dataset = dataset.isel({over: others})
    return _result(dataset, (over, *dims), found, metric, level, values.shape[-1], **more)


def _seeds_last(
    dataset: "xarray.Dataset", metric: str, last: int, level: float, call: str, over: str | None = None
) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Final values as float64 with `over` first and seeds last, the other dimensions, and the full name of `over`."""
    final = final_value(dataset, metric, last)
    number(level, call, "level", 0, 1)
    require(0 < level < 1, call, "level", level, "must lie between 0 and 1")
    dims = [str(dim) for dim in final.dims]
    require("seed" in dims, call, "dataset", dims, "it has no dimension 'seed'; give the dataset of a sweep")
    if over is not None and over not in dims:
        ends = [dim for dim in dims if dim.split(".")[-1] == over]
        require(len(ends) == 1, call, "over", shown(over), f"dimensions are {[dim for dim in dims if dim != 'seed']}")
        over = ends[0]
    require(over != "seed", call, "over", "'seed'", "the interval is over seeds; give another dimension")
    first = [] if over is None else [over]
    between = tuple(dim for dim in dims if dim not in (*first, "seed"))
    return np.asarray(final.transpose(*first, *between, "seed").values, float), between, over or ""


def _result(
    dataset: "xarray.Dataset",
    dims: tuple[str, ...],
    found: dict[str, np.ndarray],
    metric: str,
    level: float,
    seeds: int,
    **attributes: Any,
) -> "xarray.Dataset":
    import xarray

    attributes = {"metric": metric, "level": level, **attributes}
    attributes["holds for"] = "other seeds of one partition and data set"
    if words := note(seeds):
        attributes["note"] = words
    coords = {dim: dataset[dim].values for dim in dims if dim in dataset.coords}
    variables: dict[str, Any] = {name: (dims, column) for name, column in found.items()}
    return xarray.Dataset({**variables, "seeds": ((), seeds)}, coords, attributes)
