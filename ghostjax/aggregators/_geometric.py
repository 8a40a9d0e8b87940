"""Rules that combine rows by coefficients of the distances between them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._kernels import at_least_float32, combined, slot_squares, slot_sum, unit_distances
from ghostjax.aggregators._base import AbstractAggregator, BySlots, Coefficients, Context
from ghostjax.aggregators._units import in_units


class AbstractGeometricRule(AbstractAggregator):
    """A rule whose result is `a @ x` with coefficients that depend on distances between rows only."""

    uses_distances: ClassVar[bool] = True
    """Whether `coefficients` reads `dist2`; if not, the Gram product is skipped."""
    of_rows: ClassVar[Callable[..., Array] | None] = None
    """`of_rows(x, w)`, an optional method: the same result computed from the rows, used where the Gram product costs
    more."""

    @abstractmethod
    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The coefficient of each row, not negative, 1 in sum; 0 where `w` is 0. `dist2[i, j] = ||x_i - x_j||^2`.

        If squares would leave the range of floats, distances, and knobs that are lengths, are in another unit.
        """

    def init(self, like: Any) -> PyTree:
        """No state."""
        del like
        return ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """`coefficients(distances of x, w) @ x`, or `of_rows` if the rule has it."""
        del ctx
        rows, w = at_least_float32(x), at_least_float32(w)
        if self.of_rows is not None:
            return state, self.of_rows(rows, w).astype(x.dtype)
        if not self.uses_distances:
            return state, combined(self.coefficients(None, w), rows).astype(x.dtype)
        dist2, scale = unit_distances(rows, w)
        return state, combined(in_units(self, length=scale).coefficients(dist2, w), rows).astype(x.dtype)

    @property
    def geometric_form(self) -> Coefficients:
        """`coefficients`."""
        return self.coefficients

    @property
    def by_slots(self) -> BySlots:
        """One Gram product for all receivers, and none if the rule does not use distances."""
        if self.uses_distances:
            return geometric_by_slots(self)
        return lambda rows, nbr, w, level: slot_sum(rows, nbr, jax.vmap(lambda row: self.coefficients(None, row))(w))


def geometric_by_slots(rule: AbstractAggregator) -> BySlots:
    """`by_slots` of a rule that has a geometric form."""

    def aggregates(
        rows: Float[Array, "m d"], nbr: Int[Array, "n k"], w: Float[Array, "n k"], level: Float[Array, " m"]
    ) -> Float[Array, "n d"]:
        dist2, scale = unit_distances(rows, level)
        coefficients = in_units(rule, length=scale).geometric_form
        assert coefficients is not None
        return slot_sum(rows, nbr, jax.vmap(coefficients)(slot_squares(dist2, nbr), w))

    return aggregates
