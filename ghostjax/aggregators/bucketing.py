"""Random buckets before a rule."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._kernels import within
from ghostjax._random import per_node, stream
from ghostjax._types import static_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need
from ghostjax.aggregators._wrapper import AbstractWrapper
from ghostjax.aggregators.guarantees import Buckets


def bucket_means(
    x: Float[Array, "n d"], w: Float[Array, " n"], rank: Int[Array, " n"], size: int
) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
    """Weighted means and mean weights of consecutive chunks of `size` present rows in the order of `rank`.

    There are `ceil(n / size)` buckets. A bucket without a present row has weight 0.
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
    return within(jnp.matmul(share, x, precision=jax.lax.Precision.HIGHEST)), weights


class Bucketing(AbstractWrapper):
    """Averages random buckets of `size` messages, then applies `rule` to the averages.

    The order is drawn in each round, from a key per identity, so an absent identity does not change the order of the
    others. The weight of a bucket is the mean weight of its members. Every bucket of ordinary identities therefore
    counts 1, also the last one, which may be smaller. f Byzantine identities spoil at most f buckets.

    **Guarantee:** heterogeneity between buckets is `size` times smaller. If all present identities have equal weight
    and the rule is (F, kappa)-robust among the B buckets, every draw is (F, kappa')-robust with
    `kappa' = (kappa + 1) (N - F) / ((B - F) r)`, N the number of identities and r that of the last bucket: F
    identities spoil at most F buckets, and means vary less than their members. **Certificate:** for equal weights,
    conditional on the spread of the others, as with `NNM`. If the rule has a bound for arbitrary messages of the
    others, also that bound, for as many buckets as the principal has identities: `2 tau L k / B` before centered
    clipping, and at most `w_max / w_min` times that for unequal weights. **Traced:** the rule's knobs, the weights.
    **Static:** `size`. **Needs:** a key. **State:** the rule's. **Exempt from:** repetition, permutation (buckets are
    drawn), and the laws that the rule is exempt from.

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing, arXiv:2006.09365.
    """

    rule: AbstractAggregator
    size: int = static_field(default=2, whole=True, low=1)
    added_needs: ClassVar[frozenset[Need]] = frozenset({"key"})
    added_exempt_laws: ClassVar[frozenset[Law]] = frozenset({"repetition", "permutation"})

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
        assert ctx.key is not None
        keys = per_node(stream(ctx.key, "buckets"), x.shape[0])
        rank = jnp.argsort(jnp.argsort(jax.vmap(lambda key: jax.random.bits(key, dtype=jnp.uint32))(keys)))
        return bucket_means(x, w, rank, self.size)

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " m"]:
        """The weights of the buckets, if all present identities have equal weight."""
        return self.guarantee.weights(w)

    @property
    def guarantee(self) -> Buckets:
        return Buckets(self.rule.guarantee, self.size)
