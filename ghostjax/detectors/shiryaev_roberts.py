"""The Shiryaev-Roberts statistic, mixed over sizes of the change."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._round import Reading
from ghostjax._types import real_field
from ghostjax.detectors._base import AbstractTest
from ghostjax.detectors._mixture import nothing_yet, observe, Shifts


class ShiryaevRoberts(AbstractTest):
    """A mixture of Shiryaev-Roberts statistics: an e-detector for a mean that rises by an unknown amount.

        R_lambda <- (1 + R_lambda) exp(lambda x - lambda^2 / 2),    evidence = log(1 + mean_lambda R_lambda) >= h

    While x given the past is standard normal, or 1-sub-Gaussian of mean at most 0, `R_t - t` is a supermartingale and
    the mean number of observations until a false alarm is at least exp(h) - 1. With `Shifts(tails="any")` mean at most
    0 and variance at most 1 are enough, as of `metrics.Committed`. **Not** on a signal whose reference is estimated, or
    that drifts as honest training does: then `h` is calibrated on honest runs. `since` is the earliest round in which
    Page's sum last left 0, among the shifts whose evidence is about the largest.

    **Traced:** `h`, the shifts `low` and `high`. **Static:** their number and `tails`. **State:** three numbers per
    shift.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> test = gj.detectors.ShiryaevRoberts(h=4.0)
    >>> state = test.init(jnp.zeros(()))
    >>> for t in range(12):
    ...     state, reading = test.step(state, jnp.asarray(2.0 * (t >= 4)), jnp.asarray(t))
    >>> bool(reading.alarm), int(reading.since)
    (True, 4)

    ```

    Source: Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change detection,
    arXiv:2203.03532.
    """

    h: Float[Array, ""] = real_field(default=8.0, low=0, inf=True)
    shifts: Shifts = eqx.field(default_factory=Shifts)

    def init(self, like: Any) -> PyTree:
        return nothing_yet(like, self.shifts.size, -jnp.inf)

    def step(self, state: PyTree, x: Float[Array, "*s"], round: Int[Array, ""]) -> tuple[PyTree, Reading]:
        after, mixed, since = observe(state, x, round, self.shifts, restarts=True)
        evidence = jax.nn.softplus(mixed)
        return after, Reading(evidence, (evidence >= self.h.astype(x.dtype)) & (evidence > 0), since)
