"""Earlier models, kept in a ring of fixed size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._border import Checked
from ghostjax._types import count_field, static_field


class Ring(NamedTuple):
    """`ages [c]` of the kept states, -1 where a slot is empty, and `parts`, their leaves with a slot axis first."""

    ages: Int[Array, " c"]
    parts: PyTree


class Snapshots(Checked):
    """Keeps the state of every `every`-th age in `capacity` slots whose ages are spaced logarithmically.

    Snapshot m (age `m every`) goes to slot `1 + min(ctz(m), capacity - 2)`, ctz the number of trailing zeros of m in
    binary. Slot `1 + j` hence holds the newest multiple of 2^j that is no multiple of 2^(j+1), and the last slot the
    newest multiple of its power. Slot 0 holds the state before the first round for ever. The newest snapshot is less
    than `every` ages old. Who goes back by at least `L every` ages loses less than `(3 L + 1) every`, for whole L up to
    `2^(capacity - 3)`; beyond that slot 0 may be the only one left.

    **Traced:** `every`. **Static:** `capacity`. **Memory:** `capacity` times protocol and learner.
    """

    capacity: int = static_field(default=8, whole=True, low=2)
    every: Int[Array, ""] = count_field(default=5, low=1)

    def init(self, parts: PyTree) -> Ring:
        """A ring that holds the state before the first round in slot 0."""
        ages = jnp.full(self.capacity, -1, jnp.int32).at[0].set(0)
        return Ring(ages, jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.capacity, *leaf.shape)) + 0, parts))

    def keep(self, ring: Ring, age: Int[Array, ""], parts: PyTree, frozen: Bool[Array, ""] | None = None) -> Ring:
        """The ring with the state `parts` of `age` where it is due, unless `frozen`; one slot is written in place."""
        m = age // self.every
        zeros = jax.lax.population_count((m & -m) - 1)
        slot = 1 + jnp.minimum(zeros, self.capacity - 2)
        due = (age % self.every == 0) & (age > 0)
        due = due if frozen is None else due & ~frozen

        def write(column: Array, leaf: Array) -> Array:
            return column.at[slot].set(jnp.where(due, leaf, column[slot]))

        return Ring(write(ring.ages, age), jax.tree.map(write, ring.parts, parts))

    def restore(
        self, ring: Ring, back: Int[Array, ""], age: Int[Array, ""], parts: PyTree
    ) -> tuple[Ring, Int[Array, ""], PyTree, Bool[Array, ""]]:
        """Ring, age and parts after a verdict, and whether it restored: the newest snapshot of age `back` or less.

        Newer snapshots are forgotten: their models are of a past that no longer happened.
        """
        acts = back >= 0
        slot = jnp.argmax(jnp.where(ring.ages <= back, ring.ages, -1))
        found = ring.ages[slot]
        # A selection, not a branch: under vmap a branch would copy the whole ring.
        kept = jax.tree.map(lambda column, leaf: jnp.where(acts, column[slot], leaf), ring.parts, parts)
        ages = jnp.where(acts & (ring.ages > found), -1, ring.ages)
        return Ring(ages, ring.parts), jnp.where(acts, found, age), kept, acts
