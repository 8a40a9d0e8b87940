"""The page of a sweep: worst cases over attacks, final values, trajectories."""

from itertools import product
from typing import Any

import numpy as np

from ghostjax._declared import BUILT_IN
from ghostjax._sweep import Sweep
from ghostjax._sweep._stats import better
from ghostjax.report import _figures as figures
from ghostjax.report._page import Block, Cards, Heading, Table, Verdict


def blocks(sweep: Sweep) -> list[Block]:
    """The sections: the cells done, worst-case heat maps (if attacks are an axis), final values."""
    dataset = sweep.dataset
    axes = [str(d) for d in dataset["done"].dims if d != "seed"]
    done = dataset["done"].values
    metric = _headline(dataset)
    attack = next((a for a in axes if a.split(".")[-1] == "attack"), None)
    page: list[Block] = [
        _verdict(sweep, metric, attack, axes),
        Cards(
            [
                (f"{int(done.sum())} of {done.size}", "cells done (one training each)"),
                (" x ".join(str(dataset.sizes[a]) for a in axes) or "1", f"points: {', '.join(axes) or 'one'}"),
                (str(dataset.sizes["seed"]), "seeds at each point"),
            ]
        ),
    ]
    if metric is None:
        return page
    if attack is not None:
        page += _worst(sweep, metric, attack, [a for a in axes if a != attack])
    page += _final(sweep, axes)
    return page


def _verdict(sweep: Sweep, metric: str | None, attack: str | None, axes: list[str]) -> Verdict:
    """The best point (by its worst case if attacks are an axis), or the missing cells of an unfinished sweep."""
    done = sweep.dataset["done"]
    seeds, points = done.sizes["seed"], done.size // done.sizes["seed"]
    whole = int(done.all("seed").sum())
    if whole < points:
        partly = int((done.any("seed") & ~done.all("seed")).sum())
        return Verdict(
            f"Unfinished: {int(done.sum())} of {done.size} cells are done. {whole} of {points} points have all their "
            f"{seeds} seeds, {partly} some of them."
        )
    if metric is None:
        return Verdict(f"All {done.size} cells are done; no metric declares which of its values are better.")
    others = [axis for axis in axes if axis != attack]
    best = np.nanargmax if better(metric, sweep.dataset) == "higher" else np.nanargmin
    found = sweep.mean(metric) if attack is None else _worst_of(sweep, metric, attack)
    values = found["value"].transpose(*others)
    if np.isnan(values.values).all():
        return Verdict(f"All {done.size} cells are done; no point has a final {metric} in every seed.")
    at = dict(zip(others, np.unravel_index(int(best(values.values)), values.shape), strict=True))
    chosen = found.isel({name: int(i) for name, i in at.items()})
    point = ", ".join(f"{_short(a)} = {found[a].values[i]}" for a, i in at.items())
    text = f"{metric} {_with_interval(*(float(chosen[k]) for k in ('value', 'low', 'high')))}"
    where = f"with {point}" if point else "at the one point"
    if attack is None:
        return Verdict(f"The best mean is {text}, {where}.")
    return Verdict(f"The best worst case is {text}, {where}; the worst attack there is {chosen['worst'].item()}.")


def _headline(dataset: Any) -> str | None:
    """The metric of the page: the first scalar goal that declares which values are better."""
    scalars = [str(name) for name, one in dataset.data_vars.items() if one.dims[-1:] == ("round",)]
    known = [name for name in scalars if name not in BUILT_IN and better(name, dataset)]
    return next((name for name in ("accuracy", "loss", *known) if name in known), None)


def _worst_of(sweep: Sweep, metric: str, attack: str) -> Any:
    return sweep.worst_case(metric, over=attack)


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f}" + ("" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _worst(sweep: Sweep, metric: str, attack: str, others: list[str]) -> list[Block]:
    worst = _worst_of(sweep, metric, attack)
    missing = int(np.isnan(worst["value"].values).sum())
    if missing == worst["value"].size:
        text = f"No point has all its attacks and seeds yet: a worst {metric} is known once all of them are done."
        return [Heading("Worst case over attacks", text)]
    note = _note(worst.attrs)
    page: list[Block] = [
        Heading(
            "Worst case over attacks",
            f"Each cell: the worst mean {metric} that any attack leaves (last rounds, never the best one on test data) "
            + (
                "with its 95 % interval over seeds, for this partition and data set"
                if _several(sweep)
                else "of one seed"
            )
            + f".{note}"
            + (
                f" {missing} of {worst['value'].size} points are blank: cells of theirs are missing." if missing else ""
            ),
        )
    ]
    sizes = worst["value"].sizes
    # The two longest axes that look numeric make the map. Each value of another axis gets its own map.
    order = sorted(others, key=lambda a: (a.split(".")[-1] in ("aggregator", "rule"), -sizes[a]))
    column, row = (*order, None, None)[:2]
    rest = order[2:]
    for point in product(*(worst[a].values.tolist() for a in rest)):
        chosen = worst.sel(dict(zip(rest, point, strict=True)))
        grid = {k: _grid(chosen[k], row, column) for k in ("value", "low", "high")}
        text = np.empty(grid["value"].shape, object)
        for at in np.ndindex(text.shape):
            value, low, high = (float(grid[k][at]) for k in ("value", "low", "high"))
            interval = "" if np.isnan(low) else f"<br><sub>[{low:.2f}, {high:.2f}]</sub>"
            text[at] = "" if np.isnan(value) else f"{value:.2f}{interval}"
        if np.isnan(grid["value"]).all():
            continue
        title = ", ".join(f"{_short(a)} = {v}" for a, v in zip(rest, point, strict=True)) or f"Worst {metric}"
        page.append(
            figures.worst_case(
                grid["value"], _labels(worst, row), _labels(worst, column), text, title,
                (_short(row), _short(column)), metric == "accuracy", better(metric, sweep.dataset) == "higher",
            )
        )  # fmt: skip
    return page


def _grid(values: Any, row: str | None, column: str | None) -> np.ndarray:
    dims = [d for d in (row, column) if d is not None]
    data = np.asarray(values.transpose(*dims).values, float)
    return data.reshape(data.shape if len(dims) == 2 else (1, -1))


def _labels(dataset: Any, axis: str | None) -> list[str]:
    return [""] if axis is None else [str(v) for v in dataset[axis].values.tolist()]


def _short(axis: str | None) -> str:
    return "" if axis is None else axis.split(".")[-1]


def _note(attributes: Any) -> str:
    """The note about an interval, as a sentence that follows another one."""
    note = attributes.get("note", "")
    return f" {note[0].upper()}{note[1:]}." if note else ""


def _several(sweep: Sweep) -> bool:
    return sweep.dataset.sizes["seed"] > 1


def _final(sweep: Sweep, axes: list[str]) -> list[Block]:
    dataset = sweep.dataset
    usual = ("accuracy", "loss", "worst_accuracy", "byzantine_share", "honest_distance")
    shown = [m for m in dict.fromkeys((*usual, _headline(dataset) or "loss")) if m in dataset]
    means = {m: sweep.mean(m) for m in shown}
    points = list(product(*(dataset[a].values.tolist() for a in axes)))
    rows = []
    for point in points:
        here = dataset["done"].sel(dict(zip(axes, point, strict=True)))
        row = [" | ".join(str(v) for v in point) or "all", f"{int(here.sum())} of {here.size}"]
        for m in shown:
            value, low, high = (
                float(means[m][k].sel(dict(zip(axes, point, strict=True)))) for k in ("value", "low", "high")
            )
            row.append(
                "-" if np.isnan(value) else f"{value:.3f}" + ("" if np.isnan(low) else f"  [{low:.3f}, {high:.3f}]")
            )
        rows.append(row)
    name = " | ".join(a.split(".")[-1] for a in axes) or "point"
    note = next((_note(one.attrs) for one in means.values() if "note" in one.attrs), "")
    text = "Means over the last evaluated rounds"
    if _several(sweep):
        text += (
            " and over seeds, with their 95 % intervals in brackets: for other seeds of this partition and data set. A "
            "point has a mean once all its seeds are done"
        )
    return [Heading("Final values", f"{text}.{note}"), Table([name, "seeds done", *shown], rows)]
