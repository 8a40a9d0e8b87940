"""Reputation and slashing: evidence, accusations, bonds and the way out."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes (the last one Byzantine) and the bond that each posts."""

    nodes: int = 3
    bond: int = 2


class State(NamedTuple):
    """Per node: bond, offence committed, evidence pending, times slashed, reputation, gone, falsely accused."""

    bond: Any
    off: Any
    ev: Any
    done: Any
    rep: Any
    out: Any
    false: Any


NO_EVIDENCE_DEDUP, UNVERIFIED_EVIDENCE, EXIT_WITH_PENDING, WHITEWASH = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, full = bounds.nodes, bounds.bond
    bad = n - 1

    def offend(s: State, bug: Any) -> tuple[Any, State]:
        return (s.off[bad] == 0) & (s.out[bad] == 0), s._replace(off=s.off.at[bad].set(1))

    def report(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        new = (s.done[i] == 0) | (bug == NO_EVIDENCE_DEDUP)
        return (s.off[i] == 1) & (s.ev[i] == 0) & (s.out[i] == 0) & new, s._replace(ev=s.ev.at[i].set(1))

    def frame(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return (s.off[i] == 0) & (s.false[i] == 0) & (s.ev[i] == 0), s._replace(false=s.false.at[i].set(1))

    def slash(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        guilty = (s.ev[i] == 1) | ((bug == UNVERIFIED_EVIDENCE) & (s.false[i] == 1))
        return guilty & (s.bond[i] > 0), s._replace(
            bond=s.bond.at[i].add(-1),
            ev=s.ev.at[i].set(0),
            false=s.false.at[i].set(0),
            rep=s.rep.at[i].set(0),
            done=s.done.at[i].add(1),
        )

    def dismiss(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return s.false[i] == 1, s._replace(false=s.false.at[i].set(0))

    def clean_round(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return (s.rep[i] < 2) & (s.ev[i] == 0) & (s.out[i] == 0), s._replace(rep=s.rep.at[i].add(1))

    def leave(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        clear = (s.ev[i] == 0) | (bug == EXIT_WITH_PENDING)
        return (s.out[i] == 0) & clear, s._replace(out=s.out.at[i].set(1), bond=s.bond.at[i].set(0))

    def rejoin(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return (s.out[i] == 1) & ((s.off[i] == 0) | (s.done[i] > 0)), s._replace(
            out=s.out.at[i].set(0),
            bond=s.bond.at[i].set(full),
            rep=s.rep.at[i].set(jnp.where(bug == WHITEWASH, 2, 0)),
        )

    def only_earned(s: State, t: State) -> Any:
        rejoined = (s.out == 1) & (t.out == 0)
        return ((t.rep <= s.rep + 1) & (~rejoined | (t.rep <= s.rep))).all()

    zero = np.zeros(n, np.int32)
    each = {"i": n}
    pending = lambda s: (s.ev == 1).any()
    clear = lambda s: (s.ev == 0).all()
    return Spec(
        name="slashing",
        statement="Only offenders are slashed, once per offence, and reputation is earned, not bought by coming back.",
        state=State,
        variables={
            "bond": Var((n,), full), "off": Var((n,), 1), "ev": Var((n,), 1), "done": Var((n,), 2),
            "rep": Var((n,), 2), "out": Var((n,), 1), "false": Var((n,), 1),
        },
        init=[State(np.full(n, full, np.int32), zero, zero, zero, np.ones(n, np.int32), zero, zero)],
        actions=(
            Action("Offend", offend),
            Action("Report", report, each),
            Action("Frame", frame, each),
            Action("Slash", slash, each),
            Action("Dismiss", dismiss, each),
            Action("CleanRound", clean_round, each),
            Action("Exit", leave, each),
            Action("Rejoin", rejoin, each),
        ),
        invariants={
            "HonestNeverSlashed": lambda s: ((s.off == 1) | (s.done == 0)).all(),
            "NoDoubleSlash": lambda s: (s.done <= s.off).all(),
            "NoEscape": lambda s: ((s.ev == 0) | (s.bond > 0)).all(),
        },
        steps={"RepOnlyEarned": only_earned},
        witnesses={
            "the offender is slashed": lambda s: s.done[bad] == 1,
            "the slashed offender comes back": lambda s: (s.done[bad] == 1) & (s.out[bad] == 0) & (s.bond[bad] == full),
            "an honest node is accused": lambda s: (s.false[:bad] == 1).any(),
        },
        leads_to=(
            LeadsTo("EvidenceIsCleared", pending, clear, (Fair("Slash"),)),
            LeadsTo("EvidenceIsClearedUnfairly", pending, clear, (), holds=False),
            # Offend, Exit: the bond is withdrawn before anybody reports, and the offender never returns.
            LeadsTo("OffenceIsSlashed", lambda s: s.off[bad] == 1, lambda s: s.done[bad] > 0,
                    (Fair("Report"), Fair("Slash")), holds=False),
        ),
        mutants=(
            Mutant("no_evidence_dedup", NO_EVIDENCE_DEDUP, "NoDoubleSlash", 6),
            Mutant("unverified_evidence", UNVERIFIED_EVIDENCE, "HonestNeverSlashed", 3),
            Mutant("exit_with_pending", EXIT_WITH_PENDING, "NoEscape", 4),
            Mutant("whitewash", WHITEWASH, "RepOnlyEarned", 3),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Honest nodes are interchangeable."""
    return (Symmetry(dict.fromkeys(State._fields, 0), 0, bounds.nodes - 1),)
