"""The base class of wrappers: rules that change the messages before another rule sees them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import at_least_float32, unit_distances, within
from ghostjax._random import stream
from ghostjax.aggregators._base import AbstractAggregator, BySlots, Coefficients, Context, Law, Need
from ghostjax.aggregators._geometric import geometric_by_slots
from ghostjax.aggregators._units import in_units


class AbstractWrapper(AbstractAggregator):
    """A rule that changes messages and weights before another rule sees them.

    A new wrapper defines `before`, `weights` and `guarantee`; the guarantee is made from `rule.guarantee`. The state is
    that of `rule`.
    """

    rule: eqx.AbstractVar[AbstractAggregator]
    added_needs: ClassVar[frozenset[Need]] = frozenset()
    """The parts of `Context` that `before` reads."""
    added_exempt_laws: ClassVar[frozenset[Law]] = frozenset()
    """The laws from which the wrapper is exempt, for every inner rule."""

    @abstractmethod
    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
        """The messages and weights that `rule` sees."""

    @abstractmethod
    def weights(self, w: Float[Array, " n"]) -> Float[Array, " m"]:
        """The weights that `rule` sees; those of ordinary identities, where they are drawn."""

    @property
    def wrapped(self) -> tuple[AbstractAggregator, Callable[[Array], Array]]:
        """`rule`, and the weights that it sees."""
        return self.rule, self.weights

    @property
    def needs(self) -> frozenset[Need]:
        """The needs of the inner rule, and those that the wrapper adds."""
        return self.rule.needs | self.added_needs

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """The exemptions of the inner rule, and those that the wrapper adds."""
        return self.rule.exempt_laws | self.added_exempt_laws

    def init(self, like: Any) -> PyTree:
        """The state of the rule, for the messages that it will see."""

        def seen(x: Array) -> Array:
            return self.before(x, jnp.ones(x.shape[0], x.dtype), Context(jax.random.key(0), x[0]))[0]

        return self.rule.init(jax.eval_shape(seen, like))

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The rule on the messages and weights that `before` returns."""
        inner = ctx if ctx.key is None else ctx._replace(key=stream(ctx.key, "rule"))
        return self.rule.step(state, *self.before(x, w, ctx), inner)


class AbstractMixing(AbstractWrapper):
    """A wrapper that replaces messages by combinations of them, `x'_j = sum_i M_ij x_i`, chosen by distances."""

    @abstractmethod
    def mixing(self, dist2: Float[Array, "n n"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
        """`M`, with columns that sum to 1; 0 in rows where `w` is 0. `dist2[i, j] = ||x_i - x_j||^2`."""

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """The combinations, with the weights as they are."""
        del ctx
        rows, mass = at_least_float32(x), at_least_float32(w)
        dist2, scale = unit_distances(rows, mass)
        mixing = in_units(self, length=scale).mixing(dist2, mass)
        return within(jnp.matmul(mixing.T, rows, precision=jax.lax.Precision.HIGHEST)).astype(x.dtype), w

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The weights as they are."""
        return w

    @property
    def geometric_form(self) -> Coefficients | None:
        """The inner rule's form, on combinations.

        Row j of the mixed messages has the coefficient `a_j`, so row i of the messages has `sum_j M_ij a_j`. Distances
        between combinations follow from those between rows: with `p = M_.i - M_.j`, whose sum is 0,
        `||x'_i - x'_j||^2 = -p D p / 2`, exactly zero where two combinations are the same.
        """
        inner = self.rule.geometric_form
        if inner is None:
            return None

        def composed(dist2: Array, w: Array) -> Array:
            mixing = self.mixing(dist2, w)
            image = jnp.matmul(dist2, mixing, precision=jax.lax.Precision.HIGHEST)
            p, q = (a[:, :, None] - a[:, None, :] for a in (mixing, image))
            return mixing @ inner(jnp.maximum(-0.5 * (p * q).sum(0), 0), w)

        return composed

    @property
    def by_slots(self) -> BySlots | None:
        """One Gram product for all receivers, before a geometric rule."""
        return None if self.geometric_form is None else geometric_by_slots(self)
