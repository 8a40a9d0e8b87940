"""Cumulative sums."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._round import Reading
from ghostjax._types import real_field
from ghostjax.detectors._base import AbstractTest


class CUSUMState(NamedTuple):
    """The sum, and the round in which its present excursion from 0 began, -1 while it is 0."""

    total: Float[Array, "*s"]
    since: Int[Array, "*s"]


class CUSUM(AbstractTest):
    """The one-sided cumulative sum, for a mean that rises.

        S <- max(0, S + x - k),    alarm where S >= h and S > 0

    The evidence is S; `since` is the round in which S last left 0, the maximum likelihood estimate of the change for
    normal observations of variance 1 whose mean rises by 2 k. Such a rise is found soonest on average among all tests
    with as rare a false alarm (Moustakides 1986). The false-alarm rate follows from `k` and `h` only for independent
    standard normal observations; on signals of a training it has to be calibrated.

    **Traced:** `k`, `h`. **State:** sum and round.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> test = gj.detectors.CUSUM(k=0.5, h=4.0)
    >>> state, _ = test.step(test.init(jnp.zeros(())), jnp.asarray(0.0), jnp.asarray(0))
    >>> state, reading = test.step(state, jnp.asarray(5.0), jnp.asarray(1))
    >>> float(reading.evidence), bool(reading.alarm), int(reading.since)
    (4.5, True, 1)

    ```

    Source: Page, Continuous Inspection Schemes, Biometrika 41, 1954.
    """

    k: Float[Array, ""] = real_field(default=0.5, low=0)
    h: Float[Array, ""] = real_field(default=8.0, low=0, inf=True)

    def init(self, like: Any) -> PyTree:
        return CUSUMState(jnp.zeros(like.shape, like.dtype), jnp.full(like.shape, -1, jnp.int32))

    def step(self, state: PyTree, x: Float[Array, "*s"], round: Int[Array, ""]) -> tuple[PyTree, Reading]:
        # Within the finite numbers: inf - inf would be nan for ever.
        finite = jnp.clip(x, jnp.finfo(x.dtype).min, jnp.finfo(x.dtype).max)
        total = jnp.maximum(0, state.total + finite - self.k.astype(x.dtype))
        began = jnp.where(state.since < 0, round.astype(jnp.int32), state.since)
        since = jnp.where(total > 0, began, -1)
        observed = ~jnp.isnan(x)
        after = CUSUMState(jnp.where(observed, total, state.total), jnp.where(observed, since, state.since))
        alarm = (after.total >= self.h.astype(x.dtype)) & (after.total > 0)
        return after, Reading(after.total, alarm, after.since)
