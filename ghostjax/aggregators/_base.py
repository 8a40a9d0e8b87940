"""What an aggregation rule is, and the three ways in which one can say what it does.

    coordinate   `trim(total)`: a window of mass per coordinate (median, trimmed mean). Drives a fused
                 selection kernel; in gossip the rows are neighbour slots, so nothing of size [n, k, d] exists.
    geometric    `coefficients(dist2, w)`: the result is `a @ x`. One centred Gram product serves every
                 receiver, and the coefficients are the influence shares.
    general      `step` on the whole matrix. Mapped over receivers at k times the memory.

What changes the messages before another rule sees them is a wrapper (`_wrapper.py`); one that only mixes them is
geometric before a geometric rule.

A rule is abstract or final: copy the nearest neighbour in this folder, fill in its methods, and add a row to
the table in `tests/aggregators/table.py`; every law is then checked.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import Checked
from ghostjax._compiled import compiled
from ghostjax._kernels import combined, finite_rows, present, unit_distances, widened, window_mean
from ghostjax._rows import messages, weights
from ghostjax._types import concrete, ConfigurationError, Key
from ghostjax.aggregators._units import in_range, in_units


Need = Literal["key", "anchor", "probe"]
Law = Literal["absence", "repetition", "permutation", "unanimity", "weight_scale", "translation", "scale", "rotation"]
Kind = Literal["unconditional", "conditional", "none"]


class Context(NamedTuple):
    """What a receiver knows beside the messages.

    `key` is this round's randomness; `anchor` the vector `[d]` that this receiver trusts (its own model in
    gossip, the last aggregate at a server); `probe` its own loss of a candidate vector. A rule lists what it
    uses in `needs`, so that a missing piece is an error before anything compiles.
    """

    key: Key | None = None
    anchor: Float[Array, " d"] | None = None
    probe: Callable[[Array], Array] | None = None


class AbstractAggregator(Checked):
    """A rule that turns messages `x [n, d]` and weights `w [n]` into one vector `[d]`.

    `w[i] = 0` means that identity i is absent: the result is then the same as without row i, whatever it
    holds. Weights count identities (1 is one ordinary, fully present identity).
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    """The parts of `Context` that `step` reads."""
    lacks: ClassVar[frozenset[Law]] = frozenset()
    """The laws that this rule does not obey; its docstring says why."""
    certificate_kind: ClassVar[Kind] = "none"
    """Whether `certificate` bounds the influence of a principal always, given the other rows, or never."""
    hull: ClassVar[bool] = False
    """Whether the result lies in the convex hull of the messages present."""
    demands: ClassVar[Callable[..., None] | None] = None
    """`demands(call, w)`, a method where some knobs cannot be meant: it refuses them, given the weights when all are
    present. A protocol asks before anything compiles, `rule(x, w)` does not."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The state before the first round; `like` has the shape `[n, d]` and dtype of the messages."""

    @abstractmethod
    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The next state and the aggregate of finite rows `x` under weights `w`; zero where all are absent."""

    @abstractmethod
    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """Mass present beyond what the rule's guarantee needs; where it is not positive the guarantee is void."""

    @abstractmethod
    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The robustness coefficient: `||y - mean_S||^2 <= kappa * mean_S ||x_i - mean_S||^2`; inf if there is none."""

    @abstractmethod
    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        """How far the identities of `principal` can move the result by any messages, the other rows as in `x`.

        The bound is on `||rule(x, w) - rule(x', w)||` over all `x'` that differ from `x` in those rows only,
        for a rule in its initial state; inf where nothing is guaranteed.
        """

    def __call__(self, x: Any, w: Any = None) -> Float[Array, " d"]:
        """`rule(x, w)`: one aggregate `[d]` of messages `x [n, d]` from the initial state; `w [n]` is 1 by default.

        Messages are an array, or what numpy makes one of: integers and lists count as floats. Non-finite rows count as
        absent; of nobody, and of messages without coordinates, the aggregate is zero. Weights count: weight k is k
        rows, and `f` and every other mass is in that unit. Shares that sum to 1 are another unit; nothing is rescaled
        here (`gj.simulate` refuses such weights and names the way out). Knobs that ask for more identities than there
        are do what the rule's formula says; a protocol refuses them. The same shapes compile once. A rule that needs a
        context is called through `step` instead.
        """
        call = type(self).__name__
        if self.needs:
            raise ConfigurationError(
                f"{call}(x, w): needs={sorted(self.needs)}: call step(state, x, w, Context(...)) "
                "or run it inside a protocol"
            )
        x = messages(x, f"{call}(x, w)")
        w = weights(w, x, f"{call}(x, w)")
        if not x.size:
            return jnp.zeros(x.shape[1:], x.dtype)
        if x.size > LARGE:
            return _on_large(self, x, w)
        # Inside other programs the rule is a part of them.
        return _alone(self, x, w) if concrete((self, x, w)) else _on_present(self, x, w)


LARGE = 2**20
"""Numbers above which messages are copied only if some are not finite: a copy that fits no cache costs more than many
rules, and compiling a rule twice is then the smaller price."""


def _on_present(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    x, w, _ = present(x, w)
    return _on_finite(rule, x, w)


def _on_finite(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    rule, w, _ = in_range(rule, w)
    return rule.step(rule.init(x), x, w, Context())[1]


_alone = eqx.filter_jit(_on_present)
"""What the host calls: compiled once for each shape."""


@compiled
def _on_large(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    def on(what: Callable[..., Array]) -> Callable[[Array, Array], Array]:
        return lambda x, w: what(rule, x, w)

    return jax.lax.cond(finite_rows(x).all(), on(_on_finite), on(_on_present), x, w)


class AbstractCoordinateRule(AbstractAggregator):
    """A rule that averages, per coordinate, the values in a window of mass around the median."""

    lacks: ClassVar[frozenset[Law]] = frozenset({"rotation"})

    @abstractmethod
    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        """The mass dropped at either end of each sorted coordinate when mass `total` is present.

        Half of it or more means that nothing is left to average: the result is then the median.
        """

    def init(self, like: Any) -> PyTree:
        """No state."""
        del like
        return ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The window mean of each coordinate."""
        del ctx
        return state, window_mean(x, w, self.trim(w.sum()))


class AbstractGeometricRule(AbstractAggregator):
    """A rule whose result is `a @ x` with coefficients that depend on distances between rows only."""

    uses_distances: ClassVar[bool] = True
    """Whether `coefficients` reads `dist2`; if not, the Gram product is skipped."""
    of_rows: ClassVar[Callable[..., Array] | None] = None
    """`of_rows(x, w)`, the result without all distances between rows; a method, where that is cheaper."""

    @abstractmethod
    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The coefficient of each row, not negative, 1 in sum; 0 where `w` is 0. `dist2[i, j] = ||x_i - x_j||^2`.

        Beyond the range of floats distances come in another unit, and with them the knobs that are lengths.
        """

    def init(self, like: Any) -> PyTree:
        """No state."""
        del like
        return ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """`coefficients(distances of x, w) @ x`, by way of the rows where the rule has one."""
        del ctx
        rows, w = widened(x), widened(w)
        if self.of_rows is not None:
            return state, self.of_rows(rows, w).astype(x.dtype)
        if not self.uses_distances:
            return state, combined(self.coefficients(None, w), rows).astype(x.dtype)
        dist2, scale = unit_distances(rows, w)
        return state, combined(in_units(self, length=scale).coefficients(dist2, w), rows).astype(x.dtype)


def own_mass(rule: AbstractAggregator, w: Float[Array, " n"]) -> Float[Array, ""]:
    """`F = f + share * W` by the knobs of these names, 0 without them: the mass that a rule is set to bear."""
    f, share = (jnp.asarray(getattr(rule, name, 0)).astype(w.dtype) for name in ("f", "share"))
    return f + share * w.sum()


def median_kappa(rule: AbstractAggregator, w: Float[Array, " n"]) -> Float[Array, ""]:
    """`4 (1 + r)^2` with `r = F / (W - 2 F)`, for a minimiser of distances, in space or per coordinate.

    It costs no more than the mean m of S does, so `(W - 2 F) ||y - m|| <= 2 (W - F) mean_S ||x_i - m||`.
    """
    mass = own_mass(rule, w)
    free = w.sum() - 2 * mass
    return jnp.where(free > 0, 4 * jnp.square((w.sum() - mass) / jnp.where(free > 0, free, 1)), jnp.inf)
