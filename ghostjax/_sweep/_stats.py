"""Summaries of a sweep: last rounds, never the best one; worst cases with intervals over seeds."""

from typing import Any, Literal, TYPE_CHECKING

import numpy as np

from ghostjax._types import require


if TYPE_CHECKING:
    import xarray


FEW_SEEDS = 6
"""Below this many pairs no two-sided rank test can reach 5 %: with 5 the smallest p is 0.0625."""
LOSSES = ("loss", "error", "distance")


def final_value(dataset: "xarray.Dataset", metric: str, last: int = 5) -> "xarray.DataArray":
    """The mean of `metric` over the last `last` rounds that recorded it; nan where a cell is not done.

    Rounds between, in which an occasional metric records nothing, do not count. A value that is nan in a round
    that others recorded is a nan, and stays one.
    """
    require(metric in dataset, "final", "metric", metric, f"recorded are {sorted(map(str, dataset.data_vars))}")
    require(last >= 1, "final", "last", last, "must be at least 1")
    values = dataset[metric]
    require("round" in values.dims, "final", "metric", metric, "it has no round; choose what a metric recorded")
    others = [dim for dim in values.dims if dim != "round"]
    recorded = np.flatnonzero(values.notnull().any(others).values)
    chosen = values.isel(round=recorded[-last:]).mean("round", skipna=False)
    chosen.attrs["summary"] = f"mean of the last {min(last, len(recorded))} recorded rounds"
    return chosen


def worst_case(
    dataset: "xarray.Dataset",
    metric: str = "accuracy",
    over: str = "attack",
    *,
    last: int = 5,
    worst: Literal["lowest", "highest"] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> "xarray.Dataset":
    """The mean over seeds of `metric` at the worst option along `over`, with a percentile bootstrap interval.

        value = min_a mean_s m[a, s],    interval: quantiles of min_a mean_{s in resample} m[a, s]

    The minimum is taken inside each resample, because the minimum of noisy means is itself optimistic for the
    attacker; seeds are resampled jointly for all options, because equal seeds share their random numbers.
    `worst` is "highest" for losses (the default for names with loss, error or distance), else "lowest".

    Returns `value`, `low`, `high`, `worst` (the option) and `seeds`; `attrs["note"]` says so when there are too few
    seeds to conclude from. Cells that are not done make their point nan.
    """
    import xarray

    values = final_value(dataset, metric, last)
    for parameter, dim in (("over", over), ("seed", "seed")):
        require(dim in values.dims, "worst_case", parameter, dim, f"dimensions are {list(values.dims)}")
    require(0 < level < 1, "worst_case", "level", level, "must lie between 0 and 1")
    if worst is None:
        worst = "highest" if any(word in metric for word in LOSSES) else "lowest"
    sign = 1.0 if worst == "lowest" else -1.0
    values = values.transpose(over, "seed", ...)
    data = sign * np.asarray(values.values, float)
    options, count, rest = data.shape[0], data.shape[1], data.shape[2:]
    data = data.reshape(options, count, -1)
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    weights = np.apply_along_axis(np.bincount, 1, draws, minlength=count) / count
    means = data.mean(1)
    unknown = np.isnan(means).any(0)
    low, high = np.full((2, means.shape[1]), np.nan)
    if count > 1:
        # One option at a time: all resampled means at once would be options x resamples x points.
        lowest = np.full((resamples, means.shape[1]), np.inf)
        for option in data:
            np.minimum(lowest, weights @ option, out=lowest)
        low, high = np.quantile(lowest, [(1 - level) / 2, (1 + level) / 2], axis=0)
    which = np.where(unknown, 0, np.argmin(np.where(np.isnan(means), np.inf, means), 0))
    value = np.where(unknown, np.nan, means.min(0))
    if sign < 0:
        low, high = high, low
    dims = values.dims[2:]
    labels = np.asarray([str(label) for label in values[over].values])
    shaped = lambda column: (dims, (sign * column).reshape(rest))
    result: dict[str, Any] = {"value": shaped(value), "low": shaped(low), "high": shaped(high)}
    result["worst"] = (dims, np.where(unknown, "", labels[which]).reshape(rest))
    result["seeds"] = ((), count)
    attributes = {"metric": metric, "over": over, "worst": worst, "level": level, "resamples": resamples}
    if count < FEW_SEEDS:
        attributes["note"] = f"only {count} seeds: intervals are rough, and differences cannot be told from chance"
    coords = {dim: dataset[dim] for dim in dims if dim in dataset.coords}
    return xarray.Dataset(result, coords, attributes)
