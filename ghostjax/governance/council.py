"""A council that votes on alarms."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._border import shown
from ghostjax._output import Output
from ghostjax._round import Motion, Reading, Session, Verdict
from ghostjax._types import count_field, real_field, require, static_field
from ghostjax.governance._base import AbstractGovernance
from ghostjax.governance._procedure import (
    Docket,
    empty_docket,
    Heard,
    Kind,
    pausing,
    proceed,
    Steps,
    Terms,
    voting_next,
)
from ghostjax.governance._snapshots import Snapshots


NEVER = 2**30
"""Rounds that no run has."""


class Dates(NamedTuple):
    """Rounds of the last matter, -1 where it did not come to that: alarm or motion, last proposal, passed, executed."""

    alarmed: Int[Array, ""]
    proposed: Int[Array, ""]
    passed: Int[Array, ""]
    executed: Int[Array, ""]


class CouncilState(NamedTuple):
    """What a council remembers.

    The docket; its dates; the age to return to; the newest age of which a snapshot is validated, and rounds without an
    alarm since; the power of the record; whom a member's motion is against; who is in quarantine.
    """

    docket: Docket
    dates: Dates
    back: Int[Array, ""]
    validated: Int[Array, ""]
    quiet: Int[Array, ""]
    power: Float[Array, " n"]
    against: Bool[Array, " n"]
    out: Bool[Array, " n"]


class Council(AbstractGovernance):
    """An alarm is put to the vote; what passes waits for the timelock and is executed.

        alarm -> (pause) -> proposal -> `voting` rounds and one to count -> `timelock` rounds -> execution
        passes:  sum_i power_i yes_i >= ceil(quorum n)
        back:    min(age of `since` - margin, newest validated age)

    Under an alarm that stays, a vote that fails is held again at once; from the alarm on, execution takes on average
    `(voting + 1) / P + timelock` rounds, P the probability that a vote passes (`governance.expected_rounds`).

    **Alarm:** any element of the readings of the detector `alarm`; its `since` is that of the element with the largest
    evidence, in the round of the alarm. It counts back rounds: over an earlier pause or rollback that is further back.
    **Power** is that of the record: weights by identity and quarantine as they were before the round of the proposal.
    **Names** are those of whom the detector `names` alarms in the round of the *execution*: what names is the age of
    the evidence. They are in quarantine for good. Without `names` nobody is.
    **Snapshots** are candidates until `probation` rounds have passed without an alarm; only validated ones are
    restored. From the alarm to the decision none is written. A change older than every snapshot, or one that would cost
    more than `reach` rounds, is `too_late`: nothing is restored, and the quarantine stands.
    **Pause:** no round counts from the alarm to the decision, for `pause` rounds at most.
    **Motions of members** (`Ballots.against`, which an adversary may say) are voted on where there is no alarm; who is
    named in one that passes is in quarantine. An alarm takes the table from one that is being voted on.
    After an execution detectors begin anew, where `renew`; for `rest` rounds after it no alarm is heard.

    With `quarantine=False, rollback=False` it is advisory: it votes and records, and changes nothing.

    **Guarantee:** nothing is executed before the timelock; a pause ends; while all others come and judge right,
    captured members of a share below `min(quorum, 1 - quorum)` neither pass a motion nor keep one from passing.
    **Traced:** all numbers. **Static:** names of detectors, `quarantine`, `rollback`, `renew`.
    **Errors:** a detector that the simulation does not have; `names` without a reading per identity; no electorate.

    ```python
    >>> import ghostjax as gj
    >>> council = gj.governance.Council(alarm="network", quorum=2 / 3, timelock=20)
    >>> int(council.voting), council.rollback
    (5, True)

    ```
    """

    alarm: str = static_field(default="network")
    names: str | None = static_field(default=None)
    quorum: Float[Array, ""] = real_field(default=0.5, low=0, high=1)
    voting: Int[Array, ""] = count_field(default=5, low=0)
    timelock: Int[Array, ""] = count_field(default=10, low=0)
    pause: Int[Array, ""] = count_field(default=0, low=0)
    margin: Int[Array, ""] = count_field(default=5, low=0)
    probation: Int[Array, ""] = count_field(default=10, low=0)
    reach: Int[Array, ""] = count_field(default=NEVER, low=0)
    expires: Int[Array, ""] = count_field(default=NEVER, low=1)
    rest: Int[Array, ""] = count_field(default=20, low=0)
    quarantine: bool = static_field(default=True, choices=(True, False))
    rollback: bool = static_field(default=True, choices=(True, False))
    renew: bool = static_field(default=True, choices=(True, False))
    snapshots: Snapshots = eqx.field(default_factory=Snapshots)
    outputs: ClassVar[Mapping[str, Output]] = {
        "phase": Output(long_name="phase of the council: 0 idle, 1 voting, 2 timelock"),
        "motion": Output(long_name="on the table: 0 nothing, 1 an alarm, 2 a motion of a member"),
        "yes": Output(long_name="power of the yes votes that were counted", units="identities"),
        "cast": Output(long_name="power of the votes that were counted", units="identities"),
        "failed": Output(long_name="votes that failed on this matter", units="votes"),
        "outcome": Output(long_name="outcome of the last matter (governance.Outcome)"),
        "alarmed": Output(long_name="round in which the last matter was raised, -1 for none", units="rounds"),
        "proposed": Output(long_name="round of its last proposal, -1 for none", units="rounds"),
        "passed": Output(long_name="round in which it passed, -1 for none", units="rounds"),
        "executed": Output(long_name="round in which it was executed, -1 for none", units="rounds"),
        "validated": Output(long_name="age up to which snapshots are validated", units="rounds"),
        "paused": Output(long_name="whether the next round is paused"),
        "quarantined": Output(long_name="identities under quarantine in the next round", units="identities"),
        "quarantine": Output(dims=("node",), long_name="whether the identity is under quarantine in the next round"),
    }

    def __check_init__(self):
        for parameter in ("alarm", "names"):
            value = getattr(self, parameter)
            named = isinstance(value, str) or (parameter == "names" and value is None)
            require(named, "Council", parameter, shown(value), "name a detector of the simulation")

    def init(self, num_nodes: int) -> CouncilState:
        zero, none, nobody = jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32), jnp.zeros(num_nodes, bool)
        power = jnp.ones(num_nodes, jnp.result_type(float))
        return CouncilState(empty_docket(), Dates(none, none, none, none), none, zero, zero, power, nobody, nobody)

    def decide(self, state: CouncilState, session: Session, num_nodes: int) -> tuple[PyTree, Verdict, dict[str, Array]]:
        ballots, remedy = session.ballots, "a motion needs voters; give electorate=Electorate()"
        require(ballots is not None, "Council", "electorate", None, remedy)
        assert ballots is not None
        terms = Terms(self.voting, self.timelock, self.pause, self.expires, self.rest)
        alarm, began = self._heard(session)
        yes = jnp.where(ballots.cast & ballots.yes, state.power, 0).sum()
        target = jnp.minimum(state.back, state.validated)
        held = (session.snapshots >= 0) & (session.snapshots <= target)
        possible = held.any() & (session.age - target <= self.reach) if self.rollback else jnp.asarray(True)
        against = jnp.zeros_like(state.against) if ballots.against is None else ballots.against
        of_alarm = state.docket.kind == Kind.ALARM
        heard = Heard(alarm, against.any(), yes >= self._needed(num_nodes), possible | ~of_alarm)
        docket, steps = proceed(terms, state.docket, heard)
        acts = steps.executes & of_alarm
        returns = acts & possible & self.rollback
        named = jnp.where(of_alarm, self._named(session, num_nodes), state.against) & steps.executes
        after = CouncilState(
            docket=docket,
            dates=_dated(state.dates, steps, session.round),
            back=jnp.where(steps.raises, began - self.margin, state.back),
            **self._validated(state, session, alarm, pausing(terms, state.docket), returns, target),
            power=jnp.where(steps.proposes, session.power, state.power),
            against=jnp.where(steps.raises, against, state.against),
            out=state.out | named if self.quarantine else state.out,
        )
        paused = pausing(terms, docket)
        verdict = Verdict(
            factor=jnp.where(after.out, 0, 1).astype(jnp.result_type(float)),
            back=jnp.where(returns, target, -1),
            pause=paused,
            # In the round of the decision too: what is restored must not be overwritten by what it is restored over.
            freeze=of_alarm | (docket.kind == Kind.ALARM),
            renew=acts & self.renew & (self.quarantine or self.rollback),
            motion=Motion(docket.kind, voting_next(terms, docket)),
        )
        cast = jnp.where(ballots.cast, state.power, 0).sum()
        return after, verdict, {
            "phase": docket.phase,
            "motion": docket.kind,
            "yes": yes,
            "cast": cast,
            "failed": docket.failed,
            "outcome": docket.outcome,
            **after.dates._asdict(),
            "validated": after.validated,
            "paused": paused,
            "quarantined": after.out.sum(),
            "quarantine": after.out,
        }  # fmt: skip

    def _needed(self, num_nodes: int) -> Float[Array, ""]:
        """The power that passes a motion; rounding of the product or of the sum of powers makes no difference."""
        rounding = num_nodes * float(jnp.finfo(self.quorum.dtype).eps)
        return jnp.ceil(self.quorum * num_nodes * (1 - rounding)) * (1 - rounding)

    def _heard(self, session: Session) -> tuple[Bool[Array, ""], Int[Array, ""]]:
        """Whether there is an alarm, and the age at which the change is estimated to have begun."""
        reading = _reading(session, self.alarm, "alarm")
        # The element that alarms with the largest evidence says since when.
        flat = Reading(*(jnp.ravel(leaf) for leaf in reading))
        since = flat.since[jnp.argmax(jnp.where(flat.alarm, flat.evidence, -jnp.inf))]
        since = jnp.where(since < 0, session.round, since)
        return flat.alarm.any(), session.age - (session.round + 1 - since)

    def _named(self, session: Session, num_nodes: int) -> Bool[Array, " n"]:
        """Whom the detector of names accuses in this round."""
        if self.names is None:
            return jnp.zeros(num_nodes, bool)
        alarm = _reading(session, self.names, "names").alarm
        fits = alarm.ndim >= 1 and alarm.shape[0] == num_nodes
        remedy = f"its readings are of shape {alarm.shape}; give a detector with a reading for each of {num_nodes}"
        require(fits, "Council", "names", repr(self.names), remedy)
        return alarm.reshape(num_nodes, -1).any(1)

    def _validated(
        self, state: CouncilState, session: Session, alarm: Any, paused: Any, returns: Any, target: Any
    ) -> dict[str, Array]:
        """Snapshots up to this age are validated: an alarm after them would have come."""
        # A paused round shows nothing.
        quiet = jnp.where(alarm, 0, state.quiet + jnp.where(paused, 0, 1))
        tried = jnp.where(quiet >= self.probation, session.age - self.probation, state.validated)
        found = jnp.where(session.snapshots <= target, session.snapshots, -1).max()
        validated = jnp.where(returns, found, jnp.maximum(tried, state.validated))
        return {"validated": validated, "quiet": jnp.where(returns, 0, quiet)}


def _reading(session: Session, name: str, parameter: str) -> Any:
    known = ", ".join(map(repr, session.readings)) or "none"
    remedy = f"no detector has this name; there are: {known}"
    require(name in session.readings, "Council", parameter, repr(name), remedy)
    return jax.tree.map(jax.lax.stop_gradient, session.readings[name])


def _dated(dates: Dates, steps: Steps, round: Int[Array, ""]) -> Dates:
    """The dates of the matter; one that is raised forgets those of the last."""

    def date(happens: Bool[Array, ""], before: Int[Array, ""]) -> Int[Array, ""]:
        return jnp.where(happens, round, jnp.where(steps.raises, -1, before)).astype(jnp.int32)

    return Dates(*map(date, (steps.raises, steps.proposes, steps.passes, steps.executes), dates))
