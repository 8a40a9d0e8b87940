"""How a played incident would have gone on under other thresholds and other dates of the verdict."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ghostjax.correction import Case
from ghostjax.governance import execution_rounds
from ghostjax.incident._name import name
from ghostjax.incident._outcome import Outcome
from ghostjax.incident._play import played, stacked
from ghostjax.incident._repair import never


class Deadline(NamedTuple):
    """When an incident has ended: the harm is at most `epsilon` in `round`."""

    round: int
    epsilon: float


class Course(NamedTuple):
    """One run under one threshold: whether an execution in each of `rounds [K]` ends the incident, by correction.

    `nothing`: whether it ends uncorrected; `detected`: whether there is an alarm before the deadline; `named`: whether
    somebody is named at an execution that was looked at.
    """

    rounds: np.ndarray
    replay: np.ndarray
    quarantine: np.ndarray
    nothing: bool
    detected: bool
    named: bool


def alarms(one: Outcome, h: float) -> np.ndarray:
    """In which rounds the watch that starts a vote alarms at threshold `h`, `[rounds]`."""
    evidence = one.record[f"evidence_{one.incident.alarm}"]
    evidence = evidence.reshape(len(evidence), -1)
    return ((evidence >= evidence.dtype.type(h)) & (evidence > 0)).any(1)


def courses(
    runs: Sequence[Outcome],
    levels: Sequence[float],
    deadline: Deadline,
    votes: tuple[int, int],
    judged: int,
    naming: dict[str, Any],
) -> list[list[Course]]:
    """Every run under every threshold; `votes` are the rounds of a vote and of the timelock, `judged` and `naming`
    as in `correctability`."""
    before = never(runs[0].incident, [one.key for one in runs])["charter_loss"]
    heard = [[alarms(one, h)[: deadline.round] for one in runs] for h in levels]
    rounds = [[execution_rounds(alarm, *votes) for alarm in row] for row in heard]
    # Thresholds that first alarm in the same round share their verdicts.
    verdicts = sorted(
        {
            (run, int(alarm.argmax()), round)
            for row, dates in zip(heard, rounds, strict=True)
            for run, (alarm, some) in enumerate(zip(row, dates, strict=True))
            for round in some[:judged].tolist()
        }
    )
    cases = [_executed(runs[run], first, round) for run, first, round in verdicts]
    found = name(cases, **naming) if cases else []
    answers = dict(zip(verdicts, zip(found, _replayed(found, deadline.round), strict=True), strict=True))

    def course(run: int, alarm: np.ndarray, some: np.ndarray) -> Course:
        fine = runs[run].loss - before[run] <= deadline.epsilon
        ends = np.full((2, len(some)), fine[deadline.round])
        first = int(alarm.argmax())
        looked = [answers[run, first, round] for round in some[:judged].tolist()]
        for k, round in enumerate(some):
            one, loss = looked[min(k, judged - 1)]
            executed = max(round, one.executed)  # later than the vote said where evidence was waited for
            if one.finding.named.any() and executed < deadline.round:
                ends[0, k] = loss - before[run, deadline.round] <= deadline.epsilon
            if one.finding.named[one.incident.owned].all() and executed < deadline.round:
                ends[1, k] = fine[executed]
        named = any(one.finding.named.any() for one, _ in looked)
        return Course(some, ends[0], ends[1], bool(fine[deadline.round]), bool(alarm.any()), named)

    return [
        [course(run, alarm, some) for run, (alarm, some) in enumerate(zip(row, dates, strict=True))]
        for row, dates in zip(heard, rounds, strict=True)
    ]


def _executed(one: Outcome, first: int, round: int) -> Outcome:
    """The outcome as it would be with the first alarm in round `first` and the execution in `round`."""
    watch = one.incident.alarm
    evidence, since = (one.record[f"{what}_{watch}"][first].reshape(-1) for what in ("evidence", "since"))
    since = {**one.since, watch: int(since[evidence.argmax()])}
    return dataclasses.replace(one, alarms={**one.alarms, watch: first}, since=since, executed=round)


def _replayed(cases: Sequence[Any], deadline: int) -> np.ndarray:
    """The charter's loss in round `deadline` of every run without those who are named; nan where nobody is."""
    # Most executions name the same identities from the same round on: one replay serves them.
    same: dict[Any, list[int]] = {}
    for i, one in enumerate(cases):
        if one.finding.named.any():
            same.setdefault((id(one.record), one.start, one.finding.named.tobytes()), []).append(i)
    found = np.full(len(cases), np.nan)
    if same:
        chosen = [cases[places[0]] for places in same.values()]
        start, named = np.array([one.start for one in chosen]), np.stack([one.finding.named for one in chosen])
        weights = Case(np.stack([one.weights for one in chosen]), named, start, start).without(start)
        keys, held = stacked([one.key for one in chosen], "correctability"), np.stack([one.byzantine for one in chosen])
        losses = played(chosen[0].incident, keys, held, weights)["charter_loss"][:, deadline]
        for places, loss in zip(same.values(), losses, strict=True):
            found[places] = loss
    return found
