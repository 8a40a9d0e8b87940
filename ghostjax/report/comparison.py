"""The page of a comparison: the same training under several rules, side by side and paired by seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ghostjax.report import _figures as figures
from ghostjax.report._numbers import caveat, differences, last, paired, Records, table as table
from ghostjax.report._page import Block, Cards, Figure, Heading, Table


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
    records: Records, byzantine: np.ndarray, ranking: Ranking | None = None, summary: Mapping[str, Any] | None = None
) -> list[Block]:
    """The sections of the page, from the headline to the ranking of identities.

    `summary` is what a run's provenance says of its network and data.
    """
    page: list[Block] = [_headline(records, byzantine, ranking)]
    page += _surroundings(summary or {}, byzantine)
    page += _learning(records)
    page += _heterogeneity(records)
    page += _distance(records)
    page += _influence(records, byzantine)
    if ranking is not None:
        page += _ranking(ranking, byzantine)
    return page + _final(records)


def _final(records: Records) -> list[Block]:
    text = (
        "Means over the last evaluated rounds and over seeds, with their 95 % intervals below. Moved by: distance of "
        f"the aggregate from the honest mean. {caveat(records)}"
    )
    page: list[Block] = [Heading("Final values", text), Table(*table(records))]
    if paired(records):
        against = next(iter(records))
        text = (
            f"Each run minus {against}, seed by seed: equal seeds share initial models, batches and noise, so that a "
            "difference is known better than either value. An interval without 0 tells the two apart; each holds for "
            "itself, with 95 %."
        )
        page += [Heading("Paired differences", text), Table(*differences(records, against))]
    return page


def _headline(records: Records, byzantine: np.ndarray, ranking: Ranking | None) -> Cards:
    cards = [(f"{int(byzantine.sum())} of {len(byzantine)}", "identities held by the adversary")]
    if all("accuracy" in r for r in records.values()):
        final = {name: _mean(last(r["accuracy"])) for name, r in records.items()}
        best, worst = max(final, key=final.__getitem__), min(final, key=final.__getitem__)
        cards += [(f"{final[best]:.1%}", f"accuracy with {best}")]
        if worst != best:
            cards += [(f"{final[worst]:.1%}", f"accuracy with {worst}")]
    if ranking is not None:
        top = np.argsort(ranking.predicted)[: int(byzantine.sum())]
        cards += [
            (f"{int(byzantine[top].sum())} of {len(top)}", "Byzantine among the identities blamed most"),
            (f"{ranking.spearman:.3f}", "rank agreement of blame with exact replays"),
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
            Figure(
                figures.histogram(np.array(data["histogram"]), [str(c) for c in data["classes"]], byzantine, "Labels"),
                "Byzantine nodes carry a red mark.",
            ),
        ]
    if network:
        rows = [[name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value)]
                for name, value in network.items() if isinstance(value, bool | int | float | str)]  # fmt: skip
        page += [Heading("Network", "The graph before training."), Table(["diagnostic", "value"], rows)]
    return page


def _learning(records: Records) -> list[Block]:
    page: list[Block] = [
        Heading("Learning", "The stated goal on held-out data. Bands show the range over seeds; seeds are paired.")
    ]
    for key, title, percent in (("accuracy", "Accuracy", True), ("loss", "Loss", False)):
        if all(key in r for r in records.values()):
            series = {name: r[key] for name, r in records.items()}
            page.append(Figure(figures.trajectories(series, title, title.lower(), percent=percent)))
    for key, title in (
        ("worst_accuracy", "Accuracy of the worst honest node"),
        ("worst_loss", "Loss of the worst honest node"),
    ):
        if all(key in r for r in records.values()):
            series = {name: r[key] for name, r in records.items()}
            page.append(
                Figure(
                    figures.trajectories(series, title, title.split()[0].lower(), percent=key == "worst_accuracy"),
                    "The honest node that fares worst: what an average hides.",
                )
            )
    return page


def _heterogeneity(records: Records) -> list[Block]:
    found = [
        (key, title, caption)
        for key, title, caption in (
            ("consensus_distance", "Consensus distance", "Mean squared distance of honest models from their mean."),
            ("message_spread", "Spread of honest messages", "Mean squared distance of honest messages to their mean."),
            ("dissimilarity", "Heterogeneity of honest updates",
             "Mean squared distance of honest updates from their mean: what a robust rule has to tell from an attack."),
        )
        if all(key in r for r in records.values())
    ]  # fmt: skip
    page: list[Block] = (
        [Heading("Consensus and heterogeneity", "How far honest identities are from each other.")] if found else []
    )
    for key, title, caption in found:
        series = {name: r[key] for name, r in records.items()}
        page.append(Figure(figures.trajectories(series, title, "squared distance", log=True), caption))
    return page


def _distance(records: Records) -> list[Block]:
    if not all("honest_distance" in r for r in records.values()):
        return []
    page: list[Block] = [
        Heading(
            "How far the aggregate was moved",
            "Distance of the aggregate from the mean of honest messages, against what the rule guarantees for the "
            "spread of this round (a rule without a guarantee shows none).",
        )
    ]
    for i, (name, record) in enumerate(records.items()):
        bound = (
            record["honest_bound"][0]
            if "honest_bound" in record
            else np.full_like(record["honest_distance"][0], np.nan)
        )
        figure = figures.distance_and_bound(
            record["honest_distance"][0], bound, name, figures.PALETTE[i % len(figures.PALETTE)]
        )
        page.append(Figure(figure, "First seed."))
    return page


def _influence(records: Records, byzantine: np.ndarray) -> list[Block]:
    if not all("influence" in r for r in records.values()):
        return []
    page: list[Block] = [
        Heading(
            "Who made the model",
            "Share of each round's result owed to each identity, in multiples of the fair share 1/n. "
            "Byzantine identities carry a red mark.",
        )
    ]
    for name, record in records.items():
        shares = record["influence"][0]
        kept = np.isfinite(shares).all(1)
        page.append(Figure(figures.influence(shares[kept], np.flatnonzero(kept) + 1, byzantine, name), "First seed."))
    return page


def _ranking(ranking: Ranking, byzantine: np.ndarray) -> list[Block]:
    order = np.argsort(ranking.predicted)
    rows: Sequence[Sequence[str]] = [
        [str(i), "Byzantine" if byzantine[i] else "honest", f"{ranking.predicted[i]:+.4f}", f"{ranking.exact[i]:+.4f}"]
        for i in order[:15]
    ]
    marked = frozenset(k for k, i in enumerate(order[:15]) if byzantine[i])
    return [
        Heading(
            "Who is to blame",
            "Predicted change of the final loss when an identity is removed from the whole training with "
            f"{ranking.rule} (one backward pass through the run, seed {ranking.seed}), against exact replays without "
            "it. Below zero: the collective is better off without it. "
            f"Spearman correlation with the replays: {ranking.spearman:.3f}.",
        ),
        Figure(figures.ranking(ranking.predicted, ranking.exact, byzantine, "Effect of removing each identity")),
        Table(
            ["identity", "is", "predicted", "replayed"],
            rows,
            "The fifteen identities whose removal helps most.",
            marked,
        ),
    ]
