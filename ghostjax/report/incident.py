"""The page of an incident: five figures from the first push to the repair, from one dataset."""

from typing import Any

import numpy as np

from ghostjax.report._incident_figures import alarms, deviations, middle, names, network_first, repairs, votes
from ghostjax.report._page import Block, Cards, Heading, Table, Verdict
from ghostjax.report._words import listed


def blocks(data: Any) -> list[Block]:
    """The sections, from the verdict to the table of all runs; `data` is that of `gj.incident.story`."""
    return [
        verdict(data),
        _cards(data),
        *deviations(data),
        *alarms(data),
        *names(data),
        *votes(data),
        *repairs(data),
        *_table(data),
    ]


def verdict(data: Any) -> Verdict:
    """Who, since when, how sure, repaired or not; and on what that rests."""
    runs, t0 = data.sizes["incident"], data.attrs["t0"]
    named = data["verdict"].values == "named"
    heard = int(np.isfinite(data["detect"].values).sum())
    sure = (
        f"{data.attrs['honest_runs']} honest runs set the threshold: a further honest run alarms with probability "
        f"{data.attrs['low']:.3f} to {data.attrs['high']:.3f} (95 % interval)"
    )
    truth = f"The truth, which only the simulation knows: {_owned(data)} from round {t0} on."
    grounds = [f"Certainty: {sure}. A name needs a larger gap between scores than honest runs show.", truth]
    if not heard:
        return Verdict(f"No alarm in {runs} runs: nothing is known and nobody is named.", grounds)
    when = f"the network alarms in {heard} of {runs} runs, {middle(data['detect']):.0f} rounds after the start"
    if not named.any():
        return Verdict(f"The model was moved, and nobody can be named: {when}; all verdicts say wait.", grounds)
    who = np.flatnonzero(data["named"].values[named].mean(0) > 0.5).tolist()
    right, wrong = (middle(data[name][named]) for name in ("right", "wrong"))
    start = t0 + middle(data["since"])
    best = _best(data)
    repaired = (
        f"{best} brings the harm at the end from {middle(data['nothing']):.3f} to {middle(data[best]):.3f}"
        if best
        else f"the harm at the end is {middle(data['nothing']):.3f}, not repaired"
    )
    plural = "Identities" if len(who) > 1 else "Identity"
    grounds.insert(
        1,
        f"Names: {int(named.sum())} of {runs} runs name somebody, {right:.0f} owned and {wrong:.0f} honest identities "
        f"(median); {int((data['verdict'].values == 'wait').sum())} say wait, "
        f"{int((data['verdict'].values == 'nobody').sum())} nobody.",
    )
    return Verdict(
        f"{plural} {listed(who)} moved the model from about round {start:.0f} on ({int(named.sum())} of {runs} runs "
        f"name them, the others wait); {when}; {repaired}.",
        grounds,
    )


def _best(data: Any) -> str | None:
    """The repair with the smallest harm at the end."""
    done = [str(name) for name in data["correction"].values if np.isfinite(data[str(name)].values.astype(float)).any()]
    return min(done, key=lambda name: middle(data[name]), default=None)


def _owned(data: Any) -> str:
    owned = np.flatnonzero(data["owned"].values).tolist()
    return f"one principal owns identities {listed(owned)} of {data.sizes['node']} and pushes with each of them"


def _cards(data: Any) -> Cards:
    first = network_first(data)
    cards = [
        (f"{int(np.isfinite(data['detect'].values).sum())} of {data.sizes['incident']}", "runs with an alarm"),
        (_rounds(middle(data["detect"])), "from the first push to the alarm (median)"),
    ]
    if data.sizes["watch"] > 1:
        cards.append((f"{int(first.sum())} of {len(first)}", "runs in which the network alarms before any identity"))
    cards += [
        (f"{int((data['verdict'].values == 'named').sum())} of {len(first)}", "runs that name somebody"),
        (_cell(middle(data["executed"])), "harm when the verdict is executed (median)"),
        (_cell(middle(data["nothing"])), "harm at the end without a repair"),
    ]
    cards += [(_cell(middle(data[str(name)])), f"harm at the end by {name}") for name in data["correction"].values]
    return Cards(cards)


def _table(data: Any) -> list[Block]:
    text = "Each row is one run. Rounds count from the first push; harm is the loss of the charter beyond the run that "
    return [Heading("All runs", text + "never had the owned identities."), Table(*table(data))]


def table(data: Any) -> tuple[list[str], list[list[str]]]:
    """A row per run and the medians, for pages and terminals; without details of repairs."""
    columns = data.attrs["columns"].split("\n")
    runs = data["incident"].values if "incident" in data.coords else range(data.sizes["incident"])
    rows = [[str(run), *(_cell(data[name].values[i]) for name in columns)] for i, run in enumerate(runs)]
    numeric = [data[name].dtype.kind in "iuf" for name in columns]
    medians = [
        _cell(middle(data[name])) if is_number else "-" for name, is_number in zip(columns, numeric, strict=True)
    ]
    return ["run", *columns], [*rows, ["median", *medians]]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    if not np.isfinite(number):
        return "-"
    return f"{number:g}" if number.is_integer() else f"{number:.3f}"


def _rounds(value: float) -> str:
    return f"{value:.0f} rounds" if np.isfinite(value) else "-"
