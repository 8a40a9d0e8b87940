"""One entry of a log that a quorum decides in rounds, with locks: safe always, live once a round is synchronous."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Voters (the last `byzantine` of them Byzantine), rounds, values (the last one is the rollback).

    The leader of the last round is honest; those of all rounds before are Byzantine and tell everybody anything.
    """

    voters: int = 4
    byzantine: int = 1
    rounds: int = 2
    values: int = 3


class State(NamedTuple):
    """Per honest voter its round, and per round its vote and its precommit (0 none, value plus one); what the honest
    leader proposed; per voter its log entry. The lock of a voter is its latest precommit."""

    rd: Any
    vote: Any
    pre: Any
    prop: Any
    log: Any


NO_LOCK, LOCKS_ON_MINORITY, COMMITS_ON_MINORITY, LOG_NOT_KEPT = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`. Byzantine voters are not in the state: each supports every value at all times."""
    f, rounds, values = bounds.byzantine, bounds.rounds, bounds.values
    honest, quorum, last = bounds.voters - f, 2 * f + 1, rounds - 1
    numbers = np.arange(rounds, dtype=np.int32)

    def support(table: Any, r: Any, v: Any) -> Any:
        return (table[:, r] == v + 1).sum() + f

    def newest_certificate(s: State, v: Any) -> Any:
        """One plus the latest round with a quorum of votes for `v`, 0 if there is none."""
        held = (s.vote == v + 1).sum(0) + f >= quorum
        return jnp.where(held, numbers + 1, 0).max()

    def propose(s: State, v: Any, bug: Any) -> tuple[Any, State]:
        # Synchrony: the honest leader hears of every certificate before everybody is in its round.
        mine = newest_certificate(s, v)
        best = jnp.stack([newest_certificate(s, u) for u in range(values)]).max()
        return (s.prop == 0) & (s.rd == last).all() & ((mine == best) | (bug == NO_LOCK)), s._replace(
            prop=(v + 1).astype(jnp.int32)
        )

    def vote(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
        r = s.rd[n]
        locked = jnp.where(s.pre[n] > 0, numbers + 1, 0).max()
        lock = s.pre[n, jnp.maximum(locked - 1, 0)]
        free = (locked == 0) | (lock == v + 1) | (newest_certificate(s, v) > locked) | (bug == NO_LOCK)
        led = (r < last) | (s.prop == v + 1)
        return (s.vote[n, r] == 0) & free & led, s._replace(vote=s.vote.at[n, r].set(v + 1))

    def precommit(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
        r = s.rd[n]
        enough = support(s.vote, r, v) >= jnp.where(bug == LOCKS_ON_MINORITY, f + 1, quorum)
        return (s.pre[n, r] == 0) & enough, s._replace(pre=s.pre.at[n, r].set(v + 1))

    def commit(s: State, n: Any, r: Any, v: Any, bug: Any) -> tuple[Any, State]:
        enough = support(s.pre, r, v) >= jnp.where(bug == COMMITS_ON_MINORITY, f + 1, quorum)
        return (s.log[n] == 0) & enough, s._replace(log=s.log.at[n].set(v + 1))

    def next_round(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        forgets = bug == LOG_NOT_KEPT
        return s.rd[n] < last, s._replace(
            rd=s.rd.at[n].set(jnp.minimum(s.rd[n] + 1, last)),
            log=s.log.at[n].set(jnp.where(forgets, 0, s.log[n])),
        )

    def no_fork(s: State) -> Any:
        a, b = s.log[:, None], s.log[None, :]
        return ((a == 0) | (b == 0) | (a == b)).all()

    def backed(s: State) -> Any:
        """Every entry has more than F honest precommits in one round."""
        counts = jnp.stack([(s.pre == v + 1).sum(0).max() for v in range(values)])
        strong = counts >= f + 1
        return ((s.log == 0) | strong[jnp.maximum(s.log - 1, 0)]).all()

    zero = np.zeros(honest, np.int32)
    table = np.zeros((honest, rounds), np.int32)
    anything = lambda s: jnp.asarray(True)
    decided = lambda s: (s.log > 0).all()
    steps = (Fair("Propose"), Fair("Vote", True), Fair("Precommit", True), Fair("Commit", True))
    each = {"n": honest, "v": values}
    return Spec(
        name="quorum_rounds",
        statement="A quorum decides each entry, once, whatever its minority does, and in the end it does decide.",
        state=State,
        variables={
            "rd": Var((honest,), last), "vote": Var((honest, rounds), values), "pre": Var((honest, rounds), values),
            "prop": Var((), values), "log": Var((honest,), values),
        },
        init=[State(zero, table, table, 0, zero)],
        actions=(
            Action("Propose", propose, {"v": values}),
            Action("Vote", vote, each),
            Action("Precommit", precommit, each),
            Action("Commit", commit, {"n": honest, "r": rounds, "v": values}),
            Action("NextRound", next_round, {"n": honest}),
        ),
        invariants={"NoFork": no_fork, "NoUnilateralEntry": backed},
        steps={"NoLostUpdate": lambda s, t: ((s.log == 0) | (t.log == s.log)).all()},
        witnesses={
            "decided in the first round": lambda s: (s.log > 0).any() & (s.rd == 0).all(),
            "decided after a split": lambda s: decided(s) & (s.pre[:, 0] == 0).all(),
            "locked, and decided later": lambda s: decided(s) & (s.pre[:, 0] > 0).any() & (s.pre[:, last] > 0).all(),
            "a rollback is decided": lambda s: (s.log == values).any(),
        },
        leads_to=(
            LeadsTo("EntryIsDecided", anything, decided, (*steps, Fair("NextRound", True))),
            # A round that nobody leaves may be split: the documented negative of the log without rounds.
            LeadsTo("EntryIsDecidedInOneRound", anything, decided, steps, holds=False),
        ),
        mutants=(
            Mutant("no_lock", NO_LOCK, "NoFork", 15, ("NoFork",)),
            Mutant("locks_on_minority", LOCKS_ON_MINORITY, "NoFork", 13, ("NoFork",)),
            Mutant("commits_on_minority", COMMITS_ON_MINORITY, "NoUnilateralEntry", 5),
            Mutant("log_not_kept", LOG_NOT_KEPT, "NoLostUpdate", 7),
        ),
    )  # fmt: skip


def nightly() -> Spec:
    """Two Byzantine rounds before the honest one: locks of different rounds meet."""
    return spec(Bounds(rounds=3, values=2))._replace(mutants=())
