"""Several adversaries at once, each with its own identities."""

from typing import Any, ClassVar, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._border import Checked, members, shown
from ghostjax._byzantine import byzantine_mask, declared_who, OfNodes
from ghostjax._random import Moment
from ghostjax._round import Ballots
from ghostjax._tree import select_rows
from ghostjax._types import concrete, count_field, require
from ghostjax.attacks._base import AbstractAttack, Before, Knowledge, Law, Sent, View


KNOWLEDGE: tuple[Knowledge, ...] = get_args(Knowledge)
"""The levels of knowledge, in ascending order."""


class Redrawn(Checked):
    """`count` random identities among those that no adversary holds by mask or count, drawn again every `every` rounds.

    **Traced:** both.
    """

    count: Int[Array, ""] = count_field(low=0)
    every: Int[Array, ""] = count_field(default=1, low=1)


class Several(AbstractAttack):
    """Adversaries that do not know each other: `Several({attack: who, ...})`.

    `who` is a mask `[n]`, a count, a `gj.Share` of the nodes, or `Redrawn(count, every)`. Masks must be disjoint.
    Counts and shares then take the last identities that are free, in the given order. `Redrawn` identities come from
    the rest. In the view of each adversary, `byzantine` marks its own identities, and all others look honest: it sees
    the messages that they would honestly send. `byzantine=` of the simulation is not given: it follows from all
    identities that an adversary holds or may draw.

    **Knows:** as much as the adversary with the most knowledge. **Traced:** masks, counts and every knob. **State:**
    one slot each. **Errors:** no attack, masks that overlap, more identities than there are, `byzantine=` given as
    well, two adversaries that send a vector per receiver.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> both = gj.attacks.Several({gj.attacks.SignFlip(): 1, gj.attacks.Zero(): 1})
    >>> both(jnp.array([[1.0], [2.0], [3.0]])).ravel().tolist()
    [1.0, 0.0, -3.0]

    ```
    """

    attacks: tuple[AbstractAttack, ...]
    who: tuple[Any, ...]
    held: Bool[Array, "m n"] | None
    """The identities of each adversary in this round; None outside of a round."""
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})
    says_who: ClassVar[bool] = True

    def __init__(self, attacks: Any):
        pairs = list(attacks.items()) if isinstance(attacks, dict) else attacks
        fits = (
            isinstance(pairs, list | tuple)
            and pairs
            and all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs)
        )
        require(fits, "Several", "attacks", shown(attacks), "give {attack: who, ...}, or a list of such pairs")
        self.attacks = members([attack for attack, _ in pairs], AbstractAttack, "Several", "attacks")
        nested = [shown(attack) for attack in self.attacks if isinstance(attack, Several)]
        require(not nested, "Several", "attacks", nested, "list all adversaries side by side")
        per_receiver = [shown(attack) for attack in self.attacks if attack.per_receiver]
        require(
            len(per_receiver) < 2, "Several", "attacks", per_receiver, "only one of them can send a vector per receiver"
        )
        self.who = tuple(_declared(who) for _, who in pairs)
        self.held = None

    @property
    def knows(self) -> Knowledge:
        """The highest level of knowledge among them."""
        return KNOWLEDGE[max(KNOWLEDGE.index(attack.knows) for attack in self.attacks)]

    @property
    def per_receiver(self) -> bool:
        """Whether one of them sends different vectors to different receivers."""
        return any(attack.per_receiver for attack in self.attacks)

    def on(self, task: Any) -> AbstractAttack:
        return eqx.tree_at(lambda several: several.attacks, self, tuple(attack.on(task) for attack in self.attacks))

    def everybody(self, byzantine: Any, num_nodes: int) -> Any:
        remedy = "Several itself decides who is Byzantine; leave it out"
        require(byzantine is None, "Several", "byzantine", shown(byzantine), remedy)
        held = self._fixed(num_nodes)
        if concrete(held):
            twice = np.flatnonzero(np.asarray(held).sum(0) > 1).tolist()
            require(not twice, "Several", "who", f"identities {twice[:5]} held twice", "give disjoint masks")
            wanted, free = self._drawn(), int((~np.asarray(held).any(0)).sum())
            require(wanted <= free, "Several", "who", f"{wanted} redrawn", f"only {free} identities are left")
        redrawn = any(isinstance(who, Redrawn) for who in self.who)
        return jnp.ones(num_nodes, bool) if redrawn else held.any(0)

    def roles(self, byzantine: Bool[Array, " n"], moment: Moment) -> tuple[AbstractAttack, Bool[Array, " n"]]:
        held = self._fixed(byzantine.shape[0])
        for i, who in enumerate(self.who):
            if isinstance(who, Redrawn):
                key = Moment(moment.key, moment.round // who.every)("adversaries", i)
                draw = jnp.where(held.any(0), jnp.inf, jax.random.uniform(key, byzantine.shape))
                held = held.at[i].set((jnp.argsort(jnp.argsort(draw)) < who.count) & ~held.any(0))
        return eqx.tree_at(lambda several: several.held, self, held, is_leaf=lambda leaf: leaf is None), held.any(0)

    def init(self, like: Any) -> PyTree:
        return tuple(attack.init(like) for attack in self.attacks)

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        assert self.held is not None, "the round asks for its roles first"
        poisoned = batch
        for i, (attack, memory) in enumerate(zip(self.attacks, state, strict=True)):
            part = before._replace(byzantine=self.held[i], key=jax.random.fold_in(before.key, i))
            poisoned = select_rows(self.held[i], attack.poison(memory, batch, part), poisoned)
        return poisoned

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        assert self.held is not None, "the round asks for its roles first"
        after, sent = [], Sent(view.messages)
        for i, (attack, memory) in enumerate(zip(self.attacks, state, strict=True)):
            memory, own = attack.corrupt(memory, _own_view(view, self.held[i], i))
            rows = jnp.where(self.held[i][:, None], own.by_sender, sent.by_sender)
            sent = sent._replace(by_sender=rows)
            if own.by_receiver is not None:
                tells = self.held[i] if own.senders is None else self.held[i] & own.senders
                sent = sent._replace(by_receiver=own.by_receiver, senders=tells)
            if own.ballots is not None:
                sent = sent._replace(ballots=_joined(sent.ballots, own.ballots, self.held[i]))
            after.append(memory)
        return tuple(after), sent

    def _drawn(self) -> int:
        return sum(int(who.count) for who in self.who if isinstance(who, Redrawn) and concrete(who.count))

    def _fixed(self, n: int) -> Bool[Array, "m n"]:
        """The identities of adversaries without `Redrawn`: masks first, then counts, from the end."""
        nobody = jnp.zeros(n, bool)
        masks = [byzantine_mask(who, n, "Several") if _is_mask(who) else nobody for who in self.who]
        taken = jnp.stack(masks).any(0)
        for i, who in enumerate(self.who):
            if _is_mask(who) or isinstance(who, Redrawn):
                continue
            count = who.share.of(n, "Several", "who") if isinstance(who, OfNodes) else who
            free = ~taken
            if concrete((count, free)):
                left = int(free.sum())
                require(int(count) <= left, "Several", "who", int(count), f"only {left} identities are left")
            masks[i] = free & (jnp.cumsum(free[::-1])[::-1] <= count)
            taken = taken | masks[i]
        return jnp.stack(masks)


def _declared(who: Any) -> Any:
    return who if isinstance(who, Redrawn) else declared_who(who, "Several", "who")


def _is_mask(who: Any) -> bool:
    return isinstance(who, jax.Array) and who.ndim == 1


def _joined(before: Ballots | None, own: Ballots, held: Bool[Array, " n"]) -> Ballots:
    """Ballots of one adversary for its own identities, beside those that others cast; a motion of either is one."""
    if before is None:
        return own
    yes, cast = jnp.where(held, own.yes, before.yes), jnp.where(held, own.cast, before.cast)
    motions = [one.against for one in (before, own) if one.against is not None]
    return Ballots(yes, cast, jnp.stack(motions).any(0) if motions else None)


def _own_view(view: View, held: Bool[Array, " n"], i: int) -> View:
    """What adversary i sees: its own identities, everybody else as if honest."""

    def respond(x: Array) -> Array:
        return view.respond(jnp.where(held[:, None], x, view.messages))

    objective = view.objective
    restricted = None if objective is None else lambda models: _only(held, objective(models))
    return view._replace(byzantine=held, respond=respond, objective=restricted, key=jax.random.fold_in(view.key, i))


def _only(held: Bool[Array, " n"], found: tuple[Array, Array]) -> tuple[Array, Array]:
    losses, gradients = found
    return jnp.where(held, losses, 0), jnp.where(held[:, None], gradients, 0)
