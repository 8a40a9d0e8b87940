"""The figures of a report: plain functions from labelled arrays to charts, each with a description in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ghostjax.report._axes import frame, logarithmic
from ghostjax.report._page import Figure
from ghostjax.report._scales import AMOUNT, BASELINE, BYZANTINE, DASHES, HONEST, judgement, PALETTE


def trajectories(
    series: Mapping[str, np.ndarray],
    title: str,
    axis: str,
    caption: str = "",
    *,
    percent: bool = False,
    log: bool = False,
    baseline: str | None = None,
    bounds: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """One line per entry of `series` (`[seed, round]`): the mean over seeds, with their range as a band.

    Rounds without a value (nan) are skipped, so that sparse evaluations form one line. The entry `baseline` is drawn
    grey and dotted; `bounds` are thin dotted lines in the colour of their entry.
    """
    figure = frame(axis)
    ends, drawn = [], []
    compared = [name for name in series if name != baseline]
    for name, values in series.items():
        i = compared.index(name) if name != baseline else 0
        colour = BASELINE if name == baseline else PALETTE[i % len(PALETTE)]
        dash = "dot" if name == baseline else DASHES[i % len(DASHES)]
        rounds, shown = _recorded(values)
        if len(rounds) == 0:
            continue
        mean = np.nanmean(shown, 0)
        drawn.append(mean)
        if len(values) > 1:
            band(figure, rounds, shown, colour, name)
        figure.add_scatter(
            x=rounds,
            y=mean,
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.4, "dash": dash},
            legendgroup=name,
        )
        ends.append(f"{name} from {_value(mean[0], percent)} to {_value(mean[-1], percent)}")
        if bounds is not None and name in bounds:
            at, limit = _recorded(bounds[name])
            if len(at):
                line = {"color": colour, "width": 1.4, "dash": "dot"}
                drawn.append(np.nanmean(limit, 0))
                figure.add_scatter(x=at, y=drawn[-1], mode="lines", name=f"{name}: guarantee", line=line)
    if percent:
        figure.update_yaxes(tickformat=".0%")
    if log:
        # The axis covers the lines and not the bands: one seed near 0 would compress everything else.
        logarithmic(figure, drawn)
    return Figure(figure, title, f"{title}, by round: {'; '.join(ends) or 'nothing recorded'}.", caption)


def influence(shares: np.ndarray, rounds: np.ndarray, byzantine: np.ndarray, title: str) -> Figure:
    """Heat map of influence shares `[round, node]` at `rounds`; Byzantine identities carry a mark."""
    fair = 1 / max(1, shares.shape[1])
    times = shares / fair
    figure = frame("identity", height=max(360, 90 + 5 * shares.shape[1]))
    figure.add_heatmap(
        x=rounds,
        y=np.arange(shares.shape[1]),
        z=np.round(times.T, 4),
        colorscale=AMOUNT,
        zmin=0,
        zmax=max(2.0, float(np.nanpercentile(times, 99.5))),
        colorbar={"title": {"text": "times the fair share", "side": "right"}, "thickness": 12},
        hovertemplate="round %{x}, identity %{y}: %{z:.2f} x fair share<extra></extra>",
    )
    # The marks are between the labels and the map, so that the labels keep their place.
    for node in np.flatnonzero(byzantine):
        figure.add_shape(
            type="rect", xref="paper", x0=0.002, x1=0.012, yref="y", y0=node - 0.5, y1=node + 0.5,
            fillcolor=BYZANTINE, line_width=0,
        )  # fmt: skip
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(domain=[0.016, 1], showgrid=False)
    figure.update_yaxes(anchor="free", position=0, showgrid=False, zeroline=False)
    held, honest = (float(np.nanmean(times[:, who])) if who.any() else None for who in (byzantine, ~byzantine))
    words = [
        f"{name} {mean:.2f}"
        for name, mean in (("Byzantine identities", held), ("honest ones", honest))
        if mean is not None
    ]
    return Figure(
        figure, title, f"{title}: share of the result in multiples of the fair share, on average {', '.join(words)}."
    )


def histogram(counts: np.ndarray, classes: Sequence[str], byzantine: np.ndarray, title: str, caption: str) -> Figure:
    """Heat map of the numbers of examples `[node, class]`."""
    figure = frame("class", "node", 340)
    figure.add_heatmap(
        x=np.arange(counts.shape[0]),
        y=list(classes),
        z=counts.T,
        colorscale=AMOUNT,
        colorbar={"title": {"text": "examples", "side": "right"}, "thickness": 12},
        hovertemplate="node %{x}, class %{y}: %{z}<extra></extra>",
    )
    for node in np.flatnonzero(byzantine):
        figure.add_shape(
            type="rect", yref="paper", y0=0.005, y1=0.03, xref="x", x0=node - 0.5, x1=node + 0.5,
            fillcolor=BYZANTINE, line_width=0,
        )  # fmt: skip
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(type="category", showgrid=False, domain=[0.04, 1])
    figure.update_xaxes(showgrid=False, zeroline=False, anchor="free", position=0)
    totals = counts.sum(1)
    text = (
        f"{title}: {counts.shape[0]} nodes hold {int(totals.min())} to {int(totals.max())} examples each, of "
        f"{int((counts > 0).sum(1).min())} to {int((counts > 0).sum(1).max())} of the {counts.shape[1]} classes."
    )
    return Figure(figure, title, text, caption)


def ranking(predicted: np.ndarray, exact: np.ndarray | None, byzantine: np.ndarray, title: str, caption: str) -> Figure:
    """Identities by the effect of their removal, most harmful first: predicted (bars) and replayed (dots)."""
    order = np.argsort(predicted, kind="stable")
    names = [str(i) for i in order]
    figure = frame("change of the final loss when removed", "identity, most harmful first", 380)
    for who, colour, label in ((byzantine, BYZANTINE, "Byzantine"), (~byzantine, HONEST, "honest")):
        chosen = [i for i in order if who[i]]
        if chosen:
            figure.add_bar(
                x=[str(i) for i in chosen], y=predicted[chosen], marker={"color": colour}, name=f"{label}, predicted",
                hovertemplate="identity %{x}: %{y:.3g}<extra>predicted</extra>",
            )  # fmt: skip
    if exact is not None:
        figure.add_scatter(
            x=names, y=exact[order], mode="markers", name="exact replay",
            marker={"color": "#e3b505", "size": 6, "line": {"color": "#4a3b00", "width": 1}},
            hovertemplate="identity %{x}: %{y:.3g}<extra>replayed</extra>",
        )  # fmt: skip
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(
        type="category", showgrid=False, tickfont={"size": 9}, categoryorder="array", categoryarray=names
    )
    head = ", ".join(f"{i} ({predicted[i]:+.3g})" for i in order[:5])
    return Figure(figure, title, f"{title}: predicted change of the final loss, most harmful first: {head}.", caption)


def worst_case(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    text: np.ndarray,
    title: str,
    labels: tuple[str, str],
    share: bool,
    high_is_good: bool,
    caption: str = "",
) -> Figure:
    """Heat map of the worst value over attacks, `[row, column]`, each cell annotated by `text`.

    A `share` (accuracy) is coloured from 0 to 1, other values from the smallest to the largest.
    """
    figure = frame(labels[0], labels[1], max(220, 120 + 70 * len(rows)))
    figure.add_heatmap(
        x=list(columns),
        y=list(rows),
        z=values,
        text=text,
        texttemplate="%{text}",
        colorscale=judgement(high_is_good=high_is_good),
        zmin=0 if share else None,
        zmax=1 if share else None,
        colorbar={"tickformat": ".0%" if share else "", "thickness": 12},
        hovertemplate=f"{labels[0]} %{{y}}, {labels[1]} %{{x}}: %{{z:.3f}}<extra></extra>",
    )
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, automargin=True)
    there = np.argwhere(np.isfinite(values))
    cells = [f"{' '.join(x for x in (rows[r], columns[c]) if x)} {values[r, c]:.3f}" for r, c in there.tolist()]
    return Figure(figure, title, f"{title}: {'; '.join(cells)}.", caption)


def _recorded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounds (from 1) in which some seed has a finite value, and the values there."""
    values = np.where(np.isfinite(values), values, np.nan)
    keep = ~np.isnan(values).all(0)
    return np.flatnonzero(keep) + 1, values[:, keep]


def band(figure: Any, rounds: np.ndarray, values: np.ndarray, colour: str, name: str) -> None:
    """The range of `values` `[seed, round]` behind their line."""
    low, high = np.nanmin(values, 0), np.nanmax(values, 0)
    figure.add_scatter(
        x=np.concatenate([rounds, rounds[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        mode="lines",
        fill="toself",
        fillcolor=colour,
        opacity=0.18,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )


def _value(value: Any, percent: bool) -> str:
    return f"{value:.1%}" if percent else f"{value:.3g}"
