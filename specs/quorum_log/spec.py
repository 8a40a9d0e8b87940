"""A log of updates and rollbacks that only a quorum can extend."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Voters (the last `byzantine` of them Byzantine) and heights of the log."""

    voters: int = 4
    byzantine: int = 1
    heights: int = 2


class State(NamedTuple):
    """Per honest voter and height: its vote and its log entry, each 0 (none) or a value plus one."""

    vote: Any
    log: Any


A, B, ROLLBACK = range(3)
MAJORITY_QUORUM, REVOTE, ADMIN_OVERRIDE, ROLLBACK_TRUNCATES, VOTES_OF_ANY_HEIGHT = 1, 2, 3, 4, 5


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`. Byzantine voters are not in the state: each supports every value always."""
    n, f, heights = bounds.voters, bounds.byzantine, bounds.heights
    honest, quorum = n - f, 2 * f + 1

    def ready(s: State, who: Any, h: Any) -> Any:
        return (h == 0) | (s.log[who, jnp.maximum(h - 1, 0)] > 0)

    def support(s: State, h: Any, v: Any) -> Any:
        return (s.vote[:, h] == v + 1).sum() + f

    def vote(s: State, n: Any, h: Any, v: Any, bug: Any) -> tuple[Any, State]:
        may = jnp.where(bug == REVOTE, (s.log[n, h] == 0) & (s.vote[n, h] != v + 1), s.vote[n, h] == 0)
        return may & ready(s, n, h), s._replace(vote=s.vote.at[n, h].set(v + 1))

    def commit(s: State, r: Any, h: Any, v: Any, bug: Any) -> tuple[Any, State]:
        backing = jnp.where(bug == VOTES_OF_ANY_HEIGHT, (s.vote == v + 1).any(1).sum() + f, support(s, h, v))
        enough = backing >= jnp.where(bug == MAJORITY_QUORUM, bounds.voters // 2, quorum)
        enough = enough | ((bug == ADMIN_OVERRIDE) & (v == ROLLBACK))
        log = s.log.at[r, h].set(v + 1)
        truncates = (bug == ROLLBACK_TRUNCATES) & (v == ROLLBACK) & (h == 1)
        log = log.at[r, 0].set(jnp.where(truncates, 0, log[r, 0]))
        return (s.log[r, h] == 0) & ready(s, r, h) & enough, s._replace(log=log)

    def no_fork(s: State) -> Any:
        a, b = s.log[:, None, :], s.log[None, :, :]
        return ((a == 0) | (b == 0) | (a == b)).all()

    def backed(s: State, value: int) -> Any:
        votes = (s.vote == value + 1).sum(0)
        return ((s.log != value + 1) | (votes >= f + 1)[None, :]).all()

    zero = np.zeros((honest, heights), np.int32)
    decided = lambda s: (s.log[:, 0] > 0).all()
    some = lambda s: (s.log[:, 0] > 0).any()
    fair = (Fair("Vote"), Fair("Commit"))
    grid = {"h": heights, "v": 3}
    return Spec(
        name="quorum_log",
        statement="No minority forks the log, rolls it back alone, or makes it forget.",
        state=State,
        variables={"vote": Var((honest, heights), 3), "log": Var((honest, heights), 3)},
        init=[State(zero, zero)],
        actions=(Action("Vote", vote, {"n": honest, **grid}), Action("Commit", commit, {"r": honest, **grid})),
        invariants={
            "NoFork": no_fork,
            "NoUnilateralRollback": lambda s: backed(s, ROLLBACK),
            "CertBacked": lambda s: backed(s, A) & backed(s, B),
        },
        steps={"NoLostUpdate": lambda s, t: ((s.log == 0) | (t.log == s.log)).all()},
        witnesses={
            "an update is committed everywhere": lambda s: (s.log[:, 0] == A + 1).all(),
            "a rollback is committed": lambda s: (s.log == ROLLBACK + 1).any(),
        },
        leads_to=(
            LeadsTo("DecisionSpreads", some, decided, fair),
            # A 1-1-1 split leaves no value with a quorum: without rounds the log is safe but not live.
            LeadsTo("HeightIsDecided", lambda s: jnp.asarray(True), some, fair, holds=False),
        ),
        mutants=(
            Mutant("majority_quorum", MAJORITY_QUORUM, "NoFork", 5, ("NoFork", "NoLostUpdate")),
            Mutant("revote", REVOTE, "NoFork", 7, ("NoFork", "NoLostUpdate")),
            Mutant("admin_override", ADMIN_OVERRIDE, "NoUnilateralRollback", 2),
            Mutant("rollback_truncates", ROLLBACK_TRUNCATES, "NoLostUpdate", 8),
            Mutant("votes_of_any_height", VOTES_OF_ANY_HEIGHT, "CertBacked", 5),
        ),
    )


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Honest voters are interchangeable."""
    return (Symmetry({"vote": 0, "log": 0}, 0, bounds.voters - bounds.byzantine),)
