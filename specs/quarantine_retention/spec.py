"""Quarantine with a limited memory: checkpoints are thrown away, detection is late, validation errs."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (the last one bad), versions after the genesis, versions that may follow a bad one before it is detected,
    checkpoints that there is room for."""

    nodes: int = 3
    versions: int = 4
    lag: int = 1
    room: int = 2


class State(NamedTuple):
    """The head; per version its author plus one, checkpointed, validated; per node quarantined, update in flight;
    whether an incident is open."""

    head: Any
    by: Any
    ck: Any
    ver: Any
    q: Any
    pend: Any
    inc: Any


KEEPS_NEWEST_ONLY, RETENTION_TOO_SHORT, RING_BUFFER, DETECTED_TOO_LATE = 1, 2, 3, 4
TRUSTS_VALIDATION, ROLLS_BACK_TOO_FAR, QUARANTINE_FORGOTTEN = 5, 6, 7


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, top, lag, room = bounds.nodes, bounds.versions, bounds.lag, bounds.room
    bad = n - 1
    versions = np.arange(top + 1, dtype=np.int32)

    def tainted(s: State, v: Any) -> Any:
        return ((s.by == bad + 1) & (versions <= v)).any()

    def clean(s: State) -> Any:
        """Per version: nothing up to it was written by the bad node."""
        return jnp.cumsum(jnp.where(s.by == bad + 1, 1, 0)) == 0

    def due(s: State) -> Any:
        """A bad version has the longest tail that detection allows it."""
        return (s.q[bad] == 0) & ((s.by == bad + 1) & (versions + lag <= s.head)).any()

    def submit(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        return (s.pend[n] == 0) & (s.q[n] == 0), s._replace(pend=s.pend.at[n].set(1))

    def apply(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        # Detection is prompt: no version follows that would exceed the lag. Nor is there one during an incident.
        h = jnp.minimum(s.head + 1, top)
        goes_on = (s.inc == 0) & (~due(s) | (bug == DETECTED_TOO_LATE))
        return (s.pend[n] == 1) & (s.head < top) & (s.q[n] == 0) & goes_on, s._replace(
            head=h,
            by=s.by.at[h].set(n + 1),
            ver=s.ver.at[h].set(0),
            ck=s.ck.at[h].set(0),
            pend=s.pend.at[n].set(0),
        )

    def validate(s: State, bug: Any) -> tuple[Any, State]:
        # It errs: a tainted version may pass.
        return s.ver[s.head] == 0, s._replace(ver=s.ver.at[s.head].set(1))

    def checkpoint(s: State, bug: Any) -> tuple[Any, State]:
        # When the room is full, it waits for GC; the oldest is not simply overwritten.
        full = s.ck.sum() >= room
        oldest = jnp.where(s.ck == 1, versions, top).min()
        ck = jnp.where(full & (versions == oldest), 0, s.ck)
        fits = ~full | (bug == RING_BUFFER)
        return (s.ck[s.head] == 0) & (s.ver[s.head] == 1) & fits & (s.inc == 0), s._replace(ck=ck.at[s.head].set(1))

    def collect(s: State, v: Any, bug: Any) -> tuple[Any, State]:
        # A later checkpoint is old enough: what was bad in it would have been detected by now.
        settled = (s.ck == 1) & (versions > v) & (versions + lag < s.head + jnp.where(bug == RETENTION_TOO_SHORT, 1, 0))
        newer = (s.ck == 1) & (versions > v) & (versions <= s.head)
        enough = settled.any() | ((bug == KEEPS_NEWEST_ONLY) & newer.any())
        return (s.ck[v] == 1) & enough & (s.inc == 0), s._replace(ck=s.ck.at[v].set(0))

    def detect(s: State, bug: Any) -> tuple[Any, State]:
        return (s.q[bad] == 0) & tainted(s, s.head), s._replace(
            q=s.q.at[bad].set(1), inc=jnp.int32(1), pend=s.pend.at[bad].set(0)
        )

    def rollback(s: State, v: Any, bug: Any) -> tuple[Any, State]:
        good = clean(s)
        usable = (s.ck == 1) & (versions <= s.head) & jnp.where(bug == TRUSTS_VALIDATION, s.ver == 1, good)
        newest = ~(usable & (versions > v)).any()
        newest = newest | ((bug == ROLLS_BACK_TOO_FAR) & good[v])
        above = versions > v
        forgets = bug == QUARANTINE_FORGOTTEN
        return (s.inc == 1) & usable[v] & newest, s._replace(
            head=v.astype(jnp.int32),
            inc=jnp.int32(0),
            by=jnp.where(above, 0, s.by),
            ver=jnp.where(above, 0, s.ver),
            ck=jnp.where(above, 0, s.ck),
            q=s.q.at[bad].set(jnp.where(forgets, 0, s.q[bad])),
        )

    def kept(s: State, t: State) -> Any:
        """A rollback keeps the newest checkpoint that is clean."""
        usable = (s.ck == 1) & (versions <= s.head) & clean(s)
        return (s.inc == 0) | (t.inc == 1) | (t.head >= jnp.where(usable, versions, 0).max())

    genesis = np.eye(1, top + 1, dtype=np.int32)[0]
    zero = np.zeros(n, np.int32)
    recovered = lambda s: (s.q[bad] == 1) & (s.inc == 0)
    anything = lambda s: jnp.asarray(True)
    work = (Fair("Submit", True), Fair("Apply", True))
    repair = (Fair("DetectQuarantine"), Fair("Rollback"))
    return Spec(
        name="quarantine_retention",
        statement="Though checkpoints are thrown away and validation errs, a clean one is left whenever it is needed.",
        state=State,
        variables={
            "head": Var((), top), "by": Var((top + 1,), n), "ck": Var((top + 1,), 1), "ver": Var((top + 1,), 1),
            "q": Var((n,), 1), "pend": Var((n,), 1), "inc": Var((), 1),
        },
        init=[State(0, np.zeros(top + 1, np.int32), genesis, genesis, zero, zero, 0)],
        actions=(
            Action("Submit", submit, {"n": n}),
            Action("Apply", apply, {"n": n}),
            Action("Validate", validate),
            Action("Checkpoint", checkpoint),
            Action("GC", collect, {"v": top + 1}),
            Action("DetectQuarantine", detect),
            Action("Rollback", rollback, {"v": top + 1}),
        ),
        invariants={
            "CleanAfterRollback": lambda s: ~recovered(s) | ~tainted(s, s.head),
            "RecoveryPossible": lambda s: ((s.ck == 1) & (versions <= s.head) & clean(s)).any(),
        },
        steps={
            "NoMoreIsLost": kept,
            "QuarantineIsForGood": lambda s, t: (t.q >= s.q).all(),
        },
        witnesses={
            "a tainted checkpoint": lambda s: ((s.ck == 1) & ~clean(s)).any(),
            "the genesis is thrown away": lambda s: s.ck[0] == 0,
            "rolled back to a version": lambda s: recovered(s) & (s.head > 0) & (s.by[1] > 0),
            "the lineage is full and clean": lambda s: (s.head == top) & ~tainted(s, s.head),
        },
        leads_to=(
            LeadsTo("IncidentIsRolledBack", lambda s: s.inc == 1, lambda s: s.inc == 0, (Fair("Rollback"),)),
            LeadsTo("LineageBecomesClean", lambda s: tainted(s, s.head), lambda s: ~tainted(s, s.head), repair),
            LeadsTo("TrainingGoesOn", anything, lambda s: s.head == top, (*work, *repair)),
            # An undetected bad version stops the lineage: no more than `lag` may follow before it is found.
            LeadsTo("TrainingGoesOnUndetected", anything, lambda s: s.head == top, (*work, repair[1]), holds=False),
        ),
        mutants=(
            Mutant("keeps_newest_only", KEEPS_NEWEST_ONLY, "RecoveryPossible", 6),
            Mutant("retention_too_short", RETENTION_TOO_SHORT, "RecoveryPossible", 8),
            Mutant("ring_buffer", RING_BUFFER, "RecoveryPossible", 9),
            Mutant("detected_too_late", DETECTED_TOO_LATE, "RecoveryPossible", 10),
            Mutant("trusts_validation", TRUSTS_VALIDATION, "CleanAfterRollback", 7, ("CleanAfterRollback",)),
            Mutant("rolls_back_too_far", ROLLS_BACK_TOO_FAR, "NoMoreIsLost", 9),
            Mutant("quarantine_forgotten", QUARANTINE_FORGOTTEN, "QuarantineIsForGood", 5),
        ),
    )  # fmt: skip


def nightly() -> Spec:
    """A longer lineage, and detection two versions late."""
    return spec(Bounds(versions=6, lag=2))._replace(mutants=())
