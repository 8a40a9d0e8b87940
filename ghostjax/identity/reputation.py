"""Weights by the record of an identity: how near its messages were to the results."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import power_near, safe_divide, weighted_mean
from ghostjax._round import Seen
from ghostjax._types import real_field
from ghostjax.identity._base import above_zero, AbstractIdentity


class Experience(NamedTuple):
    """How much good and bad experience there is with each identity, in rounds; older rounds count less."""

    good: Float[Array, " n"]
    bad: Float[Array, " n"]


class Reputation(AbstractIdentity):
    """Identity i counts for its expected good conduct, from the distances of its messages to the results so far.

        w_i    <- w_i s_i / mean_j s_j,    s_i = floor + (1 - floor) (good_i + 2 prior) / (good_i + bad_i + 2)
        good_i <- keep good_i + g_i,       bad_i <- keep bad_i + 1 - g_i
        g_i     = 1 / (1 + (z_i / limit)^2),    z_i = ||x_i - y||^2 / (sum_j w_j ||x_j - y||^2 / W)

    y is the aggregate at a server, and in gossip the mean of the models after the round. Weights w in z are those of
    the round, so whoever lost its reputation no longer sets the unit of distance. An identity that is absent, or in
    quarantine, keeps its record as it is.

    **Guarantee:** the record is computed from what participants see, whoever is Byzantine. It is a smooth function of
    messages and weights, so an adjoint goes through it. Identities that hold a share p of the weight have on average
    `z <= 1 / p`: attackers with more than `1 / limit` of it need not lose their reputation. Not guaranteed: that a bad
    record stays with its owner. A newcomer has `prior`, and who falls below it gains by a new name (`Age` makes that
    cost). Honest identities with unusual data lose reputation as attackers do.

    **Traced:** `keep`, the share of a record that is left after a round; `limit`, the squared distance in units of the
    mean one that is half good; `prior`, the expectation without experience; `floor`, the share of a perfect record that
    nobody falls below. **State:** good and bad experience `[n]` each. **Errors:** a limit or a prior of 0.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> task = gj.tasks.quadratic(6, 3)
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Median()), attack=gj.attacks.Constant(9.0),
    ...                     byzantine=1, identity=gj.identity.Reputation())
    >>> run = gj.simulate(sim, 20, progress=None)
    >>> sim.identity.weigh(run.state.identity, jnp.ones(6)).argmin().item()
    5

    ```

    Source: Jøsang and Ismail, The Beta Reputation System, 15th Bled Electronic Commerce Conference, 2002 (expectation,
    forgetting); weights by residual as in Fu et al., Attack-Resistant Federated Learning with Residual-based
    Reweighting, arXiv:1912.11464.
    """

    keep: Float[Array, ""] = real_field(default=0.9, low=0, high=1)
    limit: Float[Array, ""] = real_field(default=3.0, low=0)
    prior: Float[Array, ""] = real_field(default=0.5, low=0, high=1)
    floor: Float[Array, ""] = real_field(default=0.0, low=0, high=1)

    def __check_init__(self):
        above_zero(self, "limit", "prior")

    def init(self, num_nodes: int) -> Experience:
        return Experience(jnp.zeros(num_nodes), jnp.zeros(num_nodes))

    def weigh(self, state: Experience, w: Float[Array, " n"]) -> Float[Array, " n"]:
        good, bad = state.good.astype(w.dtype), state.bad.astype(w.dtype)
        prior, floor = self.prior.astype(w.dtype), self.floor.astype(w.dtype)
        counts = floor + (1 - floor) * (good + 2 * prior) / (good + bad + 2)
        return w * (counts / counts.mean())

    def remember(self, state: Experience, seen: Seen) -> Experience:
        z, observed = _distances(seen, state.good.dtype)
        keep, limit = self.keep.astype(z.dtype), self.limit.astype(z.dtype)
        g = 1 / (1 + jnp.square(z / limit))
        good, bad = keep * state.good + g, keep * state.bad + (1 - g)
        return Experience(jnp.where(observed, good, state.good), jnp.where(observed, bad, state.bad))


def _distances(seen: Seen, dtype: jnp.dtype) -> tuple[Float[Array, " n"], Bool[Array, " n"]]:
    """Squared distances to the result in units of the weighted mean one, and who was observed."""
    w = seen.weights
    present, w = w > 0, w.astype(dtype)
    x = jnp.where(present[:, None], seen.messages, 0).astype(dtype)
    result = seen.result.astype(dtype)
    centre = result if seen.shared else weighted_mean(jnp.where(present[:, None], result, 0), w)
    finite = jnp.isfinite(centre).all()
    centre = jnp.where(finite, centre, 0)
    # Rows are scaled before the centre is subtracted: squares, and a difference of the largest numbers, overflow.
    unit = power_near(jnp.maximum(jnp.abs(x).max(initial=0), jnp.abs(centre).max(initial=0)))
    square = jnp.square(x * unit - (centre * unit)[None, :]).sum(1)
    return safe_divide(square, weighted_mean(square[:, None], w)[0]), present & finite
