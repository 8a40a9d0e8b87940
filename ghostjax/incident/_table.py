"""What became of incidents, in numbers: a row each, and what they come to."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import members
from ghostjax.incident._outcome import Outcome
from ghostjax.incident._repair import never


NEVER = float("nan")
DETAILS = ("regret_", "aged_", "collateral_", "meanwhile", "gradients_")
"""Columns that are left out where a table is printed."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A row per incident, and medians over them.

    | column | holds |
    |---|---|
    | `detect` | rounds from the start of the attack to the alarm of the network |
    | `identity` | rounds to the first alarm of the second watch, that of identities |
    | `decide` | rounds from the alarm to the execution |
    | `since` | the estimate of the start minus the start |
    | `right`, `wrong` | owned and honest identities that are named; `verdict` says whether any are |
    | `executed` | the charter's loss at the execution minus that of the run that never had the owned identities |
    | `nothing` | the same at the end, without a correction, and so for every correction by its name |
    | `regret_NAME` | its sum over all rounds, from the start of the attack on |
    | `aged_NAME` | its harm at the end beyond that run at equal age, that is before the rounds taken back |
    | `collateral_NAME` | the stated goal's loss at the end minus that of that run; `collateral_nothing` likewise |
    | `meanwhile` | the sum of the harm from the start of the attack to the execution |
    | `gradients_NAME` | client gradients computed once more |

    nan stands where it did not come to that. `before` `[m, rounds]` is the charter's loss in the runs that never had
    the owned identities.
    """

    rows: list[dict[str, Any]]
    before: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    def column(self, name: str) -> np.ndarray:
        """The values of one column, nan where a row has none."""
        return np.array([row.get(name, NEVER) for row in self.rows])

    @property
    def names(self) -> list[str]:
        """All columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def median(self, name: str) -> float:
        """The median over the incidents that came to it; nan if none did, or where the column holds words."""
        values = self.column(name)
        values = values[np.isfinite(values)] if values.dtype.kind in "iuf" else values[:0]
        return float(np.median(values)) if values.size else NEVER

    @property
    def framing(self) -> float:
        """Honest identities among all that are named, over all incidents; nan if nobody is."""
        right, wrong = (self.column(name).astype(float) for name in ("right", "wrong"))
        named = np.nansum(right) + np.nansum(wrong)
        return float(np.nansum(wrong) / named) if named else NEVER

    def to_dataset(self) -> Any:
        """An `xarray.Dataset` with the dimension `incident`."""
        import xarray as xr

        return xr.Dataset({name: ("incident", self.column(name)) for name in self.names})

    @property
    def texts(self) -> list[list[str]]:
        """The heads, a row per incident and the medians, as texts; without details of repairs."""
        names = [name for name in self.names if not name.startswith(DETAILS)]
        rows = [[_shown(row.get(name, NEVER)) for name in names] for row in self.rows]
        return [names, *rows, [_shown(self.median(name)) for name in names]]

    def __str__(self) -> str:
        lines = [["", *self.texts[0]]]
        lines += [[str(i), *row] for i, row in enumerate(self.texts[1:-1])]
        lines += [["median", *self.texts[-1]]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        )


def table(outcomes: Sequence[Outcome]) -> Table:
    """Every incident beside the run that never had the owned identities, which is played here."""
    found = members(outcomes, Outcome, "table", "outcomes")
    if not found:
        return Table([])
    incident = found[0].incident
    runs = never(incident, [one.key for one in found])
    rows = [_row(one, {name: column[i] for name, column in runs.items()}) for i, one in enumerate(found)]
    return Table(rows, runs["charter_loss"])


def _row(one: Outcome, without: dict[str, np.ndarray]) -> dict[str, Any]:
    incident, before = one.incident, without["charter_loss"]
    alarm = one.alarms[incident.alarm]
    others = [round for name, round in one.alarms.items() if name != incident.alarm]
    second = min((round for round in others if round >= 0), default=-1)
    row: dict[str, Any] = {
        "result": one.result,
        "detect": alarm - incident.t0 if alarm >= 0 else NEVER,
        "identity": second - incident.t0 if second >= 0 else NEVER,
        "decide": one.executed - alarm if one.executed >= 0 else NEVER,
        "since": one.since[incident.alarm] - incident.t0 if alarm >= 0 else NEVER,
    }
    if one.finding is not None:
        named = one.finding.named
        row |= {"verdict": one.finding.verdict, "right": int((named & incident.owned).sum())}
        row["wrong"] = int((named & ~incident.owned).sum())
    harm = one.loss - before
    row["executed"] = float(harm[one.executed]) if one.executed >= 0 else NEVER
    row["meanwhile"] = float(harm[incident.t0 : one.executed + 1].sum()) if one.executed >= 0 else NEVER
    row |= {"nothing": float(harm[-1]), "regret_nothing": float(harm[incident.t0 :].sum())}
    row["collateral_nothing"] = _collateral(one.record, without)
    for name, done in one.repairs.items():
        harm = done.record["charter_loss"] - before
        row |= {name: float(harm[-1]), f"regret_{name}": float(harm[incident.t0 :].sum())}
        row[f"aged_{name}"] = float(done.loss - before[len(before) - 1 - done.younger])
        row |= {f"collateral_{name}": _collateral(done.record, without), f"gradients_{name}": done.gradients}
    return row


def _collateral(record: dict[str, np.ndarray], without: dict[str, np.ndarray]) -> float:
    """How much worse the stated goal fares at the end; nan where it is not recorded."""
    return float(record["loss"][-1] - without["loss"][-1]) if "loss" in record else NEVER


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return "-"
    return f"{value:g}" if float(value).is_integer() else f"{value:.3f}"
