"""Two-phase commit: a transaction manager and messages that are never lost and never removed."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Resource managers."""

    managers: int = 3


class State(NamedTuple):
    """Per manager its state, whether the transaction manager knows it prepared, whether it said so; the transaction
    manager's decision; whether "commit" and "abort" were sent."""

    rm: Any
    tm: Any
    prep: Any
    mp: Any
    mc: Any
    ma: Any


WORKING, PREPARED, COMMITTED, ABORTED = range(4)
INIT, DONE_COMMIT, DONE_ABORT = range(3)
COMMITS_EARLY, ABORTS_AFTER_COMMIT = 1, 2


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n = bounds.managers
    one = jnp.int32

    def tm_commit(s: State, bug: Any) -> tuple[Any, State]:
        known = (s.prep == 1).all() | ((bug == COMMITS_EARLY) & (s.prep == 1).any())
        return (s.tm == INIT) & known, s._replace(tm=one(DONE_COMMIT), mc=one(1))

    def tm_abort(s: State, bug: Any) -> tuple[Any, State]:
        free = (s.tm == INIT) | (bug == ABORTS_AFTER_COMMIT)
        return free, s._replace(tm=one(DONE_ABORT), ma=one(1))

    def tm_rcv_prepared(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return (s.tm == INIT) & (s.mp[r] == 1), s._replace(prep=s.prep.at[r].set(1))

    def rm_prepare(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.rm[r] == WORKING, s._replace(rm=s.rm.at[r].set(PREPARED), mp=s.mp.at[r].set(1))

    def rm_choose_to_abort(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.rm[r] == WORKING, s._replace(rm=s.rm.at[r].set(ABORTED))

    def rm_rcv_commit(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.mc == 1, s._replace(rm=s.rm.at[r].set(COMMITTED))

    def rm_rcv_abort(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.ma == 1, s._replace(rm=s.rm.at[r].set(ABORTED))

    zero = np.zeros(n, np.int32)
    each = {"r": n}
    return Spec(
        name="two_phase",
        statement="No manager commits while another aborts, decided by one manager and messages.",
        state=State,
        variables={
            "rm": Var((n,), 3), "tm": Var((), 2), "prep": Var((n,), 1), "mp": Var((n,), 1),
            "mc": Var((), 1), "ma": Var((), 1),
        },
        init=[State(zero, 0, zero, zero, 0, 0)],
        actions=(
            Action("TMCommit", tm_commit),
            Action("TMAbort", tm_abort),
            Action("TMRcvPrepared", tm_rcv_prepared, each),
            Action("RMPrepare", rm_prepare, each),
            Action("RMChooseToAbort", rm_choose_to_abort, each),
            Action("RMRcvCommit", rm_rcv_commit, each),
            Action("RMRcvAbort", rm_rcv_abort, each),
        ),
        invariants={"Consistent": lambda s: ~((s.rm == COMMITTED).any() & (s.rm == ABORTED).any())},
        witnesses={
            "all commit": lambda s: (s.rm == COMMITTED).all(),
            "all abort": lambda s: (s.rm == ABORTED).all(),
        },
        mutants=(
            Mutant("commits_early", COMMITS_EARLY, "Consistent", 6),
            Mutant("aborts_after_commit", ABORTS_AFTER_COMMIT, "Consistent", 2 * n + 5),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Managers are interchangeable."""
    return (Symmetry({"rm": 0, "prep": 0, "mp": 0}, 0, bounds.managers),)
