"""Random buckets before a rule."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._types import require, static_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need


def bucket_means(
    x: Float[Array, "n d"], w: Float[Array, " n"], rank: Int[Array, " n"], size: int
) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
    """Weighted means and mean weights of consecutive chunks of `size` present rows in the order of `rank`.

    There are `ceil(n / size)` buckets; those that no present row falls into have weight 0.
    """
    buckets = -(-x.shape[0] // size)
    earlier = (rank[None, :] < rank[:, None]) & (w > 0)[None, :]
    bucket = earlier.sum(1) // size
    member = (bucket[None, :] == jnp.arange(buckets)[:, None]) & (w > 0)[None, :]
    mass = jnp.where(member, w[None, :], 0)
    totals = mass.sum(1)
    share = mass / jnp.where(totals > 0, totals, 1)[:, None]
    counts = member.sum(1).astype(w.dtype)
    weights = totals / jnp.where(counts > 0, counts, 1)
    return jnp.matmul(share, x, precision=jax.lax.Precision.HIGHEST), weights


class Bucketing(AbstractAggregator):
    """Averages random buckets of `size` messages, then applies `rule` to the averages.

    The order is drawn anew each round, from a key per identity: an absent identity leaves the order of the others as
    it is. A bucket weighs what its members weigh on average, so every bucket of ordinary identities counts 1, the last
    one, which may be short, included; f Byzantine identities spoil at most f buckets.

    **Guarantee:** heterogeneity between buckets is `size` times smaller; `f` must stay below what the rule bears among
    `ceil(n / size)` buckets. **Traced:** the rule's knobs, the weights. **Static:** `size`. **Needs:** a key.
    **State:** the rule's. **Lacks:** repetition and permutation (its buckets are drawn), and what the rule lacks.

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing, arXiv:2006.09365.
    """

    rule: AbstractAggregator
    size: int = static_field(default=2)
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "none"

    def __check_init__(self):
        require(self.size >= 1, "Bucketing", "size", self.size, "must be at least 1")

    @property
    def needs(self) -> frozenset[Need]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A key, and what the rule needs."""
        own: frozenset[Need] = frozenset({"key"})
        return self.rule.needs | own

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule lacks, repetition and permutation."""
        own: frozenset[Law] = frozenset({"repetition", "permutation"})
        return self.rule.lacks | own

    def init(self, like: Any) -> PyTree:
        n, d = like.shape
        return self.rule.init(jax.ShapeDtypeStruct((-(-n // self.size), d), like.dtype))

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        n, key = x.shape[0], ctx.key
        assert key is not None
        own = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i), dtype=jnp.uint32))(jnp.arange(n))
        rank = jnp.argsort(jnp.argsort(own))
        means, weights = bucket_means(x, w, rank, self.size)
        inner = ctx._replace(key=jax.random.fold_in(key, n))
        return self.rule.step(state, means, weights, inner)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.rule.slack(self._counts(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def _counts(self, w: Array) -> Array:
        """Buckets of identities that all weigh the same, as many as there will be."""
        count = (w > 0).sum()
        filled = jnp.arange(-(-w.shape[0] // self.size)) * self.size < count
        return jnp.where(filled, w.sum() / jnp.maximum(count, 1).astype(w.dtype), 0)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        del w, principal
        return jnp.asarray(jnp.inf, x.dtype)
