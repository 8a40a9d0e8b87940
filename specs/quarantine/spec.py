"""Checkpoints, rollback and quarantine: a lineage that a bad node wrote into is made clean again."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (the last one bad) and versions after the genesis."""

    nodes: int = 3
    versions: int = 3


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


CKPT_UNVALIDATED, INFLIGHT_AFTER_QUARANTINE, GC_OF_THE_LAST = 1, 2, 3


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, top = bounds.nodes, bounds.versions
    bad = n - 1
    versions = np.arange(top + 1, dtype=np.int32)

    def tainted(s: State, v: Any) -> Any:
        return ((s.by == bad + 1) & (versions >= 1) & (versions <= v)).any()

    def submit(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        return (s.pend[n] == 0) & (s.q[n] == 0), s._replace(pend=s.pend.at[n].set(1))

    def apply(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        h = jnp.minimum(s.head + 1, top)
        free = (s.q[n] == 0) | (bug == INFLIGHT_AFTER_QUARANTINE)
        return (s.pend[n] == 1) & (s.head < top) & free, s._replace(
            head=h,
            by=s.by.at[h].set(n + 1),
            ver=s.ver.at[h].set(0),
            ck=s.ck.at[h].set(0),
            pend=s.pend.at[n].set(0),
        )

    def validate(s: State, bug: Any) -> tuple[Any, State]:
        return ~tainted(s, s.head) & (s.ver[s.head] == 0), s._replace(ver=s.ver.at[s.head].set(1))

    def checkpoint(s: State, bug: Any) -> tuple[Any, State]:
        checked = (s.ver[s.head] == 1) | (bug == CKPT_UNVALIDATED)
        return (s.ck[s.head] == 0) & checked, s._replace(ck=s.ck.at[s.head].set(1))

    def collect(s: State, v: Any, bug: Any) -> tuple[Any, State]:
        later = ((s.ck == 1) & (versions > v) & (versions <= s.head)).any()
        return (s.ck[v] == 1) & (later | (bug == GC_OF_THE_LAST)), s._replace(ck=s.ck.at[v].set(0))

    def detect(s: State, bug: Any) -> tuple[Any, State]:
        keeps = bug == INFLIGHT_AFTER_QUARANTINE
        return (s.q[bad] == 0) & (s.by == bad + 1).any(), s._replace(
            q=s.q.at[bad].set(1), inc=jnp.int32(1), pend=s.pend.at[bad].set(jnp.where(keeps, s.pend[bad], 0))
        )

    def rollback(s: State, v: Any, bug: Any) -> tuple[Any, State]:
        naive = bug == CKPT_UNVALIDATED
        newest = ~((s.ck == 1) & (versions > v) & (versions <= s.head)).any()
        above = versions > v
        return (s.inc == 1) & (s.ck[v] == 1) & (v <= s.head) & jnp.where(naive, newest, s.ver[v] == 1), s._replace(
            head=v.astype(jnp.int32),
            inc=jnp.int32(0),
            by=jnp.where(above, 0, s.by),
            ver=jnp.where(above, 0, s.ver),
            ck=jnp.where(above, 0, s.ck),
        )

    def recovery_possible(s: State) -> Any:
        clean = jnp.stack([~tainted(s, v) for v in range(top + 1)])
        return ((s.ck == 1) & (versions <= s.head) & clean).any()

    zero = np.zeros(n, np.int32)
    genesis = np.eye(1, top + 1, dtype=np.int32)[0]
    open_ = lambda s: s.inc == 1
    dirty = lambda s: tainted(s, s.head)
    return Spec(
        name="quarantine",
        statement="After a rollback nothing that the quarantined node wrote is left, and one is always possible.",
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
            "CleanAfterRollback": lambda s: (s.inc == 1) | (s.q[bad] == 0) | ~tainted(s, s.head),
            "RecoveryPossible": recovery_possible,
        },
        witnesses={
            "the bad node is quarantined and the lineage is clean": lambda s: (s.q[bad] == 1) & (s.inc == 0),
            "the lineage is full": lambda s: s.head == top,
        },
        leads_to=(
            LeadsTo("IncidentIsRolledBack", open_, lambda s: s.inc == 0, (Fair("Rollback"),)),
            LeadsTo("LineageBecomesClean", dirty, lambda s: ~dirty(s), (Fair("DetectQuarantine"), Fair("Rollback"))),
        ),
        mutants=(
            Mutant("ckpt_unvalidated", CKPT_UNVALIDATED, "CleanAfterRollback", 6, ("CleanAfterRollback",)),
            Mutant("inflight_after_quarantine", INFLIGHT_AFTER_QUARANTINE, "CleanAfterRollback", 7),
            Mutant("gc_of_the_last", GC_OF_THE_LAST, "RecoveryPossible", 2),
        ),
    )  # fmt: skip
