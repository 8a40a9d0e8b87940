"""Weights that grow with the rounds of presence."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._round import Seen
from ghostjax._types import real_field
from ghostjax.identity._base import above_zero, AbstractIdentity


class Age(AbstractIdentity):
    """A newcomer counts for `start`; its weight grows with every round in which it is present, until it is full.

        w_i <- w_i s_i / mean_j s_j,    s_i = start + (1 - start) min(1, age_i / rounds)

    `age_i` counts the rounds in which identity i had a weight. It stands still while the identity is absent or in
    quarantine. The mean is over all registered identities, also those that have not come yet.

    **Guarantee:** a principal that changes its identity every t rounds counts for at most
    `start + (1 - start) min(1, (t - 1) / rounds)` of a member of full age. Over k identities that are equally old it
    counts for k of them. The derivative in presence does not contain that an absence delays the growth.

    **Traced:** `rounds` until the weight is full, `start`, a share of it. **State:** ages `[n]`. **Errors:** a start of
    0, where nobody would count in the first round; no rounds.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> age = gj.identity.Age(rounds=10, start=0.5)
    >>> [round(weight, 2) for weight in age.weigh(jnp.array([10, 40, 0, 0]), jnp.ones(4)).tolist()]
    [1.33, 1.33, 0.67, 0.67]

    ```

    Source: Friedman and Resnick, The Social Cost of Cheap Pseudonyms, Journal of Economics and Management Strategy 10,
    2001: newcomers pay dues, since otherwise a bad record is shed by a new name.
    """

    rounds: Float[Array, ""] = real_field(default=20.0, low=0)
    start: Float[Array, ""] = real_field(default=0.1, low=0, high=1)

    def __check_init__(self):
        above_zero(self, "rounds", "start")

    def init(self, num_nodes: int) -> Int[Array, " n"]:
        return jnp.zeros(num_nodes, jnp.int32)

    def weigh(self, state: Int[Array, " n"], w: Float[Array, " n"]) -> Float[Array, " n"]:
        rounds, start = self.rounds.astype(w.dtype), self.start.astype(w.dtype)
        counts = start + (1 - start) * jnp.minimum(1, state.astype(w.dtype) / rounds)
        return w * (counts / counts.mean())

    def remember(self, state: Int[Array, " n"], seen: Seen) -> Int[Array, " n"]:
        return state + (seen.weights > 0).astype(state.dtype)
