"""One round of clipped, trimmed aggregation with at most F Byzantine identities."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (the last `byzantine` of them Byzantine), largest value anyone sends, clipping radius."""

    nodes: int = 4
    byzantine: int = 1
    values: int = 3
    cap: int = 1


class State(NamedTuple):
    """Phase (0 collecting, 1 aggregated, 2 trimmed); per node the clipped value plus one and how often it counts;
    the sum, the upper survivor of the trim, the number of submissions."""

    ph: Any
    val: Any
    cnt: Any
    lo: Any
    hi: Any
    n: Any


REPLAY, NO_CLIP, NO_QUORUM, UNDERTRIM = 1, 2, 3, 4
ABSENT = 99


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, f, top, cap = bounds.nodes, bounds.byzantine, bounds.values, bounds.cap
    honest = n - f

    def submit(s: State, i: Any, v: Any, bug: Any) -> tuple[Any, State]:
        allowed = (i >= honest) | (v <= cap)
        fresh = s.cnt[i] < jnp.where(bug == REPLAY, 2, 1)
        clipped = jnp.where(bug == NO_CLIP, v, jnp.minimum(v, cap))
        return (s.ph == 0) & allowed & fresh, s._replace(
            val=s.val.at[i].set(clipped + 1), cnt=s.cnt.at[i].add(1), n=s.n + 1
        )

    def aggregate(s: State, bug: Any) -> tuple[Any, State]:
        present = s.cnt > 0
        enough = present.sum() >= jnp.where(bug == NO_QUORUM, 1, 2 * f + 1)
        return (s.ph == 0) & enough, s._replace(ph=jnp.int32(1), lo=jnp.where(present, (s.val - 1) * s.cnt, 0).sum())

    def trim(s: State, bug: Any) -> tuple[Any, State]:
        present = s.cnt > 0
        ordered = jnp.sort(jnp.where(present, s.val - 1, ABSENT))
        g, k = present.sum(), jnp.where(bug == UNDERTRIM, 0, f)
        largest = jnp.where(present, s.val - 1, 0).max()
        survivor = jnp.where(g > 2 * k, ordered[jnp.clip(g - 1 - k, 0, n - 1)], largest)
        return s.ph == 1, s._replace(ph=jnp.int32(2), hi=survivor)

    def next_round(s: State, bug: Any) -> tuple[Any, State]:
        return s.ph == 2, State(*(jnp.zeros_like(x) for x in s))

    def trimmed_validity(s: State) -> Any:
        present = s.cnt[:honest] > 0
        largest = jnp.where(present, s.val[:honest] - 1, 0).max()
        return (s.ph != 2) | (s.hi <= largest)

    zero = np.zeros(n, np.int32)
    return Spec(
        name="robust_round",
        statement="One identity moves the sum by at most the radius, and the trimmed maximum is an honest one.",
        state=State,
        variables={
            "ph": Var((), 2), "val": Var((n,), top + 1), "cnt": Var((n,), 2), "lo": Var((), 2 * top * n),
            "hi": Var((), 99), "n": Var((), 2 * n),
        },
        init=[State(0, zero, zero, 0, 0, 0)],
        actions=(
            Action("Submit", submit, {"i": n, "v": top + 1}),
            Action("Aggregate", aggregate),
            Action("Trim", trim),
            Action("NextRound", next_round),
        ),
        invariants={
            "BoundedInfluence": lambda s: ((s.cnt == 0) | ((s.val - 1) * s.cnt <= cap)).all(),
            "TrimmedValidity": trimmed_validity,
        },
        witnesses={
            "everybody is counted": lambda s: (s.ph == 1) & (s.cnt > 0).all(),
            "a Byzantine value is trimmed away": lambda s: (s.ph == 2) & (s.hi < s.val[n - 1] - 1),
        },
        leads_to=(
            LeadsTo("AggregatedIsTrimmed", lambda s: s.ph == 1, lambda s: s.ph == 2, (Fair("Trim"),)),
        ),
        mutants=(
            Mutant("replay", REPLAY, "BoundedInfluence", 3),
            Mutant("no_clip", NO_CLIP, "BoundedInfluence", 2),
            Mutant("no_quorum", NO_QUORUM, "TrimmedValidity", 4),
            Mutant("undertrim", UNDERTRIM, "TrimmedValidity", 6),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Honest nodes are interchangeable."""
    return (Symmetry({"val": 0, "cnt": 0}, 0, bounds.nodes - bounds.byzantine),)
