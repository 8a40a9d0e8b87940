"""Log likelihood ratios of a shift by each of a few sizes, and when the change began by each of them."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._border import Checked
from ghostjax._types import concrete, real_field, require, static_field


class Shifts(Checked):
    """`size` shifts of the mean, geometric from `low` to `high` standard deviations, each as likely as the others.

    A test adds up, for every shift lambda, a term whose exponential has mean at most 1 while nothing has changed:

        tails="light":  lambda x - lambda^2 / 2                          x given the past is 1-sub-Gaussian
        tails="any":    u - u^2 / 6 - lambda^2 / 3,  u = min(lambda x, 3)    x given the past has variance at most 1

    both of mean at most 0. The second is nearly as fast for small shifts: its mean under a shift by lambda is
    `lambda^2 / 2 - O(lambda^4)` too. An observation adds at most 1.5.

    **Traced:** `low`, `high`. **Static:** `size`, `tails`.

    Source of the second: Howard, Ramdas, McAuliffe and Sekhon, Time-uniform Chernoff bounds via nonnegative
    supermartingales, arXiv:1808.03204, after Delyon (2009).
    """

    low: Float[Array, ""] = real_field(default=0.02, low=0)
    high: Float[Array, ""] = real_field(default=1.0, low=0)
    size: int = static_field(default=12, whole=True, low=1)
    tails: Literal["light", "any"] = static_field(default="light", choices=("light", "any"))

    def __check_init__(self):
        limits = (self.low, self.high)
        # What is no number is refused by its own knob.
        if concrete(limits) and all(isinstance(limit, jax.Array) for limit in limits):
            low, high = map(float, limits)
            require(low > 0, "Shifts", "low", low, "a shift of 0 is no change")
            require(high >= low, "Shifts", "high", high, f"at least low={low:g}")

    def ratios(self, x: Float[Array, "*s"]) -> Float[Array, "*s g"]:
        """What `x` adds to the evidence of every shift; for light tails log dN(lambda, 1)/dN(0, 1)."""
        low, high = self.low.astype(x.dtype), self.high.astype(x.dtype)
        steps = jnp.arange(self.size, dtype=x.dtype) / max(self.size - 1, 1)
        shifts = (low * (high / low) ** steps).reshape(*(1,) * x.ndim, -1)
        # Within the finite numbers: inf - inf would be nan for ever.
        largest = jnp.sqrt(jnp.finfo(x.dtype).max)
        scaled = shifts * jnp.clip(x, -largest, largest)[..., None]
        if self.tails == "light":
            return scaled - shifts**2 / 2
        # exp(u - u^2 / 6) <= 1 + u + u^2 / 3 for all u, and it falls beyond 3. A cap lowers mean and variance.
        scaled = jnp.minimum(scaled, 3)
        return scaled - scaled**2 / 6 - shifts**2 / 3


class Mixture(NamedTuple):
    """For every shift the logarithm of its statistic, Page's sum, and the round in which that last left 0 (-1 at 0)."""

    log: Float[Array, "*s g"]
    total: Float[Array, "*s g"]
    since: Int[Array, "*s g"]


def nothing_yet(like: Any, size: int, log: float) -> Mixture:
    """Nothing was observed; `log` is where each statistic starts."""
    shape = (*like.shape, size)
    return Mixture(jnp.full(shape, log, like.dtype), jnp.zeros(shape, like.dtype), jnp.full(shape, -1, jnp.int32))


def observe(
    state: Mixture, x: Float[Array, "*s"], round: Int[Array, ""], shifts: Shifts, *, restarts: bool
) -> tuple[Mixture, Float[Array, "*s"], Int[Array, "*s"]]:
    """One more observation: the memory, the logarithm of the mean statistic, and the estimate of the start.

    A statistic that `restarts` counts every round as a start; else only the first one counts. nan is no observation.
    """
    ratios = shifts.ratios(jnp.where(jnp.isnan(x), 0, x))
    limit = jnp.finfo(x.dtype).max
    past = jax.nn.softplus(state.log) if restarts else state.log
    total = jnp.maximum(0, state.total + ratios)
    start = jnp.where(state.since < 0, round.astype(jnp.int32), state.since)
    found = Mixture(jnp.clip(past + ratios, -limit, limit), total, jnp.where(total > 0, start, -1))
    seen = ~jnp.isnan(x)
    after = Mixture(*(jnp.where(seen[..., None], new, old) for new, old in zip(found, state, strict=True)))
    mixed = jax.nn.logsumexp(after.log, axis=-1) - jnp.log(jnp.asarray(shifts.size, x.dtype))
    return after, mixed, _earliest(after.log, after.since)


LIKELY = 0.5
"""By how much less, in logarithms, the evidence of a shift may speak for its start."""


def _earliest(evidence: Float[Array, "*s g"], since: Int[Array, "*s g"]) -> Int[Array, "*s"]:
    """The earliest start by a shift whose evidence is about the largest; -1 where none has begun.

    A small shift that began early and a large one that began late explain the same signal. Who goes back too late keeps
    what was done; who goes back too early loses some rounds.
    """
    likely = (evidence >= evidence.max(-1, keepdims=True) - LIKELY) & (since >= 0)
    never = jnp.iinfo(since.dtype).max
    first = jnp.where(likely, since, never).min(-1)
    return jnp.where(first == never, -1, first)
