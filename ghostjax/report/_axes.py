"""The frame of every chart: margins, axes, and readable ticks of a logarithmic axis."""

import math
from typing import Any

import numpy as np


FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"


def frame(axis: str, across: str = "round", height: int = 360) -> Any:
    """An empty figure with named axes. It has no title: the page writes the title as text, which wraps."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        font={"family": FONT, "size": 12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 16, "t": 30, "b": 46},
        height=height,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )
    figure.update_xaxes(title_text=across)
    figure.update_yaxes(title_text=axis)
    return figure


def logarithmic(figure: Any, values: list[np.ndarray]) -> None:
    """A logarithmic vertical axis over all positive `values`, with every tick written out."""
    there = np.concatenate([np.ravel(v) for v in values]) if values else np.zeros(0)
    there = there[np.isfinite(there) & (there > 0)]
    if len(there) == 0:
        return
    low, high = float(there.min()), float(there.max())
    ticks = log_ticks(low, high)
    pad = max(0.02, 0.05 * math.log10(max(ticks[-1], high) / min(ticks[0], low)))
    ends = [math.log10(min(ticks[0], low)) - pad, math.log10(max(ticks[-1], high)) + pad]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[tick_text(tick) for tick in ticks], range=ends)


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks from `low` to `high` that are round numbers: 1, 2, 5 of each decade, or whole decades of many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = last - first
    marks = (1, 2, 5) if decades <= 3 else (1,)
    step = max(1, math.ceil(decades / 8))
    grid = [mark * 10.0**power for power in range(first, last + 1, step) for mark in marks]
    below = [tick for tick in grid if tick <= low * (1 + 1e-9)]
    above = [tick for tick in grid if tick >= high * (1 - 1e-9)]
    start, stop = (below or grid)[-1 if below else 0], (above or grid)[0 if above else -1]
    return [tick for tick in grid if start <= tick <= stop]


def tick_text(tick: float) -> str:
    """A tick as a person writes it: 0.05, 2, 500, and powers beyond."""
    return f"{tick:.12g}" if 1e-3 <= tick < 1e5 else f"{tick:.0e}".replace("e-0", "e-").replace("e+0", "e")
