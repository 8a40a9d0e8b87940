"""A run that is killed and continued from its last two checkpoints, the newest of which may be damaged."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Rounds of the run, and how often it is killed and a file damaged."""

    rounds: int = 4
    accidents: int = 2


class State(NamedTuple):
    """Rounds in the two checkpoints kept (0 none, `new >= old`), whether the newer is damaged; the result read:
    0 none, 1 that of an uninterrupted run, 2 another; times killed, files damaged."""

    new: Any
    old: Any
    bad: Any
    out: Any
    killed: Any
    damaged: Any


KEEPS_ONE, TRUSTS_DAMAGED, RESUMES_AFTER_NEXT, KEEPS_ONE_TWICE = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`: a checkpoint after every round, rounds counted from 1."""
    last, most = bounds.rounds, bounds.accidents

    def files(s: State, upto: Any) -> tuple[Any, Any, Any]:
        """The round resumed from, and the checkpoints kept once every round up to `upto` is saved."""
        base = jnp.where(s.bad == 1, s.old, s.new)
        before = jnp.where(s.bad == 1, 0, s.old)
        new = jnp.maximum(base, upto)
        old = jnp.where(new > base, jnp.maximum(base, new - 1), before)
        return base, new, old

    def kill(s: State, k: Any, bug: Any) -> tuple[Any, State]:
        """Round `k + 1` is played, and the process dies before it is saved."""
        base, new, old = files(s, k)
        old = jnp.where(bug == KEEPS_ONE, 0, jnp.where(bug == KEEPS_ONE_TWICE, new, old))
        return (s.out == 0) & (k >= base) & (s.killed < most), s._replace(
            new=new, old=old, bad=jnp.int32(0), killed=s.killed + 1
        )

    def complete(s: State, bug: Any) -> tuple[Any, State]:
        _, new, old = files(s, jnp.int32(last))
        # Wrong if a damaged file was continued from, or a round was skipped on the way.
        skips = (bug == RESUMES_AFTER_NEXT) & (s.new > 0) & (s.new < last)
        wrong = ((bug == TRUSTS_DAMAGED) & (s.bad == 1)) | skips
        return s.out == 0, s._replace(new=new, old=old, bad=jnp.int32(0), out=jnp.where(wrong, 2, 1).astype(jnp.int32))

    def damage(s: State, bug: Any) -> tuple[Any, State]:
        return (s.new > 0) & (s.bad == 0) & (s.damaged < most), s._replace(
            bad=jnp.int32(1), damaged=s.damaged + 1, out=jnp.int32(0)
        )

    def base_of(s: State) -> Any:
        return jnp.where(s.bad == 1, s.old, s.new)

    def one_round_lost(s: State, t: State) -> Any:
        """One damaged file costs the round that it held, as long as two were kept."""
        broke = (t.bad == 1) & (s.bad == 0)
        return ~broke | (base_of(t) >= base_of(s) - 1) | (s.damaged > 0)

    return Spec(
        name="checkpoint",
        statement="However often a run is killed and its newest file damaged, it ends as if nothing had happened.",
        state=State,
        variables={
            "new": Var((), last), "old": Var((), last), "bad": Var((), 1), "out": Var((), 2),
            "killed": Var((), most), "damaged": Var((), most),
        },
        init=[State(0, 0, 0, 0, 0, 0)],
        actions=(
            Action("Kill", kill, {"k": last}),
            Action("Complete", complete),
            Action("Damage", damage),
        ),
        invariants={
            "SameResult": lambda s: s.out != 2,
            "Ordered": lambda s: (s.old < s.new) | (s.new == 0),
        },
        steps={"OneRoundLost": one_round_lost},
        witnesses={
            "completed after every accident": lambda s: (s.out == 1) & (s.killed == most) & (s.damaged == most),
            "continued from the older file": lambda s: (s.bad == 1) & (s.old > 0),
        },
        leads_to=(
            LeadsTo("RunCompletes", lambda s: jnp.asarray(True), lambda s: s.out == 1, (Fair("Complete"),)),
        ),
        mutants=(
            Mutant("keeps_one", KEEPS_ONE, "OneRoundLost", 3),
            Mutant("trusts_damaged", TRUSTS_DAMAGED, "SameResult", 4),
            Mutant("resumes_after_next", RESUMES_AFTER_NEXT, "SameResult", 3),
            Mutant("keeps_one_twice", KEEPS_ONE_TWICE, "Ordered", 2),
        ),
    )  # fmt: skip
