"""Proofs of equivocation that say what they prove: checked by whoever receives them, kept until all know."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes that listen and entries per log. The honest author has written its log, the Byzantine one writes."""

    nodes: int = 3
    entries: int = 2


class State(NamedTuple):
    """Per node and entry what it has of the Byzantine author (0 nothing, 1 and 2 variants); per node what it knows
    (0 nothing, slot plus one: a proof about that slot, entries plus one: banned, proof dropped), and whether it has
    banned the honest author; a claim that is on its way to everybody (0 none, else its kind plus one)."""

    have: Any
    know: Any
    wrong: Any
    msg: Any


UNSIGNED, SAME_TWICE, SLOTS_MIXED, SLOT_NOT_KEPT, DROPPED_EARLY, BAN_EXPIRES = 1, 2, 3, 4, 5, 6
# Claims that anybody may send: the author accused, and two entries, each a slot and a variant.
AUTHOR = np.array([0, 0, 0, 1], np.int32)
SLOT = np.array([[0, 0], [0, 0], [0, 1], [0, 0]], np.int32)
VARIANT = np.array([[1, 2], [1, 1], [1, 2], [1, 2]], np.int32)
KINDS = len(AUTHOR)


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, length = bounds.nodes, bounds.entries
    dropped = length + 1
    slots = np.arange(length, dtype=np.int32)

    def signed(s: State, author: Any, slot: Any, variant: Any) -> Any:
        """The honest author signed variant 1 in slot 0 and 2 in all others; the other one what somebody has."""
        honest = variant == jnp.where(slot == 0, 1, 2)
        return jnp.where(author == 0, honest, (s.have[:, slot] == variant).any())

    def proves(s: State, kind: Any, bug: Any) -> Any:
        """Two entries of one author in one slot, different, both signed."""
        author, slot, variant = jnp.asarray(AUTHOR)[kind], jnp.asarray(SLOT)[kind], jnp.asarray(VARIANT)[kind]
        genuine = signed(s, author, slot[0], variant[0]) & signed(s, author, slot[1], variant[1])
        differ = (variant[0] != variant[1]) | (bug == SAME_TWICE)
        return (genuine | (bug == UNSIGNED)) & differ & ((slot[0] == slot[1]) | (bug == SLOTS_MIXED))

    def byz_append(s: State, j: Any, v: Any, bug: Any) -> tuple[Any, State]:
        k = (s.have[j] > 0).sum()
        return (k < length) & (s.know[j] == 0), s._replace(have=s.have.at[j, jnp.minimum(k, length - 1)].set(v + 1))

    def gossip(s: State, i: Any, j: Any, bug: Any) -> tuple[Any, State]:
        x, y = s.have[i], s.have[j]
        differ = (x > 0) & (y > 0) & (x != y)
        conflict = differ.any()
        merge = jnp.where(conflict | (y > 0), y, x)
        first = jnp.where(differ, slots, length).min()
        about = jnp.where(bug == SLOT_NOT_KEPT, (y > 0).sum(), first + 1)
        return (i != j) & (s.know[j] == 0) & (conflict | (merge != y).any()), s._replace(
            have=s.have.at[j].set(merge), know=s.know.at[j].set(jnp.where(conflict, about, 0))
        )

    def spread(s: State, i: Any, j: Any, bug: Any) -> tuple[Any, State]:
        return (s.know[i] > 0) & (s.know[i] <= length) & (s.know[j] == 0), s._replace(know=s.know.at[j].set(s.know[i]))

    def drop(s: State, j: Any, bug: Any) -> tuple[Any, State]:
        allowed = (s.know > 0).all() | (bug == DROPPED_EARLY)
        return (s.know[j] > 0) & (s.know[j] <= length) & allowed, s._replace(
            know=s.know.at[j].set(jnp.where(bug == BAN_EXPIRES, 0, dropped))
        )

    def send(s: State, m: Any, bug: Any) -> tuple[Any, State]:
        return s.msg == 0, s._replace(msg=m + 1)

    def receive(s: State, j: Any, bug: Any) -> tuple[Any, State]:
        kind = jnp.maximum(s.msg - 1, 0)
        valid, other = proves(s, kind, bug), jnp.asarray(AUTHOR)[kind] == 1
        learns = valid & other & (s.know[j] == 0)
        return s.msg > 0, s._replace(
            know=s.know.at[j].set(jnp.where(learns, 1, s.know[j])),
            wrong=s.wrong.at[j].set(jnp.where(valid & ~other, 1, s.wrong[j])),
            msg=jnp.int32(0),
        )

    def sound(s: State) -> Any:
        both = (s.have == 1).any(0) & (s.have == 2).any(0)
        return ((s.know == 0) | (s.know == dropped) | both[jnp.clip(s.know - 1, 0, length - 1)]).all()

    def survives(s: State) -> Any:
        held = (s.know > 0) & (s.know <= length)
        return (s.know == 0).all() | (s.know > 0).all() | held.any()

    def equivocates(s: State) -> Any:
        return ((s.have == 1).any(0) & (s.have == 2).any(0)).any()

    some, everyone = lambda s: (s.know > 0).any(), lambda s: (s.know > 0).all()
    zero = np.zeros(n, np.int32)
    pair, each = {"i": n, "j": n}, {"j": n}
    return Spec(
        name="gossip_proofs",
        statement="Who equivocates is banned by all and for good, on proof; who does not never is.",
        state=State,
        variables={
            "have": Var((n, length), 2), "know": Var((n,), dropped), "wrong": Var((n,), 1), "msg": Var((), KINDS),
        },
        init=[State(np.zeros((n, length), np.int32), zero, zero, 0)],
        actions=(
            Action("ByzAppend", byz_append, {"j": n, "v": 2}),
            Action("Gossip", gossip, pair),
            Action("SpreadProof", spread, pair),
            Action("Drop", drop, each),
            Action("Send", send, {"m": KINDS}),
            Action("Receive", receive, each),
        ),
        invariants={
            "HonestNeverBanned": lambda s: (s.wrong == 0).all(),
            "ProofSound": sound,
            "ProofSurvives": survives,
        },
        steps={"BanIsForGood": lambda s, t: ((s.know == 0) | (t.know > 0)).all()},
        witnesses={
            "all have banned, and nobody keeps the proof": lambda s: (s.know == dropped).all(),
            "a claim is true": lambda s: (s.msg == KINDS) & (s.have[:, 0] == 1).any() & (s.have[:, 0] == 2).any(),
            "proofs about different slots": lambda s: (s.know == 1).any() & (s.know == 2).any(),
            "an equivocation in the last slot only": lambda s: (s.know == length).any() & (s.have[:, 0] == 1).all(),
        },
        leads_to=(
            LeadsTo("EquivocationIsProved", equivocates, some, (Fair("Gossip"),)),
            LeadsTo("ProofSpreads", some, everyone, (Fair("SpreadProof"),)),
            # Everybody who listens sees both sides in the end: proofs save time, they are not what bans.
            LeadsTo("ProofSpreadsByGossip", some, everyone, (Fair("Gossip"),)),
            # Nobody compares: two sides never meet.
            LeadsTo("EquivocationIsProvedUncompared", equivocates, some, (Fair("SpreadProof"),), holds=False),
        ),
        mutants=(
            Mutant("unsigned", UNSIGNED, "HonestNeverBanned", 3, ("HonestNeverBanned",)),
            Mutant("same_twice", SAME_TWICE, "HonestNeverBanned", 3),
            Mutant("slots_mixed", SLOTS_MIXED, "HonestNeverBanned", 3),
            Mutant("slot_not_kept", SLOT_NOT_KEPT, "ProofSound", 5),
            Mutant("dropped_early", DROPPED_EARLY, "ProofSurvives", 5),
            Mutant("ban_expires", BAN_EXPIRES, "BanIsForGood", 7),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Nodes are interchangeable."""
    return (Symmetry({"have": 0, "know": 0, "wrong": 0}, 0, bounds.nodes),)


def nightly() -> Spec:
    """A third entry."""
    return spec(Bounds(entries=3))._replace(mutants=())
