"""Append-only logs spread by gossip, one of their authors equivocating."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes and entries per log. Author 0 is honest and lives at node 0; author 1 is Byzantine."""

    nodes: int = 3
    entries: int = 2


class State(NamedTuple):
    """Per node, author and entry: 0 (none) or a variant (1, 2); per node: holds a proof of equivocation."""

    have: Any
    proof: Any


LAST_WRITER_WINS, GAP, UNSIGNED, LAG_IS_PROOF = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, length = bounds.nodes, bounds.entries

    def append(s: State, bug: Any) -> tuple[Any, State]:
        k = (s.have[0, 0] > 0).sum()
        return k < length, s._replace(have=s.have.at[0, 0, jnp.minimum(k, length - 1)].set(1))

    def byz_append(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
        author = jnp.where(bug == UNSIGNED, 0, 1)
        k = (s.have[n, author] > 0).sum()
        have = s.have.at[n, author, jnp.minimum(k, length - 1)].set(v + 1)
        return (k < length) & (s.proof[n] == 0), s._replace(have=have)

    def gossip(s: State, i: Any, j: Any, a: Any, bug: Any) -> tuple[Any, State]:
        x, y = s.have[i, a], s.have[j, a]
        differ = (x > 0) & (y > 0) & (x != y)
        differ = differ | ((bug == LAG_IS_PROOF) & (a == 1) & (x != y))
        conflict = differ.any() & (bug != LAST_WRITER_WINS)
        filled = jnp.where(y == 0, x, y)
        newest = y.at[length - 1].set(jnp.where(y[length - 1] == 0, x[length - 1], y[length - 1]))
        merge = jnp.where(conflict, y, jnp.where(bug == GAP, newest, filled))
        merge = jnp.where(bug == LAST_WRITER_WINS, jnp.where(x > 0, x, y), merge)
        news = (merge != y).any() | (conflict & (s.proof[j] == 0))
        return (i != j) & news, s._replace(
            have=s.have.at[j, a].set(merge), proof=s.proof.at[j].set(jnp.where(conflict, 1, s.proof[j]))
        )

    def spread(s: State, i: Any, j: Any, bug: Any) -> tuple[Any, State]:
        return (s.proof[i] == 1) & (s.proof[j] == 0), s._replace(proof=s.proof.at[j].set(1))

    def equivocates(s: State) -> Any:
        a, b = s.have[:, None, 1], s.have[None, :, 1]
        return ((a > 0) & (b > 0) & (a != b)).any()

    some = lambda s: (s.proof == 1).any()
    everyone = lambda s: (s.proof == 1).all()
    pair = {"i": n, "j": n}
    return Spec(
        name="gossip_log",
        statement="Everybody sees the same honest log, and an author who equivocates is proved to have done so.",
        state=State,
        variables={"have": Var((n, 2, length), 2), "proof": Var((n,), 1)},
        init=[State(np.zeros((n, 2, length), np.int32), np.zeros(n, np.int32))],
        actions=(
            Action("Append", append),
            Action("ByzAppend", byz_append, {"n": n, "v": 2}),
            Action("Gossip", gossip, {**pair, "a": 2}),
            Action("SpreadProof", spread, pair),
        ),
        invariants={
            "HonestConsistent": lambda s: ((s.have[:, 0] == 0) | (s.have[:, 0] == s.have[0, 0][None, :])).all(),
            "PrefixClosed": lambda s: ((s.have[..., 1:] == 0) | (s.have[..., :-1] > 0)).all(),
            "ProofSound": lambda s: ~some(s) | equivocates(s),
        },
        steps={"AppendOnly": lambda s, t: ((s.have == 0) | (t.have == s.have)).all()},
        witnesses={
            "everybody has the honest log": lambda s: (s.have[:, 0] > 0).all(),
            "everybody holds a proof": everyone,
        },
        leads_to=(
            LeadsTo("EquivocationIsProved", equivocates, some, (Fair("Gossip"), Fair("SpreadProof"))),
            LeadsTo("ProofSpreads", some, everyone, (Fair("SpreadProof"),)),
        ),
        mutants=(
            Mutant("last_writer_wins", LAST_WRITER_WINS, "AppendOnly", 4),
            Mutant("gap", GAP, "PrefixClosed", 4),
            Mutant("unsigned", UNSIGNED, "HonestConsistent", 2),
            Mutant("lag_is_proof", LAG_IS_PROOF, "ProofSound", 3),
        ),
    )


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Nodes but the home of the honest author are interchangeable."""
    return (Symmetry({"have": 0, "proof": 0}, 1, bounds.nodes - 1),)
