"""The page of a sweep: worst cases over attacks, final values, trajectories."""

from itertools import product
from typing import Any

import numpy as np

from ghostjax._sweep import Sweep
from ghostjax.report import _figures as figures
from ghostjax.report._page import Block, Cards, Figure, Heading, Table


def blocks(sweep: Sweep) -> list[Block]:
    """The sections: what was done, worst-case heat maps (where attacks are an axis), final values."""
    dataset = sweep.dataset
    axes = [str(d) for d in dataset["done"].dims if d != "seed"]
    done = dataset["done"].values
    page: list[Block] = [
        Cards(
            [
                (f"{int(done.sum())} of {done.size}", "cells done"),
                (" x ".join(str(dataset.sizes[a]) for a in axes) or "1", f"points: {', '.join(axes) or 'one'}"),
                (str(dataset.sizes["seed"]), "seeds"),
            ]
        )
    ]
    metric = next((name for name in ("accuracy", "loss") if name in dataset), None)
    if metric is None:
        return page
    attack = next((a for a in axes if a.split(".")[-1] == "attack"), None)
    if attack is not None:
        page += _worst(sweep, metric, attack, [a for a in axes if a != attack])
    page += _final(sweep, axes)
    return page


def _worst(sweep: Sweep, metric: str, attack: str, others: list[str]) -> list[Block]:
    worst = sweep.worst_case(metric, over=attack, worst="lowest" if metric == "accuracy" else "highest")
    note = worst.attrs.get("note", "")
    page: list[Block] = [
        Heading(
            "Worst case over attacks",
            f"Each cell: the worst mean {metric} that any attack leaves (last rounds, never the best one on test data) "
            f"with its 95 % interval over seeds, for this partition and data set. {note}",
        )
    ]
    sizes = worst["value"].sizes
    # The two longest numeric-looking axes make the map; every other one gets a map per value.
    order = sorted(others, key=lambda a: (a.split(".")[-1] in ("aggregator", "rule"), -sizes[a]))
    column, row = (*order, None, None)[:2]
    rest = order[2:]
    for point in product(*(worst[a].values.tolist() for a in rest)):
        chosen = worst.sel(dict(zip(rest, point, strict=True)))
        grid = {k: _grid(chosen[k], row, column) for k in ("value", "low", "high")}
        text = np.empty(grid["value"].shape, object)
        for at in np.ndindex(text.shape):
            value, low, high = (float(grid[k][at]) for k in ("value", "low", "high"))
            text[at] = "" if np.isnan(value) else f"{value:.2f}<br><sub>[{low:.2f}, {high:.2f}]</sub>"
        title = ", ".join(f"{a.split('.')[-1]} = {v}" for a, v in zip(rest, point, strict=True)) or f"worst {metric}"
        figure = figures.worst_case(
            grid["value"], _labels(worst, row), _labels(worst, column), text, title,
            (_short(row), _short(column)), metric == "accuracy",
        )  # fmt: skip
        page.append(Figure(figure))
    return page


def _grid(values: Any, row: str | None, column: str | None) -> np.ndarray:
    dims = [d for d in (row, column) if d is not None]
    data = np.asarray(values.transpose(*dims).values, float)
    return data.reshape(data.shape if len(dims) == 2 else (1, -1))


def _labels(dataset: Any, axis: str | None) -> list[str]:
    return [""] if axis is None else [str(v) for v in dataset[axis].values.tolist()]


def _short(axis: str | None) -> str:
    return "" if axis is None else axis.split(".")[-1]


def _final(sweep: Sweep, axes: list[str]) -> list[Block]:
    dataset = sweep.dataset
    shown = [m for m in ("accuracy", "loss", "worst_accuracy", "byzantine_share", "honest_distance") if m in dataset]
    means = {m: sweep.mean(m) for m in shown}
    points = list(product(*(dataset[a].values.tolist() for a in axes)))
    rows = []
    for point in points:
        row = [" | ".join(str(v) for v in point) or "all"]
        for m in shown:
            value, low, high = (
                float(means[m][k].sel(dict(zip(axes, point, strict=True)))) for k in ("value", "low", "high")
            )
            row.append(
                "-" if np.isnan(value) else f"{value:.3f}" + ("" if np.isnan(low) else f"  [{low:.3f}, {high:.3f}]")
            )
        rows.append(row)
    name = " | ".join(a.split(".")[-1] for a in axes) or "point"
    note = next((one.attrs["note"] for one in means.values() if "note" in one.attrs), "")
    text = (
        "Means over the last evaluated rounds and over seeds, with their 95 % intervals in brackets: for other seeds "
        f"of this partition and data set. {note}"
    )
    return [Heading("Final values", text), Table([name, *shown], rows)]
