"""Transaction commit: what any commit protocol between resource managers has to achieve."""

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
    """Per manager: working, prepared, committed or aborted."""

    rm: Any


WORKING, PREPARED, COMMITTED, ABORTED = range(4)
COMMITS_ALONE = 1


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n = bounds.managers

    def prepare(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        return s.rm[r] == WORKING, State(s.rm.at[r].set(PREPARED))

    def decide_commit(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        agreed = ((s.rm == PREPARED) | (s.rm == COMMITTED)).all() | (bug == COMMITS_ALONE)
        return (s.rm[r] == PREPARED) & agreed, State(s.rm.at[r].set(COMMITTED))

    def decide_abort(s: State, r: Any, bug: Any) -> tuple[Any, State]:
        undecided = (s.rm[r] == WORKING) | (s.rm[r] == PREPARED)
        return undecided & (s.rm != COMMITTED).all(), State(s.rm.at[r].set(ABORTED))

    each = {"r": n}
    return Spec(
        name="tcommit",
        statement="No manager commits while another aborts.",
        state=State,
        variables={"rm": Var((n,), 3)},
        init=[State(np.zeros(n, np.int32))],
        actions=(
            Action("Prepare", prepare, each),
            Action("DecideCommit", decide_commit, each),
            Action("DecideAbort", decide_abort, each),
        ),
        invariants={"Consistent": lambda s: ~((s.rm == COMMITTED).any() & (s.rm == ABORTED).any())},
        steps={"DecisionsStand": lambda s, t: jnp.where(s.rm >= COMMITTED, t.rm == s.rm, True).all()},
        witnesses={
            "all commit": lambda s: (s.rm == COMMITTED).all(),
            "all abort": lambda s: (s.rm == ABORTED).all(),
        },
        mutants=(Mutant("commits_alone", COMMITS_ALONE, "Consistent", 4),),
    )


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Managers are interchangeable."""
    return (Symmetry({"rm": 0}, 0, bounds.managers),)
