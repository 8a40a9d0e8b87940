"""Rounds of clipped, trimmed aggregation that remember: a running centre, late messages, weights by staleness."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (the last `byzantine` of them Byzantine), largest value that an honest and that any node sends, clipping
    radius about the running centre."""

    nodes: int = 4
    byzantine: int = 1
    honest: int = 1
    values: int = 3
    radius: int = 1


class State(NamedTuple):
    """Phase (0 collecting, 1 aggregated), centre; per node how it is counted (0 absent, 1 fresh, 2 stale), what it
    adds (in halves, about the centre), and a late message (0 none, else value plus `values` plus one); sum, weight,
    lower and upper survivor of the trim."""

    ph: Any
    mem: Any
    kind: Any
    con: Any
    late: Any
    num: Any
    den: Any
    lo: Any
    hi: Any


ABSENT, FRESH, STALE = range(3)
COUNTED_TWICE, WEIGHT_BEFORE_CLIP, CLIPPED_AT_ARRIVAL, TRIMS_TOP_ONLY = 1, 2, 3, 4
ABSENT_IN_DENOMINATOR, LATE_COUNTS_NOW, CENTRE_UNTRIMMED, MOMENTUM_TWICE = 5, 6, 7, 8


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, f, most, top, radius = bounds.nodes, bounds.byzantine, bounds.honest, bounds.values, bounds.radius
    honest, edge, wide = n - f, 99, top + most + radius

    def weight(kind: Any) -> Any:
        """Twice the weight: a stale message has half that of a fresh one."""
        return jnp.where(kind == FRESH, 2, jnp.where(kind == STALE, 1, 0))

    def clip(x: Any, r: Any) -> Any:
        return jnp.clip(x, -r, r)

    def allowed(i: Any, v: Any) -> Any:
        return (i >= honest) | ((v - top >= -most) & (v - top <= most))

    def submit(s: State, i: Any, v: Any, bug: Any) -> tuple[Any, State]:
        again = (bug == COUNTED_TWICE) & (s.kind[i] == STALE)
        before = jnp.where(again, s.con[i], 0)
        return (s.ph == 0) & allowed(i, v) & ((s.kind[i] == ABSENT) | again), s._replace(
            kind=s.kind.at[i].set(FRESH), con=s.con.at[i].set(before + 2 * clip(v - top - s.mem, radius))
        )

    def late(s: State, i: Any, v: Any, bug: Any) -> tuple[Any, State]:
        now = bug == LATE_COUNTS_NOW
        value = jnp.where(bug == CLIPPED_AT_ARRIVAL, s.mem + clip(v - top - s.mem, radius) + top, v)
        return (s.ph == 1) & allowed(i, v) & (s.kind[i] == ABSENT) & (s.late[i] == 0), s._replace(
            late=s.late.at[i].set(jnp.where(now, 0, value + 1)),
            kind=s.kind.at[i].set(jnp.where(now, FRESH, ABSENT)),
            con=s.con.at[i].set(jnp.where(now, 2 * clip(v - top - s.mem, radius), 0)),
        )

    def offsets(s: State) -> Any:
        return jnp.where(s.kind == FRESH, s.con // 2, s.con)

    def aggregate(s: State, bug: Any) -> tuple[Any, State]:
        present = s.kind != ABSENT
        g = present.sum()
        ordered = s.mem + jnp.sort(jnp.where(present, offsets(s), edge))
        k = jnp.where(bug == CENTRE_UNTRIMMED, 0, f)
        low = jnp.where(bug == TRIMS_TOP_ONLY, ordered[0], ordered[k])
        return (s.ph == 0) & (g >= 2 * f + 1), s._replace(
            ph=jnp.int32(1),
            num=s.con.sum(),
            den=jnp.where(bug == ABSENT_IN_DENOMINATOR, 2 * n, weight(s.kind).sum()),
            lo=low,
            hi=ordered[jnp.clip(g - 1 - k, 0, n - 1)],
        )

    def next_round(s: State, bug: Any) -> tuple[Any, State]:
        middle = (s.lo + s.hi) // 2
        mem = jnp.where(bug == MOMENTUM_TWICE, 2 * middle - s.mem, middle)
        x = s.late - 1 - top - mem
        stale = jnp.where(bug == WEIGHT_BEFORE_CLIP, clip(x, 2 * radius), clip(x, radius))
        stale = jnp.where(bug == CLIPPED_AT_ARRIVAL, x, stale)
        waits = s.late > 0
        zero = jnp.zeros_like(s.kind)
        nothing = jnp.int32(0)
        return s.ph == 1, State(
            ph=nothing, mem=mem, kind=jnp.where(waits, STALE, ABSENT), con=jnp.where(waits, stale, 0), late=zero,
            num=nothing, den=nothing, lo=nothing, hi=nothing,
        )  # fmt: skip

    def trimmed_validity(s: State) -> Any:
        here, x = s.kind[:honest] != ABSENT, offsets(s)[:honest] + s.mem
        within = (s.lo >= jnp.where(here, x, edge).min()) & (s.hi <= jnp.where(here, x, -edge).max())
        return (s.ph == 0) | within

    def mean_in_range(s: State) -> Any:
        here, x = s.kind != ABSENT, offsets(s)
        least, largest = jnp.where(here, x, edge).min(), jnp.where(here, x, -edge).max()
        return (s.ph == 0) | ((s.num >= s.den * least) & (s.num <= s.den * largest))

    zero = np.zeros(n, np.int32)
    each = {"i": n, "v": 2 * top + 1}
    return Spec(
        name="robust_rounds",
        statement="One identity moves a round by at most its weight, and the centre never leaves the honest range.",
        state=State,
        variables={
            "ph": Var((), 1), "mem": Var((), wide, -wide), "kind": Var((n,), 2), "con": Var((n,), wide, -wide),
            "late": Var((n,), 2 * top + 1), "num": Var((), n * wide, -n * wide), "den": Var((), 2 * n),
            "lo": Var((), wide, -wide), "hi": Var((), wide, -wide),
        },
        init=[State(0, 0, zero, zero, zero, 0, 0, 0, 0)],
        actions=(
            Action("Submit", submit, each),
            Action("Aggregate", aggregate),
            Action("Late", late, each),
            Action("NextRound", next_round),
        ),
        invariants={
            "BoundedInfluence": lambda s: (jnp.abs(s.con) <= weight(s.kind) * radius).all(),
            "TrimmedValidity": trimmed_validity,
            "MeanInRange": mean_in_range,
            "WhatIsSummedIsWhatCounts": lambda s: (s.ph == 0) | (s.num == s.con.sum()),
            "CentreInHonestRange": lambda s: (s.mem >= -most) & (s.mem <= most),
        },
        steps={"CentreMovesByRadius": lambda s, t: jnp.abs(t.mem - s.mem) <= radius},
        witnesses={
            "a Byzantine value is trimmed below": lambda s: (s.ph == 1) & (s.lo > s.mem + offsets(s)[n - 1]),
            "an honest value is clipped": lambda s: (
                (s.ph == 0) & (s.mem == most) & (s.con[: n - f] == -2 * radius).any()
            ),
            "a stale message is counted": lambda s: (s.ph == 1) & (s.kind == STALE).any(),
            "the centre is at the edge": lambda s: s.mem == -most,
        },
        leads_to=(
            LeadsTo("LateIsCounted", lambda s: s.late[0] > 0, lambda s: s.kind[0] == STALE, (Fair("NextRound"),)),
            LeadsTo("RoundsGoOn", lambda s: s.ph == 0, lambda s: s.ph == 1, (Fair("Submit"), Fair("Aggregate"))),
            # Nobody is made to send: the quorum never comes together.
            LeadsTo("RoundsGoOnUnasked", lambda s: s.ph == 0, lambda s: s.ph == 1, (Fair("Aggregate"),), holds=False),
        ),
        mutants=(
            Mutant("counted_twice", COUNTED_TWICE, "BoundedInfluence", 8),
            Mutant("weight_before_clip", WEIGHT_BEFORE_CLIP, "BoundedInfluence", 7),
            Mutant("clipped_at_arrival", CLIPPED_AT_ARRIVAL, "BoundedInfluence", 7),
            Mutant("trims_top_only", TRIMS_TOP_ONLY, "TrimmedValidity", 5),
            Mutant("absent_in_denominator", ABSENT_IN_DENOMINATOR, "MeanInRange", 5),
            Mutant("late_counts_now", LATE_COUNTS_NOW, "WhatIsSummedIsWhatCounts", 6),
            Mutant("centre_untrimmed", CENTRE_UNTRIMMED, "CentreInHonestRange", 11, ("CentreInHonestRange",)),
            Mutant("momentum_twice", MOMENTUM_TWICE, "CentreMovesByRadius", 6),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Honest nodes are interchangeable."""
    return (Symmetry({"kind": 0, "con": 0, "late": 0}, 0, bounds.nodes - bounds.byzantine),)


def nightly() -> Spec:
    """A wider honest range: the centre takes more rounds to cross it."""
    return spec(Bounds(honest=2, values=4))._replace(mutants=())
