"""What became of an incident."""

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from ghostjax.incident._incident import Incident


Verdict = Literal["named", "wait", "nobody"]


class Finding(NamedTuple):
    """Who is named: `named [n]`, by which scores `[n]` (high: harmful), and why, or why not.

    `verdict` is "named", "wait" where the evidence is not decisive, "nobody" where nothing alarmed. `gap` is the
    largest gap between sorted scores, in standard deviations of those below it, `threshold` what honest runs reach,
    `agreement` the Jaccard index of the identities above the gap and the upper of the two groups that fit the scores
    best. `candidates [n]` are those above the gap, named or not.
    """

    verdict: Verdict
    named: np.ndarray
    candidates: np.ndarray
    scores: np.ndarray
    gap: float
    threshold: float
    agreement: float
    since: int
    by: str


class Repaired(NamedTuple):
    """A corrected run: its record `[rounds]` by entry, the charter's loss at the end, and what it cost.

    `gradients` are client gradients computed beyond those of the run itself, by `identities x rounds`. The model at the
    end is `younger` than the run by the rounds that a rollback took back.
    """

    how: str
    record: dict[str, np.ndarray]
    loss: float
    gradients: int
    younger: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """One run of an incident.

    `record` has an array `[rounds, ...]` per entry. `alarms` says for every watch the first round in which anything
    alarmed, -1 if never, `since` the estimate of the start that the first alarm gave. `executed` is the round in which
    a verdict is executed, -1 where that lies beyond the horizon; `result` says how the vote ended: "no_alarm", or an
    ending of `governance.Outcome` by name: "executed", "too_late", "rejected", "expired", "never_decided". `finding`
    and `repairs` are filled in by `gj.incident.name` and `repair`.
    """

    incident: Incident
    key: Any
    attacked: bool
    record: dict[str, np.ndarray]
    alarms: dict[str, int]
    since: dict[str, int]
    executed: int
    result: str
    finding: Finding | None = None
    repairs: dict[str, Repaired] = dataclasses.field(default_factory=dict)

    @property
    def loss(self) -> np.ndarray:
        """The charter's loss after every round, `[rounds]`."""
        return self.record["charter_loss"]

    @property
    def weights(self) -> np.ndarray:
        """Who took part, `[rounds, n]`."""
        return self.incident.weights(self.key)

    @property
    def start(self) -> int:
        """The first round that a correction undoes: `margin` rounds before the estimate of the start, at least 0."""
        return max(0, self.since[self.incident.alarm] - self.incident.margin)

    @property
    def byzantine(self) -> np.ndarray:
        """Who was Byzantine in this run, `[n]`."""
        return self.incident.owned if self.attacked else np.zeros(self.incident.num_nodes, bool)

    def __repr__(self) -> str:
        alarms = ", ".join(f"{name} {round if round >= 0 else 'never'}" for name, round in self.alarms.items())
        named = (
            "" if self.finding is None else f"; {self.finding.verdict} {np.flatnonzero(self.finding.named).tolist()}"
        )
        kind = "attacked" if self.attacked else "honest"
        return f"Outcome({kind}; alarms: {alarms}; {self.result} {self.executed}{named})"
