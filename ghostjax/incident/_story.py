"""Incidents as one labelled dataset: everything that their page shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import member, members
from ghostjax._types import as_real, require
from ghostjax.governance import Council, Electorate, expected_rounds, passing_probability, rounds_to_execution
from ghostjax.incident._calibrate import Calibration
from ghostjax.incident._incident import Incident
from ghostjax.incident._outcome import Outcome
from ghostjax.incident._table import table


CAPTURED = (0.0, 0.125, 0.25, 0.34, 0.39, 0.42, 0.44, 0.45, 0.47)
"""Shares of the electorate, of which the last few delay a simple majority."""
DRAWS = 500


def story(calibration: Calibration, outcomes: Sequence[Outcome], captured: Sequence[float] = CAPTURED) -> Any:
    """Calibrated and named outcomes of one incident as an `xarray.Dataset`: the source of every number on a page.

    The columns of `gj.incident.table` and, by dimensions:

    | variable | dimensions | holds |
    |---|---|---|
    | `charter_loss`, `never` | incident, round | the charter's loss, and that of the run without the owned identities |
    | `corrected` | correction, incident, round | the same after each repair, nan where nothing was repaired |
    | `evidence` | watch, incident, round | the largest evidence of any stream, in multiples of the threshold |
    | `threshold`, `honest_evidence` | watch; watch, honest_run | thresholds, and what set them |
    | `alarm` | watch, incident | the round of the first alarm, -1 for never |
    | `score`, `named`, `owned` | incident, node; node | the scores, who is named, and the truth |
    | `chance` | captured | the probability that a vote on a true alarm passes |
    | `decides`, `drawn` | captured | mean rounds from the alarm to the execution, closed form and drawn (nan: never) |
    | `meanwhile` | captured | the harm by then or at the horizon, median over incidents that alarmed |

    Scalar entries of the record and `deviation` are kept as they are, scalar ones of honest runs as `honest_NAME`.
    """
    import xarray as xr

    member(calibration, Calibration, "story", "calibration")
    found = members(outcomes, Outcome, "story", "outcomes")
    require(len(found) > 0, "story", "outcomes", "[]", "play the incident first: gj.incident.play(incident, seeds)")
    named = all(one.finding is not None for one in found)
    require(named, "story", "outcomes", "outcomes without a finding", "name somebody first: gj.incident.name(outcomes)")
    incident, made = found[0].incident, table(found)
    data: dict[str, Any] = {name: ("incident", made.column(name)) for name in made.names}
    data |= _records(found, calibration)
    data["never"] = (("incident", "round"), made.before)
    data |= _watches(found, calibration)
    data["score"] = (("incident", "node"), np.stack([one.finding.scores for one in found]))
    data["named"] = (("incident", "node"), np.stack([one.finding.named for one in found]))
    data["owned"] = ("node", incident.owned)
    repairs = list(dict.fromkeys(name for one in found for name in one.repairs))
    data["corrected"] = (("correction", "incident", "round"), _corrected(found, repairs))
    harm = np.stack([one.loss for one in found]) - made.before
    alarms = np.array([one.alarms[incident.alarm] for one in found])
    data |= {name: ("captured", values) for name, values in _votes(incident, captured, harm, alarms).items()}
    coords = {"correction": repairs, "watch": list(incident.watches), "captured": list(captured)}
    low, high = calibration.interval
    attributes = {
        "t0": incident.t0, "honest_runs": calibration.runs, "rank": calibration.rank, "low": low, "high": high,
        "alarm": incident.alarm, "columns": "\n".join(made.texts[0]),
        "harm": "loss of the charter beyond the run that never had the owned identities",
    }  # fmt: skip
    return xr.Dataset(data, coords, attributes)


def _records(found: Sequence[Outcome], calibration: Calibration) -> dict[str, Any]:
    def scalars(runs: Sequence[Outcome]) -> dict[str, np.ndarray]:
        return {name: np.stack([one.record[name] for one in runs]) for name, x in runs[0].record.items() if x.ndim == 1}

    kept: dict[str, Any] = {name: (("incident", "round"), rows) for name, rows in scalars(found).items()}
    honest = scalars(calibration.honest)
    kept |= {f"honest_{name}": (("honest_run", "round"), rows) for name, rows in honest.items()}
    if "deviation" in found[0].record:
        kept["deviation"] = (("incident", "round", "node"), np.stack([one.record["deviation"] for one in found]))
    return kept


def _watches(found: Sequence[Outcome], calibration: Calibration) -> dict[str, Any]:
    limits = calibration.thresholds
    evidence = [
        np.stack([one.record[f"evidence_{name}"].reshape(len(one.loss), -1).max(1) / limit for one in found])
        for name, limit in limits.items()
    ]
    return {
        "evidence": (("watch", "incident", "round"), np.stack(evidence)),
        "threshold": ("watch", list(limits.values())),
        "honest_evidence": (("watch", "honest_run"), np.stack([calibration.maxima[name] for name in limits])),
        "alarm": (("watch", "incident"), [[one.alarms[name] for one in found] for name in limits]),
    }


def _corrected(found: Sequence[Outcome], repairs: Sequence[str]) -> np.ndarray:
    unknown = np.full(found[0].loss.shape, np.nan)
    rows = [
        [one.repairs[name].record["charter_loss"] if name in one.repairs else unknown for one in found]
        for name in repairs
    ]
    return np.array(rows).reshape(len(repairs), len(found), len(unknown))


def _votes(
    incident: Incident, captured: Sequence[float], harm: np.ndarray, alarms: np.ndarray
) -> dict[str, np.ndarray]:
    """Time to correct by captured share: in closed form, drawn, and the harm that is done meanwhile."""
    given, n, rounds = incident.governance, incident.num_nodes, harm.shape[1]
    council = given if isinstance(given, Council) else Council()
    members = incident.electorate if isinstance(incident.electorate, Electorate) else Electorate()
    heard, rows = alarms >= 0, []
    for share in captured:
        held = int(np.floor(share * n + 0.5))
        right = float(members.participation) * float(members.accuracy)
        chance = passing_probability([right] * (n - held) + [0] * held, float(council.quorum))
        decides = expected_rounds(chance, int(council.voting), int(council.timelock))
        voters = Electorate(as_real(share), members.participation, members.accuracy)
        drawn = rounds_to_execution(council, voters, n, incident.owned, draws=DRAWS, horizon=3 * rounds)
        ends = [min(alarm + decides, rounds - 1) for alarm in alarms[heard]]
        by_then = [one[int(end)] for one, end in zip(harm[heard], ends, strict=True)]
        rows.append((chance, decides, drawn.mean(), np.median(by_then) if by_then else np.nan))
    names = ("chance", "decides", "drawn", "meanwhile")
    return dict(zip(names, np.array(rows, float).reshape(len(captured), 4).T, strict=True))
