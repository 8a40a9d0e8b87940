"""One of several objects, chosen by a traced index: objects as an axis of one compiled program.

`lax.switch` runs the chosen branch only, as long as the index is not batched. The memory is a tuple with a slot
per option, of which the chosen one is replaced. In gossip the rule is driven as a general one, on the whole
matrix per receiver, so a sweep merges rules at a server only.
"""

from typing import Any

import jax
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._types import count_field, require
from ghostjax.aggregators import AbstractAggregator, borne_mass, Context
from ghostjax.attacks import AbstractAttack, AbstractSingleAttack, Before, Sent, View


KNOWLEDGE = ("nothing", "own", "honest", "defence")


def _choose(index: Array, options: tuple[Any, ...], method: str, *operands: Any) -> Any:
    # Bound methods are no branches by themselves: jax hashes branches, and a module holds arrays.
    return jax.lax.switch(index, [lambda *xs, o=option: getattr(o, method)(*xs) for option in options], *operands)


def _slot(states: tuple[PyTree, ...], i: int, state: PyTree) -> tuple[PyTree, ...]:
    return (*states[:i], state, *states[i + 1 :])


class AttackSwitch(AbstractSingleAttack):
    """The attack `options[index]`. **Traced:** `index`, every knob of every option. **State:** one slot each."""

    options: tuple[AbstractAttack, ...]
    index: Int[Array, ""] = count_field(default=0)

    def __check_init__(self):
        kinds = {option.per_receiver for option in self.options}
        require(
            len(kinds) == 1,
            "AttackSwitch",
            "options",
            [type(option).__name__ for option in self.options],
            "some send one vector per receiver and some one per sender; keep them apart",
        )

    @property
    def knows(self) -> str:  # type: ignore[override]
        """What the most knowing option reads."""
        return max((option.knows for option in self.options), key=KNOWLEDGE.index)

    @property
    def lacks(self) -> frozenset[str]:  # type: ignore[override]
        """All laws that any option lacks."""
        return frozenset().union(*(option.lacks for option in self.options))

    @property
    def per_receiver(self) -> bool:  # type: ignore[override]
        """Whether the options send different vectors to different receivers."""
        return self.options[0].per_receiver

    def on(self, task: Any) -> AbstractAttack:
        return AttackSwitch(tuple(option.on(task) for option in self.options), self.index)

    def init(self, like: Any) -> PyTree:
        return tuple(option.init(like) for option in self.options)

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        branches = [lambda s, b, now, i=i: self.options[i].poison(s[i], b, now) for i in range(len(self.options))]
        return jax.lax.switch(self.index, branches, state, batch, before)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        # Functions are no operands; the rest of the view is, so that each branch uses its key once.
        parts = view._replace(respond=None, objective=None)  # type: ignore[arg-type]

        def branch(i: int) -> Any:
            def run(states: tuple[PyTree, ...], parts: Any) -> Any:
                after, sent = self.options[i].corrupt(
                    states[i], parts._replace(respond=view.respond, objective=view.objective)
                )
                return _slot(states, i, after), sent

            return run

        return jax.lax.switch(self.index, [branch(i) for i in range(len(self.options))], state, parts)


class AggregatorSwitch(AbstractAggregator):
    """The rule `options[index]`. **Traced:** `index`, every knob of every option. **State:** one slot each."""

    options: tuple[AbstractAggregator, ...]
    index: Int[Array, ""] = count_field(default=0)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """All that any option needs."""
        return frozenset().union(*(option.needs for option in self.options))

    @property
    def lacks(self) -> frozenset[str]:  # type: ignore[override]
        """All laws that any option lacks."""
        return frozenset().union(*(option.lacks for option in self.options))

    @property
    def certificate_kind(self) -> str:  # type: ignore[override]
        """The weakest kind of certificate among the options."""
        return max((o.certificate_kind for o in self.options), key=("unconditional", "conditional", "none").index)

    def init(self, like: Any) -> PyTree:
        return tuple(option.init(like) for option in self.options)

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        def branch(i: int) -> Any:
            def run(states: tuple[PyTree, ...], x: Array, w: Array, key: Any, anchor: Any) -> Any:
                after, y = self.options[i].step(states[i], x, w, ctx._replace(key=key, anchor=anchor))
                return _slot(states, i, after), y

            return run

        branches = [branch(i) for i in range(len(self.options))]
        return jax.lax.switch(self.index, branches, state, x, w, ctx.key, ctx.anchor)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return _choose(self.index, self.options, "slack", w)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return _choose(self.index, self.options, "kappa", w)

    def bears(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """What the chosen option bears."""
        branches = [lambda w, o=option: borne_mass(o, w) for option in self.options]
        return jax.lax.switch(self.index, branches, w)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return _choose(self.index, self.options, "certificate", x, w, principal)
