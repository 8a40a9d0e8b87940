"""The five figures of an incident, each with its section of the story."""

from typing import Any

import numpy as np

from ghostjax.report import _figures as figures
from ghostjax.report._axes import frame
from ghostjax.report._page import Block, Figure, Heading, Table
from ghostjax.report._scales import BASELINE, BYZANTINE, HONEST, PALETTE


def middle(values: Any) -> float:
    """The median of finite values, nan without one."""
    there = np.asarray(values, float)
    there = there[np.isfinite(there)]
    return float(np.median(there)) if there.size else float("nan")


def network_first(data: Any) -> np.ndarray:
    """Whether the watch that starts votes alarms strictly before every other one, `[incident]`."""
    names = [str(name) for name in data["watch"].values]
    at = names.index(data.attrs["alarm"])
    alarms = np.where(data["alarm"].values < 0, np.inf, data["alarm"].values)
    others = np.delete(alarms, at, 0)
    return alarms[at] < others.min(0, initial=np.inf)


def deviations(data: Any) -> list[Block]:
    """The distances of messages from their mean, owned beside honest ones."""
    text = "Every owned identity adds a small push to an honest message. One message is no evidence."
    if "deviation" not in data:
        return [Heading("1. The deviations are minor", f"{text} Deviations were not recorded.")]
    values, owned = data["deviation"].values[:, data.attrs["t0"] :], data["owned"].values
    edges = np.linspace(0, max(2.5, float(np.nanquantile(values, 0.999))), 41)
    figure, middles = frame("share of messages", "distance from the mean of all, in median distances"), []
    for who, colour, name in ((~owned, HONEST, "honest"), (owned, BYZANTINE, "owned by the adversary")):
        drawn = values[..., who]
        drawn = drawn[np.isfinite(drawn)]
        shares = np.histogram(drawn, edges)[0] / max(1, drawn.size)
        figure.add_scatter(
            x=(edges[1:] + edges[:-1]) / 2, y=shares, mode="lines", fill="tozeroy", name=name,
            line={"shape": "hvh", "color": colour, "width": 2.2},
        )  # fmt: skip
        middles.append(float(np.median(drawn)) if drawn.size else float("nan"))
    figure.update_yaxes(tickformat=".0%")
    limit = np.nanquantile(values[..., ~owned], 0.9, axis=-1)[..., None]
    below = float((values[..., owned] < limit).mean())
    words = (
        f"An owned identity is {middles[1]:.3f} times the median distance from the mean, an honest one "
        f"{middles[0]:.3f}; {below:.1%} of the owned messages are below the 90 % quantile of the honest ones of "
        "their round."
    )
    accuracy = ""
    if "accuracy" in data and "honest_accuracy" in data:
        ends = (float(np.mean(data[name].values[:, -1])) for name in ("accuracy", "honest_accuracy"))
        accuracy = " Accuracy ends at {:.3f} with the attack and at {:.3f} in honest runs.".format(*ends)
    caption = "Messages of all runs from the first push on."
    return [
        Heading("1. The deviations are minor", f"{text} {words}{accuracy}"),
        Figure(figure, "Distance of messages from the mean of all", words, caption),
    ]


def alarms(data: Any) -> list[Block]:
    """Evidence over rounds, of the network and of the largest identity."""
    figure, t0 = frame("evidence, in multiples of its threshold"), data.attrs["t0"]
    names = [str(name) for name in data["watch"].values]
    figure.add_hline(y=1, line={"color": BASELINE, "width": 1.2, "dash": "dot"})
    figure.add_vline(x=t0 + 1, line={"color": BYZANTINE, "width": 1.2, "dash": "dash"})
    words = []
    for i, name in enumerate(names):
        rows, colour = data["evidence"].values[i], PALETTE[i % len(PALETTE)]
        rounds = np.arange(1, rows.shape[1] + 1)
        figures.band(figure, rounds, rows, colour, name)
        figure.add_scatter(
            x=rounds, y=np.median(rows, 0), mode="lines", name=name, legendgroup=name,
            line={"color": colour, "width": 2.4, "dash": "solid" if i == 0 else "dash"},
        )  # fmt: skip
        delays = (data["alarm"].values[i] - t0)[data["alarm"].values[i] >= 0]
        after = f", {np.median(delays):.0f} rounds after the first push (median)" if delays.size else ""
        words.append(f"The watch of the {name} alarms in {delays.size} of {len(rows)} runs{after}.")
    # Beyond a few thresholds nothing more is learned.
    figure.update_yaxes(range=[0, 3])
    first = ""
    if len(names) > 1:
        count = network_first(data)
        first = f" That of the {data.attrs['alarm']} is strictly first in {int(count.sum())} of {len(count)}."
    text = (
        "Small pushes in one direction add up: what is lost in the noise of one identity stands out in their sum. "
        f"Evidence is compared with honest runs of the same length. {' '.join(words)}{first}"
    )
    caption = "Lines are medians over runs, bands their range; 1 is the alarm; the vertical line is the first push."
    return [Heading("2. The network knows, and nobody can be named", text), Figure(figure, "Evidence", text, caption)]


def names(data: Any) -> list[Block]:
    """The scores of one run, in order, with those who are named."""
    decided = np.flatnonzero(data["verdict"].values == "named")
    shown = int(decided[0]) if decided.size else 0
    scores, owned = data["score"].values[shown], data["owned"].values
    order = np.argsort(-scores, kind="stable")
    names = [str(i) for i in order]
    figure = frame("harm by the identity's messages", "identity, most harmful first", 380)
    for who, colour, label in ((owned, BYZANTINE, "owned by the adversary"), (~owned, HONEST, "honest")):
        chosen = [i for i in order if who[i]]
        figure.add_bar(
            x=[str(i) for i in chosen], y=scores[chosen], marker={"color": colour}, name=label,
            hovertemplate="identity %{x}: %{y:.3g}<extra></extra>",
        )  # fmt: skip
    named = int(data["named"].values[shown].sum())
    if named:
        figure.add_vline(x=named - 0.5, line={"color": BASELINE, "width": 1.4, "dash": "dash"})
    figure.update_xaxes(
        type="category", showgrid=False, tickfont={"size": 9}, categoryorder="array", categoryarray=names
    )
    figure.update_layout(hovermode="closest")
    one = data.isel(incident=shown)
    words = (
        f"In run {shown} {named} identities are named, {int(one['right'])} owned and {int(one['wrong'])} honest."
        if named
        else f"In run {shown} the verdict is {one['verdict'].item()}: no gap is larger than those of honest runs."
    )
    text = (
        "At the execution of the verdict the run is played again from its record, and the charter's loss beyond "
        "its controls is differentiated by the weight of every identity in every round since the estimated start (the "
        f"adjoint). {words}"
    )
    caption = "Those left of the dashed line are named: the largest gap, larger than in honest runs." if named else ""
    return [Heading("3. Attribution names the owner", text), Figure(figure, "Who did harm", words, caption)]


def votes(data: Any) -> list[Block]:
    """The time to correct by captured share, and the harm meanwhile."""
    share, decides = data["captured"].values, data["decides"].values
    figure = frame("rounds from the alarm to the execution", "share of the electorate that is captured")
    line = {"color": PALETTE[0], "width": 2.4}
    figure.add_scatter(x=share, y=decides, mode="lines", name="closed form", line=line)
    dots = {"color": PALETTE[1], "size": 9}
    figure.add_scatter(x=share, y=data["drawn"].values, mode="markers", name="drawn votes", marker=dots)
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(rangemode="tozero")
    rows = [
        [f"{s:.0%}", f"{chance:.3f}", _rounds(closed), _rounds(drawn), f"{harm:.3f}"]
        for s, chance, closed, drawn, harm in zip(
            share, data["chance"].values, decides, data["drawn"].values, data["meanwhile"].values, strict=True
        )
    ]
    text = (
        "A quorum has to agree before anything is done. Captured members vote no; a vote that fails is held again. "
        f"The harm grows meanwhile: {data['meanwhile'].values[0]:.3f} by the time of a verdict with {share[0]:.0%} "
        f"captured, {data['meanwhile'].values[-1]:.3f} with {share[-1]:.0%}."
    )
    columns = ["captured", "a vote passes", "rounds, closed form", "rounds, drawn", "harm by then"]
    caption = "Harm by then is the median over runs that alarmed, at the horizon where the verdict comes later."
    words = "; ".join(f"{row[0]} captured: {row[2]} rounds, harm {row[4]}" for row in rows)
    return [
        Heading("4. Captured voters delay", text),
        Figure(figure, "Time to correct", words, "The mean of 500 drawn votes beside (voting + 1) / P + timelock."),
        Table(columns, rows, caption),
    ]


def _rounds(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "never"


def repairs(data: Any) -> list[Block]:
    """The charter's loss over rounds, by repair."""
    repaired = np.isfinite(data["corrected"].values).any((0, 2)) if data.sizes["correction"] else np.zeros(0, bool)
    kept = np.flatnonzero(repaired)
    chosen = data.isel(incident=kept) if kept.size else data
    series = {"never had them": chosen["never"].values, "no repair": chosen["charter_loss"].values}
    series |= {str(name): chosen["corrected"].sel(correction=name).values for name in data["correction"].values}
    # Ordinary learning before the attack would set the scale.
    late = np.arange(data.sizes["round"]) >= data.attrs["t0"] - 10
    series = {name: np.where(late, values, np.nan) for name, values in series.items()}
    chart = figures.trajectories(
        series, "Loss of the charter", "loss",
        "Runs that name somebody, from shortly before the first push on: means, with their range. Repairs begin at the "
        "execution.", baseline="never had them",
    )  # fmt: skip
    ends = "; ".join(f"{name} {middle(data[str(name)]):+.3f}" for name in data["correction"].values)
    text = (
        "Quarantine keeps what was done. A rollback also loses honest progress. A rollback and a replay of the rounds "
        "since, without those who are named, is the run that never had them. Harm at the end, beyond that run "
        f"(median): no repair {middle(data['nothing']):+.3f}; {ends}."
    )
    return [Heading("5. Rollback and replay repair", text), chart]
