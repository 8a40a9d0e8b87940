"""Slashing with an unbonding delay: whoever leaves stays liable for as long as an offence can be reported."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (all but the last one may offend), offences per bond, ticks in which an offence can be reported, and
    ticks between leaving and being paid."""

    nodes: int = 3
    offences: int = 2
    window: int = 2
    delay: int = 2


class State(NamedTuple):
    """Per node: bond, mode (0 member, 1 unbonding, 2 gone), ticks until it is paid; per node and offence: 0 none,
    1 .. window ticks left to report it, then reported, then slashed; whether the honest node stands accused."""

    bond: Any
    mode: Any
    left: Any
    off: Any
    acc: Any


MEMBER, UNBONDING, GONE = range(3)
SHORT_UNBONDING, PAID_WITH_PENDING, ONE_PENALTY_SETTLES_ALL = 1, 2, 3
UNVERIFIED_EVIDENCE, LEAVING_CLEARS, LATE_REPORTERS = 4, 5, 6


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, kinds, window, delay = bounds.nodes, bounds.offences, bounds.window, bounds.delay
    reported, slashed = window + 1, window + 2
    honest = n - 1

    def offend(s: State, i: Any, k: Any, bug: Any) -> tuple[Any, State]:
        return (s.mode[i] == MEMBER) & (s.off[i, k] == 0), s._replace(off=s.off.at[i, k].set(window))

    def report(s: State, i: Any, k: Any, bug: Any) -> tuple[Any, State]:
        fresh = (s.off[i, k] >= 1) & (s.off[i, k] <= window)
        return fresh & (s.mode[i] != GONE), s._replace(off=s.off.at[i, k].set(reported))

    def accuse(s: State, bug: Any) -> tuple[Any, State]:
        return (s.acc == 0) & (s.mode[honest] != GONE), s._replace(acc=jnp.int32(1))

    def dismiss(s: State, bug: Any) -> tuple[Any, State]:
        return s.acc == 1, s._replace(acc=jnp.int32(0))

    def slash(s: State, i: Any, k: Any, bug: Any) -> tuple[Any, State]:
        guilty = s.off[i, k] == reported
        rumour = (bug == UNVERIFIED_EVIDENCE) & (i == honest) & (s.acc == 1)
        settles = (jnp.arange(kinds) == k) | (bug == ONE_PENALTY_SETTLES_ALL)
        return (guilty | rumour) & (s.bond[i] > 0), s._replace(
            bond=s.bond.at[i].add(-1),
            acc=jnp.where(rumour, 0, s.acc),
            off=s.off.at[i].set(jnp.where(settles & (s.off[i] == reported), slashed, s.off[i])),
        )

    def leave(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        forgets = (bug == LEAVING_CLEARS) & (s.off[i] <= window)
        return s.mode[i] == MEMBER, s._replace(
            mode=s.mode.at[i].set(UNBONDING),
            left=s.left.at[i].set(jnp.where(bug == SHORT_UNBONDING, delay - 1, delay)),
            off=s.off.at[i].set(jnp.where(forgets, 0, s.off[i])),
        )

    def pay(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        clear = (s.off[i] != reported).all() | (bug == PAID_WITH_PENDING)
        return (s.mode[i] == UNBONDING) & (s.left[i] == 0) & clear, s._replace(
            mode=s.mode.at[i].set(GONE), bond=s.bond.at[i].set(0), acc=jnp.where(i == honest, 0, s.acc)
        )

    def rejoin(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        settled = ((s.off[i] == 0) | (s.off[i] == slashed)).all()
        return (s.mode[i] == GONE) & settled, s._replace(
            mode=s.mode.at[i].set(MEMBER), bond=s.bond.at[i].set(kinds), off=s.off.at[i].set(0)
        )

    def tick(s: State, bug: Any) -> tuple[Any, State]:
        open_ = (s.off >= 1) & (s.off <= window)
        # Synchrony: while an offender can be reached, somebody reports it before the window closes.
        due = (open_ & (s.off == 1) & (s.mode != GONE)[:, None]).any() & (bug != LATE_REPORTERS)
        return ~due, s._replace(left=jnp.maximum(s.left - 1, 0), off=jnp.where(open_, s.off - 1, s.off))

    zero = np.zeros(n, np.int32)
    each, offence = {"i": n}, {"i": n - 1, "k": kinds}
    standing = lambda s: (s.off >= 1) & (s.off <= reported)
    committed = lambda s: (s.off[0, 0] >= 1) & (s.off[0, 0] <= window)
    punished = lambda s: s.off[0, 0] == slashed
    leaving = lambda s: s.mode[n - 1] == UNBONDING
    time = (Fair("Tick"), Fair("Pay", True))
    justice = (Fair("Report", True), Fair("Slash", True))
    return Spec(
        name="slashing_unbonding",
        statement="Every offence is slashed, once, though the offender leaves at once; nobody else is.",
        state=State,
        variables={
            "bond": Var((n,), kinds), "mode": Var((n,), 2), "left": Var((n,), delay),
            "off": Var((n, kinds), slashed), "acc": Var((), 1),
        },
        init=[State(np.full(n, kinds, np.int32), zero, zero, np.zeros((n, kinds), np.int32), 0)],
        actions=(
            Action("Offend", offend, offence),
            Action("Report", report, offence),
            Action("Accuse", accuse),
            Action("Dismiss", dismiss),
            Action("Slash", slash, {"i": n, "k": kinds}),
            Action("Exit", leave, each),
            Action("Pay", pay, each),
            Action("Rejoin", rejoin, each),
            Action("Tick", tick),
        ),
        invariants={
            "NoEscape": lambda s: (~standing(s) | (s.bond > 0)[:, None]).all(),
            "OnePenaltyPerOffence": lambda s: (
                (s.mode == GONE) | (s.bond == kinds - (s.off == slashed).sum(1))
            )[:honest].all(),
            "HonestNeverSlashed": lambda s: (s.mode[honest] == GONE) | (s.bond[honest] == kinds),
        },
        steps={"NothingIsForgotten": lambda s, t: (~standing(s) | (t.off >= 1)).all()},
        witnesses={
            "slashed while unbonding": lambda s: ((s.off == slashed).any(1) & (s.mode == UNBONDING)).any(),
            "two offenders are slashed twice": lambda s: (s.off[:honest] == slashed).all(),
            "an accused node is due": lambda s: (s.acc == 1) & (s.mode == UNBONDING)[honest] & (s.left[honest] == 0),
            "the last moment to report": lambda s: (
                (s.off == 1).any(1) & (s.mode == UNBONDING) & (s.left == delay - window + 1)
            ).any(),
        },
        leads_to=(
            LeadsTo("OffenceIsSlashed", committed, punished, justice),
            LeadsTo("LeaverIsPaid", leaving, lambda s: ~leaving(s), (*time, *justice)),
            # Nobody is made to report: the offender waits, unpaid, for ever.
            LeadsTo("OffenceIsSlashedUnreported", committed, punished, (Fair("Slash", True), *time), holds=False),
            # A judge who is fair to all cases together may hear others for ever.
            LeadsTo("OffenceIsSlashedInAnyOrder", committed, punished,
                    (Fair("Report", True), Fair("Slash")), holds=False),
        ),
        mutants=(
            Mutant("short_unbonding", SHORT_UNBONDING, "NoEscape", 5),
            Mutant("paid_with_pending", PAID_WITH_PENDING, "NoEscape", 7),
            Mutant("one_penalty_settles_all", ONE_PENALTY_SETTLES_ALL, "OnePenaltyPerOffence", 6),
            Mutant("unverified_evidence", UNVERIFIED_EVIDENCE, "HonestNeverSlashed", 3),
            Mutant("leaving_clears", LEAVING_CLEARS, "NothingIsForgotten", 3),
            Mutant("late_reporters", LATE_REPORTERS, "NothingIsForgotten", 4),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Nodes that may offend are interchangeable."""
    return (Symmetry(dict.fromkeys(State._fields[:-1], 0), 0, bounds.nodes - 1),)


def nightly() -> Spec:
    """A window of four ticks, and a delay longer than the window."""
    return spec(Bounds(window=4, delay=5))._replace(mutants=())
