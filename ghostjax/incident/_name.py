"""Names who is behind an incident, or says that it cannot."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from ghostjax._border import Checked, member, members, whole
from ghostjax._round import audited, State
from ghostjax._simulation import Simulation
from ghostjax._types import real_field, require
from ghostjax.charters import AbstractCharter, Probed
from ghostjax.incident._calibrate import Calibration, order_statistic
from ghostjax.incident._groups import above_gap, jaccard, upper_group
from ghostjax.incident._outcome import Finding, Outcome
from ghostjax.incident._program import gradients, Keys


class AbstractNaming(Checked):
    """Scores identities by what a run tells until a round: high means harmful."""

    @abstractmethod
    def scores(self, outcomes: Sequence[Outcome], until: Sequence[int]) -> list[np.ndarray]:
        """`[n]` for every outcome, from its `start` to round `until` (included)."""


class CharterLoss(eqx.Module):
    """The charter's loss at the final model, as an outcome of an attribution: what scores are derivatives of.

        J = charter loss at theta,    theta the shared model, in gossip  mean_i theta_i  over all identities

    In gossip the models of all identities are judged, whoever they are and however much they counted: who names cannot
    know whom to leave out, and the set must not change with the weights that J is differentiated by. The entry
    `charter_loss` of a record is that of honest models, the laboratory's measure of harm.
    """

    charter: AbstractCharter

    def __call__(self, simulation: Simulation, state: State) -> Array:
        return _probed(self.charter, simulation, state).probes.mean()


class CharterExcess(eqx.Module):
    """The charter's loss beyond that of its controls, at the model that `CharterLoss` judges."""

    charter: AbstractCharter

    def __call__(self, simulation: Simulation, state: State) -> Array:
        return _probed(self.charter, simulation, state).excess.mean()


def _probed(charter: AbstractCharter, simulation: Simulation, state: State) -> Probed:
    models = simulation.protocol.models(state.protocol)
    model = simulation.ravel.unravel(models if models.ndim == 1 else models.mean(0))
    return charter.read(audited(simulation.task, model))


class Adjoint(AbstractNaming):
    """The adjoint of what the charter lost, by replay: one backward pass through the run, summed from `start`.

        score_i = sum_{t >= start} w[t, i] dJ/dw[t, i],    J = mean over families of (probes - controls) after `until`

    It follows a message through all later rounds. Controls are taken off because honest identities differ in how much
    the others learn from them: that moves probes and controls alike, and would hide who moves the probes alone
    (`outcome=CharterLoss` leaves them in). The ledger has to suffice to replay.

    **Static:** `outcome`, made from the charter: `CharterExcess`, `CharterLoss`.
    """

    outcome: Callable[[AbstractCharter], Any] = eqx.field(default=CharterExcess, static=True)

    def __check_init__(self):
        require(callable(self.outcome), "Adjoint", "outcome", self.outcome, "give CharterExcess or CharterLoss")

    def scores(self, outcomes: Sequence[Outcome], until: Sequence[int]) -> list[np.ndarray]:
        incident, found = outcomes[0].incident, []
        keys = Keys.of([one.key for one in outcomes])
        held = np.stack([one.byzantine for one in outcomes])
        weights = np.stack([one.weights for one in outcomes])
        counts = np.asarray(until, np.int32) + 1
        _, cells = gradients(incident.attacked, keys, held, weights, counts, self.outcome(incident.charter))
        for one, cell, w in zip(outcomes, cells, weights, strict=True):
            found.append((np.where(w > 0, w, 0) * cell)[one.start :].sum(0))
        return found


class Pushed(AbstractNaming):
    """The harm that an identity's own messages did where they were sent, added up from `start`.

        score_i = sum_{t >= start} w[t, i] mean_f <s_i, v_f>

    with <s_i, v_f> the entry `charter_push` of `metrics.Charter`.

    It needs no replay, and knows nothing of later rounds: what others heal or carry on is not in it.
    """

    def scores(self, outcomes: Sequence[Outcome], until: Sequence[int]) -> list[np.ndarray]:
        found = []
        for one, last in zip(outcomes, until, strict=True):
            push = one.record["charter_push"].mean(-1)
            found.append((one.weights * push)[one.start : last + 1].sum(0))
        return found


class Decisive(Checked):
    """When a verdict names: two groupings of the scores agree, and the gap is larger than in honest runs that do so.

    `agreement` is the least Jaccard index of those above the largest gap and the upper of the two best groups; `level`
    the share of honest runs whose gap is larger; `least` the smallest gap that names, whatever honest runs say, in
    standard deviations of the scores below it. The defaults were chosen on sixteen attacked runs of two partitions.
    **Traced:** all.
    """

    agreement: Array = real_field(default=0.85, low=0, high=1)
    least: Array = real_field(default=1.0, low=0)
    level: Array = real_field(default=0.05, low=0, high=1)


def gaps_of(calibration: Calibration, by: AbstractNaming | None = None, *, rule: Decisive | None = None) -> np.ndarray:
    """The gap of every honest run, 0 where its two groupings disagree, `[m]` in order.

    Each is judged as if its largest evidence had been an alarm. A gap beyond the order statistic of these names
    somebody in at most a share `rule.level` of honest runs that alarm.
    """
    judge: AbstractNaming = Adjoint() if by is None else by
    decisive: Decisive = Decisive() if rule is None else rule
    member(judge, AbstractNaming, "gaps_of", "by")
    member(decisive, Decisive, "gaps_of", "rule")
    incident = calibration.incident
    evidence = [one.record[f"evidence_{incident.alarm}"] for one in calibration.honest]
    peaks = [int(one.reshape(incident.rounds, -1).max(1).argmax()) for one in evidence]
    until = [min(peak + incident.delay, incident.rounds - 1) for peak in peaks]
    scored = [_grouped(scores) for scores in judge.scores(calibration.honest, until)]
    return np.sort([gap if agreement >= float(decisive.agreement) else 0.0 for _, gap, agreement in scored])


def name(
    outcome: Outcome | Sequence[Outcome],
    by: AbstractNaming | None = None,
    *,
    gaps: Any = (),
    rule: Decisive | None = None,
    until: int | None = None,
    patience: int = 0,
) -> Any:
    """The outcome with its `finding`: who is named at the execution of the verdict, by which scores, and how sure.

    `by` scores identities (`Adjoint()` unless given). `gaps` are those of honest runs (`gaps_of(calibration)`); without
    them a gap of `rule.least` is enough. Evidence is read until round `until`: the execution unless given, the last
    round where nothing was executed. Several outcomes of one incident are scored in one program.

    The verdict is "nobody" where nothing alarmed, "wait" where the evidence is not decisive, else "named". With
    `patience` a verdict that waits is judged again every `incident.delay` rounds, at most `patience` rounds after its
    execution and within the horizon; where it names somebody then, it is executed then. What names is the age of the
    evidence; what it costs is the harm meanwhile.
    """
    several = isinstance(outcome, list | tuple)
    found = members(outcome if several else [outcome], Outcome, "name", "outcome")
    judge: AbstractNaming = Adjoint() if by is None else by
    decisive: Decisive = Decisive() if rule is None else rule
    member(judge, AbstractNaming, "name", "by")
    member(decisive, Decisive, "name", "rule")
    incident = found[0].incident
    threshold = max(float(decisive.least), _threshold(np.asarray(gaps, float), float(decisive.level)))
    patience = whole(patience, "name", "patience", low=0)
    fixed = "a verdict that waits is judged at several rounds; leave one of the two out"
    require(patience == 0 or until is None, "name", "patience", patience, fixed)

    def judged(some: Sequence[Outcome], last: Sequence[int]) -> list[Outcome]:
        agreement, label = float(decisive.agreement), type(judge).__name__
        return [
            dataclasses.replace(one, finding=_finding(one, scores, threshold, agreement, label))
            for one, scores in zip(some, judge.scores(some, last), strict=True)
        ]

    last = [until if until is not None else one.executed if one.executed >= 0 else incident.rounds - 1 for one in found]
    named = judged(found, last)
    for later in range(max(incident.delay, 1), patience + 1, max(incident.delay, 1)):
        waiting = [i for i, one in enumerate(named) if _waits(one) and one.executed + later < incident.rounds]
        due = [named[i].executed + later for i in waiting]
        for i, one, executed in zip(waiting, judged([named[i] for i in waiting], due) if due else (), due, strict=True):
            named[i] = named[i] if _waits(one) else dataclasses.replace(one, executed=executed)
    return named if several else named[0]


def _waits(one: Outcome) -> bool:
    """Whether a verdict was due, and its evidence was not decisive."""
    return one.executed >= 0 and one.finding is not None and one.finding.verdict == "wait"


def _threshold(gaps: np.ndarray, level: float) -> float:
    return float(np.sort(gaps)[order_statistic(len(gaps), level, "name") - 1]) if gaps.size else 0.0


def _finding(one: Outcome, scores: np.ndarray, threshold: float, agreement: float, by: str) -> Finding:
    candidates, gap, alike = _grouped(scores)
    decisive = gap > threshold and alike >= agreement
    verdict = "nobody" if one.alarms[one.incident.alarm] < 0 else "named" if decisive else "wait"
    named = candidates & (verdict == "named")
    return Finding(verdict, named, candidates, scores, gap, threshold, alike, one.start, by)


def _grouped(scores: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Those above the largest gap, the gap, and how far the best two groups agree."""
    candidates, gap = above_gap(scores)
    return candidates, gap, jaccard(candidates, upper_group(scores))
