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
    return within(jnp.matmul(share, x, precision=jax.lax.Precision.HIGHEST)), weights


class Bucketing(AbstractWrapper):
    """Averages random buckets of `size` messages, then applies `rule` to the averages.

    The order is drawn anew each round, from a key per identity: an absent identity leaves the order of the others as
    it is. A bucket weighs what its members weigh on average, so every bucket of ordinary identities counts 1, the last
    one, which may be short, included; f Byzantine identities spoil at most f buckets.

    **Guarantee:** heterogeneity between buckets is `size` times smaller. Where all present identities weigh the same
    and the rule is (F, kappa)-robust among the B buckets, every draw is (F, kappa')-robust with
    `kappa' = (kappa + 1) (N - F) / ((B - F) r)`, N the number of identities and r that of the last bucket: F
    identities spoil at most F buckets, and means vary less than their members. **Certificate:** conditional on the
    spread of the others, as with `NNM`, among like weights; and before a rule with a bound that holds whatever the
    others send, that bound for as many buckets as the principal has identities: `2 tau L k / B` before centered
    clipping, at most `w_max / w_min` times that among unlike weights. **Traced:** the rule's knobs, the weights.
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
        """Buckets of identities that all weigh the same, as many as there will be."""
        return self.guarantee.weights(w)

    @property
    def guarantee(self) -> Buckets:
        return Buckets(self.rule.guarantee, self.size)
