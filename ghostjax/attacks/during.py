"""An attack that is on for some rounds only."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._border import shown
from ghostjax._random import Moment
from ghostjax._tree import select
from ghostjax._types import concrete, count_field, require
from ghostjax.attacks._base import AbstractAttack, Before, Knowledge, Law, Sent, View


LAST = 2**31 - 1


class During(AbstractAttack):
    """`attack` in rounds start to end - 1; before and after its identities follow the protocol.

    They are Byzantine all the time: metrics of honest nodes leave them out from the first round. While it is off, the
    attack neither poisons nor sends, and its memory stands still.

    **Knows:** what `attack` does. **Traced:** `start`, `end` (never, unless given). **State:** that of `attack`.
    **Errors:** an end that is not beyond the start; a period of a period.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.attacks.During(gj.attacks.SignFlip(), start=80)(jnp.ones((3, 1)), byzantine=1).ravel().tolist()
    [1.0, 1.0, 1.0]

    ```
    """

    attack: AbstractAttack
    start: Int[Array, ""] = count_field(default=0, low=0)
    end: Int[Array, ""] = count_field(default=LAST, low=1)

    def __check_init__(self):
        limits = (self.start, self.end)
        # What is no number is refused by its own knob.
        if concrete(limits) and all(isinstance(limit, jax.Array) for limit in limits):
            start, end = map(int, limits)
            require(end > start, "During", "end", end, f"give a round after start={start}")
        nested = isinstance(self.attack, During)
        require(not nested, "During", "attack", shown(self.attack), "say start and end once")

    @property
    def knows(self) -> Knowledge:
        """What the attack reads."""
        return self.attack.knows

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """The laws that the attack does not obey."""
        return self.attack.exempt_laws

    @property
    def per_receiver(self) -> bool:
        """Whether the attack sends different vectors to different receivers."""
        return self.attack.per_receiver

    @property
    def says_who(self) -> bool:
        """Whether the attack says itself which identities are Byzantine."""
        return self.attack.says_who

    def on(self, task: Any) -> AbstractAttack:
        return eqx.tree_at(lambda own: own.attack, self, self.attack.on(task))

    def everybody(self, byzantine: Any, num_nodes: int) -> Any:
        return self.attack.everybody(byzantine, num_nodes)

    def roles(self, byzantine: Bool[Array, " n"], moment: Moment) -> tuple[AbstractAttack, Bool[Array, " n"]]:
        attack, held = self.attack.roles(byzantine, moment)
        return eqx.tree_at(lambda own: own.attack, self, attack), held

    def init(self, like: Any) -> PyTree:
        return self.attack.init(like)

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        return select(self._on(before.round), self.attack.poison(state, batch, before), batch)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        on = self._on(view.round)
        memory, sent = self.attack.corrupt(state, view)
        rows = jnp.where(on, sent.by_sender, view.messages)
        if sent.by_receiver is not None:
            # While it is off, nobody tells a receiver anything of its own.
            senders = view.byzantine if sent.senders is None else sent.senders
            sent = sent._replace(senders=senders & on)
        return select(on, memory, state), sent._replace(by_sender=rows)

    def _on(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        return (self.start <= round) & (round < self.end)
