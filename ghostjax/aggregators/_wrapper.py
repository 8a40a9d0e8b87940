"""What a wrapper is: a rule that changes the messages before another rule sees them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import unit_distances, widened, within
from ghostjax._random import stream
from ghostjax.aggregators._base import AbstractAggregator, AbstractGeometricRule, Context, Law, Need, own_mass
from ghostjax.aggregators._units import in_units


class AbstractWrapper(AbstractAggregator):
    """A rule that changes messages and weights before another rule sees them.

    A new one fills in `before` and `weights`, and says what becomes of the promises of `rule`: `kappa` and
    `certificate`. The state is that of `rule`.
    """

    rule: eqx.AbstractVar[AbstractAggregator]
    own_needs: ClassVar[frozenset[Need]] = frozenset()
    """The parts of `Context` that `before` reads."""
    own_lacks: ClassVar[frozenset[Law]] = frozenset()
    """The laws that are lost whatever the rule."""
    shortens: ClassVar[bool] = False
    """Whether no message that `rule` sees is longer than the longest one present."""

    @abstractmethod
    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
        """The messages and weights that `rule` sees."""

    @abstractmethod
    def weights(self, w: Float[Array, " n"]) -> Float[Array, " m"]:
        """The weights that `rule` sees, for `slack` and `kappa`: of ordinary identities, where they are drawn."""

    @property
    def needs(self) -> frozenset[Need]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule needs, and its own."""
        return self.rule.needs | self.own_needs

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule lacks, and its own."""
        return self.rule.lacks | self.own_lacks

    def init(self, like: Any) -> PyTree:
        """The state of the rule, for the messages that it will see."""

        def seen(x: Array) -> Array:
            return self.before(x, jnp.ones(x.shape[0], x.dtype), Context(jax.random.key(0), x[0]))[0]

        return self.rule.init(jax.eval_shape(seen, like))

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The rule on what `before` makes of the messages."""
        inner = ctx if ctx.key is None else ctx._replace(key=stream(ctx.key, "rule"))
        return self.rule.step(state, *self.before(x, w, ctx), inner)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The smaller of what is left of its own mass and the rule's slack."""
        return jnp.minimum(w.sum() - 2 * own_mass(self, w), self.rule.slack(self.weights(w)))


class AbstractMixing(AbstractWrapper):
    """A wrapper whose messages are combinations of those it gets, chosen by distances: `x'_j = sum_i M_ij x_i`."""

    @abstractmethod
    def mixing(self, dist2: Float[Array, "n n"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
        """`M`, with columns that sum to 1; 0 in rows where `w` is 0. `dist2[i, j] = ||x_i - x_j||^2`."""

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """The combinations, with the weights as they are."""
        del ctx
        rows, mass = widened(x), widened(w)
        dist2, scale = unit_distances(rows, mass)
        mixing = in_units(self, length=scale).mixing(dist2, mass)
        return within(jnp.matmul(mixing.T, rows, precision=jax.lax.Precision.HIGHEST)).astype(x.dtype), w

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The weights as they are."""
        return w


Coefficients = Callable[[Any, Array], Array]


def geometric_form(rule: AbstractAggregator) -> Coefficients | None:
    """`coefficients(dist2, w)` of a geometric rule or of mixings before one; None for any other rule.

    Row j of the mixed messages counts `a_j`, so row i of the messages counts `sum_j M_ij a_j`. Distances between
    combinations are in those between rows: with `p = M_.i - M_.j`, whose sum is 0,
    `||x'_i - x'_j||^2 = -p D p / 2`, exactly zero where two combinations are the same.
    """
    if isinstance(rule, AbstractGeometricRule):
        return rule.coefficients
    inner = geometric_form(rule.rule) if isinstance(rule, AbstractMixing) else None
    if inner is None or not isinstance(rule, AbstractMixing):
        return None

    def composed(dist2: Array, w: Array) -> Array:
        mixing = rule.mixing(dist2, w)
        image = jnp.matmul(dist2, mixing, precision=jax.lax.Precision.HIGHEST)
        p, q = (a[:, :, None] - a[:, None, :] for a in (mixing, image))
        return mixing @ inner(jnp.maximum(-0.5 * (p * q).sum(0), 0), w)

    return composed


def assumed_mass(rule: AbstractAggregator, w: Float[Array, " n"]) -> Float[Array, ""]:
    """The Byzantine mass that `kappa` speaks about: a wrapper that has no knob for it assumes what its rule does."""
    if isinstance(rule, AbstractWrapper) and not (hasattr(rule, "f") or hasattr(rule, "share")):
        return assumed_mass(rule.rule, rule.weights(w))
    return own_mass(rule, w)


def borne_mass(rule: AbstractAggregator, w: Float[Array, " n"]) -> Float[Array, ""]:
    """The Byzantine mass that a rule is set to bear at weights `w`.

    What the rule itself says by a method `bears(w)`; else F = f + share * W of its knobs; else what the rule in a
    wrapper bears; else any minority, W / 2, where a rule says nothing.
    """
    own = getattr(rule, "bears", None)
    if own is not None:
        return own(w)
    if hasattr(rule, "f") or hasattr(rule, "share"):
        return own_mass(rule, w)
    if isinstance(rule, AbstractWrapper):
        return borne_mass(rule.rule, rule.weights(w))
    return w.sum() / 2


def outnumbered(rule: AbstractAggregator, w: Float[Array, " n"], byzantine: Bool[Array, " n"]) -> Bool[Array, ""]:
    """Whether a receiver hears more Byzantine mass than its rule is set to bear, or no minority of it."""
    mass, total = jnp.where(byzantine, w, 0).sum(), w.sum()
    rounding = 4 * max(1, w.shape[0] / 64) * jnp.finfo(w.dtype).eps * total
    return (mass > 0) & ((mass > borne_mass(rule, w) + rounding) | (2 * mass >= total - rounding))
