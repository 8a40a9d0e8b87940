"""The figures of a report: plain functions from labelled arrays to plotly figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


PALETTE = ("#2a5f9e", "#d1702a", "#3d8a5a", "#7b5ea7", "#b3473f", "#4c9aa8", "#8a7a2e", "#6b7480")
"""Colours of compared runs, in order; told apart with the common colour-vision deficiencies by lightness too."""
BYZANTINE = "#b3261e"
HONEST = "#8fa3b8"


def trajectories(
    series: Mapping[str, np.ndarray], title: str, axis: str, *, percent: bool = False, log: bool = False
) -> Any:
    """One line per entry of `series` (`[seed, round]`): the mean over seeds, with the range over seeds as a band.

    Rounds without a value (nan) are skipped, so that sparse evaluations join up.
    """
    figure = _figure(title, axis)
    for i, (name, values) in enumerate(series.items()):
        colour = PALETTE[i % len(PALETTE)]
        keep = np.isfinite(values).any(0)
        rounds = np.flatnonzero(keep) + 1
        shown = values[:, keep]
        low, high, mean = np.nanmin(shown, 0), np.nanmax(shown, 0), np.nanmean(shown, 0)
        if len(values) > 1:
            figure.add_scatter(
                x=np.concatenate([rounds, rounds[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                fillcolor=colour,
                opacity=0.15,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        figure.add_scatter(x=rounds, y=mean, name=name, line={"color": colour, "width": 2}, legendgroup=name)
    if percent:
        figure.update_yaxes(tickformat=".0%")
    if log:
        figure.update_yaxes(type="log", dtick="D2")
    return figure


def distance_and_bound(distance: np.ndarray, bound: np.ndarray, title: str, colour: str) -> Any:
    """How far the aggregate was from the honest mean (`[round]`), under what the rule promises."""
    figure = _figure(title, "distance")
    rounds = np.arange(len(distance)) + 1
    if np.isfinite(bound).any():
        figure.add_scatter(x=rounds, y=bound, name="bound", line={"color": "#6b7480", "dash": "dash", "width": 1.5})
    figure.add_scatter(x=rounds, y=distance, name="distance", line={"color": colour, "width": 2})
    figure.update_yaxes(type="log", dtick="D2")
    return figure


def influence(shares: np.ndarray, rounds: np.ndarray, byzantine: np.ndarray, title: str) -> Any:
    """Heat map of influence shares `[round, node]` at `rounds`; Byzantine identities carry a mark."""
    figure = _figure(title, "identity")
    fair = 1 / max(1, shares.shape[1])
    figure.add_heatmap(
        x=rounds,
        y=np.arange(shares.shape[1]),
        z=np.round(shares.T / fair, 4),
        colorscale=[[0.0, "#f4f6f8"], [0.35, "#a9c4df"], [0.7, "#4b83bd"], [1.0, "#14355c"]],
        zmin=0,
        zmax=max(2.0, float(np.nanpercentile(shares, 99.5) / fair)),
        colorbar={"title": {"text": "times the fair share", "side": "right"}, "thickness": 12},
        hovertemplate="round %{x}, identity %{y}: %{z:.2f} x fair share<extra></extra>",
    )
    for node in np.flatnonzero(byzantine):
        figure.add_shape(
            type="rect", xref="paper", x0=-0.012, x1=-0.004, yref="y", y0=node - 0.5, y1=node + 0.5,
            fillcolor=BYZANTINE, line_width=0,
        )  # fmt: skip
    figure.update_layout(height=max(380, 90 + 5 * shares.shape[1]))
    figure.update_yaxes(ticklabelstandoff=10, showgrid=False)
    return figure


def histogram(counts: np.ndarray, classes: Sequence[str], byzantine: np.ndarray, title: str) -> Any:
    """Heat map of how many examples of each class `[node, class]` a node holds."""
    figure = _figure(title, "class")
    figure.add_heatmap(
        x=np.arange(counts.shape[0]),
        y=list(classes),
        z=counts.T,
        colorscale=[[0.0, "#f4f6f8"], [0.25, "#bfe0cd"], [0.6, "#5aa77b"], [1.0, "#1e5639"]],
        colorbar={"title": {"text": "examples", "side": "right"}, "thickness": 12},
        hovertemplate="node %{x}, class %{y}: %{z}<extra></extra>",
    )
    for node in np.flatnonzero(byzantine):
        figure.add_shape(
            type="rect", yref="paper", y0=-0.025, y1=-0.008, xref="x", x0=node - 0.5, x1=node + 0.5,
            fillcolor=BYZANTINE, line_width=0,
        )  # fmt: skip
    figure.update_layout(hovermode="closest", height=320)
    figure.update_xaxes(title_text="node", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False)
    return figure


def ranking(scores: np.ndarray, exact: np.ndarray, byzantine: np.ndarray, title: str) -> Any:
    """Identities by how much their removal helps, most harmful first: predicted (bars) and replayed (dots)."""
    order = np.argsort(scores)
    names = [str(i) for i in order]
    figure = _figure(title, "change of the final loss when removed")
    figure.add_bar(
        x=names,
        y=scores[order],
        marker_color=[BYZANTINE if byzantine[i] else HONEST for i in order],
        name="predicted (adjoint)",
        hovertemplate="identity %{x}: %{y:.3g}<extra>predicted</extra>",
    )
    figure.add_scatter(
        x=names, y=exact[order], mode="markers", name="exact replay", marker={"color": "#1c2430", "size": 5},
        hovertemplate="identity %{x}: %{y:.3g}<extra>replayed</extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="identity (Byzantine ones in red)", type="category", tickfont={"size": 9})
    return figure


def worst_case(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    text: np.ndarray,
    title: str,
    labels: tuple[str, str],
    share: bool,
) -> Any:
    """Heat map of the worst value over attacks, `[row, column]`, each cell annotated by `text`.

    A `share` (accuracy) is coloured from 0 to 1, a loss from its smallest value (good) to its largest.
    """
    figure = _figure(title, labels[0])
    good_is_high = [[0.0, "#b3473f"], [0.5, "#f1e3c8"], [1.0, "#2f6f57"]]
    good_is_low = [[0.0, "#2f6f57"], [0.5, "#f1e3c8"], [1.0, "#b3473f"]]
    figure.add_heatmap(
        x=list(columns),
        y=list(rows),
        z=values,
        text=text,
        texttemplate="%{text}",
        colorscale=good_is_high if share else good_is_low,
        zmin=0 if share else None,
        zmax=1 if share else None,
        colorbar={"tickformat": ".0%" if share else "", "thickness": 12},
        hovertemplate=f"{labels[0]} %{{y}}, {labels[1]} %{{x}}: %{{z:.3f}}<extra></extra>",
    )
    figure.update_layout(hovermode="closest", height=max(220, 120 + 70 * len(rows)))
    figure.update_xaxes(title_text=labels[1], type="category")
    figure.update_yaxes(type="category")
    return figure


def _figure(title: str, axis: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        title={"text": title, "font": {"size": 15}, "x": 0.01, "xanchor": "left", "y": 0.97, "yanchor": "top"},
        font={"family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif", "size": 12,
              "color": "#1c2430"},
        margin={"l": 64, "r": 24, "t": 72, "b": 48},
        height=380,
        hovermode="x unified" if axis != "identity" else "closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )  # fmt: skip
    figure.update_xaxes(title_text="round", gridcolor="#eef1f4", zerolinecolor="#d5dbe1")
    figure.update_yaxes(title_text=axis, gridcolor="#eef1f4", zerolinecolor="#d5dbe1")
    return figure
