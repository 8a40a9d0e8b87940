"""The page of a comparison: the same training under several rules, side by side and paired by seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ghostjax.report import _figures as figures
from ghostjax.report._numbers import caveat, differences, last, paired, Records, table as table
from ghostjax.report._page import Block, Cards, Heading, Table


FLAT = 0.01
"""No map is drawn if the influence is within this distance of the fair share in every round."""


class Ranking(NamedTuple):
    """Identities by predicted effect of their removal, with exact replays beside it."""

    rule: str
    predicted: np.ndarray
    exact: np.ndarray
    spearman: float
    seed: int


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def blocks(
    records: Records,
    byzantine: np.ndarray,
    ranking: Ranking | None = None,
    summary: Mapping[str, Any] | None = None,
    baseline: str | None = None,
    replayed: str | None = None,
) -> list[Block]:
    """The sections of the page, from the headline to the ranking of identities.

    `summary` is the part of a run's provenance about network and data. `baseline` names the record of the attack-free
    training, and `replayed` that of a counterfactual. Both are shown in comparisons of trainings, not of rules.
    """
    attacked = {name: record for name, record in records.items() if name != baseline}
    page: list[Block] = [_headline(attacked, byzantine, ranking, records.get(baseline or ""))]
    page += _learning(records, baseline)
    if ranking is not None:
        page += _ranking(ranking, byzantine)
    rules = {name: record for name, record in attacked.items() if name != replayed}
    page += _distance(rules)
    page += _influence(rules, byzantine)
    page += _heterogeneity(rules)
    page += _surroundings(summary or {}, byzantine)
    return page + _final(records)


def _final(records: Records) -> list[Block]:
    text = (
        "Means over the last evaluated rounds"
        + (" and over seeds, with their 95 % intervals below" if _seeds(records) > 1 else "")
        + f". Moved by: distance of the aggregate from the honest mean. {caveat(records)}"
    )
    page: list[Block] = [Heading("Final values", text), Table(*table(records))]
    if paired(records):
        against = next(iter(records))
        text = (
            f"Each run minus {against}, seed by seed: equal seeds share initial models, batches and noise, so a "
            "difference is more certain than either value. An interval without 0 is significant; each holds separately "
            "at 95 %."
        )
        page += [Heading("Paired differences", text), Table(*differences(records, against))]
    return page


def _headline(
    records: Records, byzantine: np.ndarray, ranking: Ranking | None, free: Mapping[str, np.ndarray] | None
) -> Cards:
    cards = [(f"{int(byzantine.sum())} of {len(byzantine)}", "identities held by the adversary")]
    # Test data is read once, for tables. If nobody asked for it, tables use the validation data of the goal.
    key = "test_accuracy" if all("test_accuracy" in r for r in records.values()) else "accuracy"
    title = key.replace("_", " ")
    if free is not None and key in free:
        cards.append((f"{_mean(last(free[key])):.1%}", f"{title} without an attack"))
    if all(key in r for r in records.values()):
        cards += [(f"{_mean(last(record[key])):.1%}", f"{title} with {name}") for name, record in records.items()]
    if ranking is not None:
        top = np.argsort(ranking.predicted)[: int(byzantine.sum())]
        cards += [
            (f"{int(byzantine[top].sum())} of {len(top)}", "Byzantine among the most harmful identities"),
            (f"{ranking.spearman:.3f}", "rank agreement of attribution with exact replays"),
        ]
    return Cards(cards)


def _surroundings(summary: Mapping[str, Any], byzantine: np.ndarray) -> list[Block]:
    page: list[Block] = []
    data, network = summary.get("data"), summary.get("network")
    if data:
        page += [
            Heading(
                "Data",
                f"Who holds what. A node's mixture of classes is {data['total_variation']:.2f} away from the whole on "
                f"average (total variation; 0 is alike, 1 disjoint), it holds {data['classes_per_node']:.1f} classes, "
                f"and the largest node has {data['imbalance']:.1f} times the mean number of examples.",
            ),
            figures.histogram(
                np.array(data["histogram"]), [str(c) for c in data["classes"]], byzantine, "Labels of each node",
                "Byzantine nodes carry an orange mark below." if byzantine.any() else "",
            ),
        ]  # fmt: skip
    if network:
        rows = [[name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value)]
                for name, value in network.items() if isinstance(value, bool | int | float | str)]  # fmt: skip
        page += [Heading("Network", "The graph before training."), Table(["diagnostic", "value"], rows)]
    return page


def _learning(records: Records, baseline: str | None) -> list[Block]:
    seeds = _seeds(records)
    bands = "" if seeds == 1 else f" Lines are means over {seeds} seeds, bands their range; seeds are paired."
    page: list[Block] = [Heading("Learning", f"The stated goal on validation data, which no node trains on.{bands}")]
    worst = "The worst honest node: an average hides it."
    for key, title, axis, caption in (
        ("accuracy", "Accuracy", "accuracy", ""),
        ("loss", "Loss", "loss", ""),
        ("worst_accuracy", "Accuracy of the worst honest node", "accuracy", worst),
        ("worst_loss", "Loss of the worst honest node", "loss", worst),
    ):
        series = _all(records, key)
        if series:
            percent = axis == "accuracy"
            log = axis == "loss" and _wide(series)
            page.append(figures.trajectories(series, title, axis, caption, percent=percent, log=log, baseline=baseline))
    return page


def _heterogeneity(records: Records) -> list[Block]:
    page: list[Block] = [Heading("Consensus and heterogeneity", "How far honest identities are from each other.")]
    for key, title, caption in (
        ("consensus_distance", "Consensus distance", "Mean squared distance of honest models from their mean."),
        ("message_spread", "Spread of honest messages", "Mean squared distance of honest messages to their mean."),
        ("dissimilarity", "Heterogeneity of honest updates",
         "Mean squared distance of honest updates from their mean. A robust rule must distinguish it from an attack."),
    ):  # fmt: skip
        series = _all(records, key)
        if series:
            page.append(figures.trajectories(series, title, "squared distance", caption, log=True))
    return page if len(page) > 1 else []


def _distance(records: Records) -> list[Block]:
    series = _all(records, "honest_distance")
    if not series:
        return []
    text = (
        "Distance of the aggregate from the mean of the honest messages, in each round. A rule with a certificate "
        "guarantees a limit for the spread that honest messages have in this round (thin dots)."
    )
    title = "Distance from the honest mean"
    bounds = {name: record["honest_bound"] for name, record in records.items() if "honest_bound" in record}
    chart = figures.trajectories(series, title, "distance", log=True, bounds=bounds)
    return [Heading("How far the aggregate was moved", text), chart]


def _influence(records: Records, byzantine: np.ndarray) -> list[Block]:
    shares = {name: values.mean(0) for name, values in _all(records, "influence").items()}
    page: list[Block] = []
    flat = []
    for name, share in shares.items():
        kept = np.isfinite(share).all(1)
        if kept.any() and np.abs(share[kept] * share.shape[1] - 1).max() < FLAT:
            flat.append(name)
        elif kept.any():
            page.append(figures.influence(share[kept], np.flatnonzero(kept) + 1, byzantine, f"Influence with {name}"))
    text = (
        "Influence: the share of a round's result that is owed to an identity's message, in multiples of the fair "
        "share 1/n" + (f" (mean over {_seeds(records)} seeds)" if _seeds(records) > 1 else "") + "."
        + (" Byzantine identities carry an orange mark." if byzantine.any() and page else "")
        + (f" With {' and '.join(flat)} everybody has the fair share in every round." if flat else "")
    )  # fmt: skip
    return [Heading("Who made the model", text), *page] if shares else []


def _ranking(ranking: Ranking, byzantine: np.ndarray) -> list[Block]:
    order = np.argsort(ranking.predicted)
    rows: Sequence[Sequence[str]] = [
        [str(i), "Byzantine" if byzantine[i] else "honest", f"{ranking.predicted[i]:+.4f}", f"{ranking.exact[i]:+.4f}"]
        for i in order[:15]
    ]
    marked = frozenset(k for k, i in enumerate(order[:15]) if byzantine[i])
    return [
        Heading(
            "Attribution",
            f"Change of the final loss when one identity is removed from the whole training with {ranking.rule}: "
            "predicted by one backward pass through the training (the adjoint), and by replaying the training without "
            f"it (exact), seed {ranking.seed}. Below zero the collective is better off without it. The two rankings "
            f"agree with a Spearman correlation of {ranking.spearman:.3f} (1: the same order).",
        ),
        figures.ranking(ranking.predicted, ranking.exact, byzantine, "Effect of removing each identity", ""),
        Table(
            ["identity", "is", "predicted", "replayed"],
            rows,
            "The fifteen identities whose removal helps most; Byzantine ones are marked.",
            marked,
        ),
    ]


def _all(records: Records, key: str) -> dict[str, np.ndarray]:
    """The metric of every run; empty if a run lacks it, or if no finite value was recorded."""
    if not records or not all(key in record for record in records.values()):
        return {}
    series = {name: record[key] for name, record in records.items()}
    return series if any(np.isfinite(values).any() for values in series.values()) else {}


def _seeds(records: Records) -> int:
    return max((len(values) for record in records.values() for values in record.values()), default=1)


def _wide(series: Mapping[str, np.ndarray]) -> bool:
    """Whether positive values have such a wide range that a linear axis would hide the smaller ones."""
    there = np.concatenate([values[np.isfinite(values)] for values in series.values()])
    return bool(len(there) and there.min() > 0 and there.max() > 20 * there.min())
