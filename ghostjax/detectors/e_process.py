"""An e-process: evidence against "nothing has changed since the beginning"."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._round import Reading
from ghostjax._types import real_field
from ghostjax.detectors._base import AbstractTest
from ghostjax.detectors._mixture import nothing_yet, observe, Shifts


class EProcess(AbstractTest):
    """A mixture of likelihood ratios of a mean that is above 0, all from the first observation on.

        evidence = max(0, log mean_lambda prod_t exp(lambda x_t - lambda^2 / 2)) >= h

    While x given the past is standard normal, or 1-sub-Gaussian of mean at most 0, the mixture is a supermartingale
    that starts at 1, and the probability that it *ever* alarms is at most exp(-h) (Ville's inequality): e-values of
    many identities at any stopping time go to `detectors.e_bh`. With `Shifts(tails="any")` mean at most 0 and variance
    at most 1 are enough, as of `metrics.Committed`. **Not** on a signal whose reference is estimated, or that drifts. A
    change that comes late has to make up for what the quiet rounds cost; `ShiryaevRoberts` forgets them.

    **Traced:** `h`, the shifts. **Static:** their number. **State:** three numbers per shift.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> test = gj.detectors.EProcess(h=3.0)
    >>> state = test.init(jnp.zeros(()))
    >>> for t in range(8):
    ...     state, reading = test.step(state, jnp.asarray(1.5), jnp.asarray(t))
    >>> bool(reading.alarm), int(reading.since)
    (True, 0)

    ```

    Source: Ramdas, Grunwald, Vovk and Shafer, Game-theoretic statistics and safe anytime-valid inference,
    arXiv:2210.01948.
    """

    h: Float[Array, ""] = real_field(default=3.0, low=0, inf=True)
    shifts: Shifts = eqx.field(default_factory=Shifts)

    def init(self, like: Any) -> PyTree:
        return nothing_yet(like, self.shifts.size, 0.0)

    def step(self, state: PyTree, x: Float[Array, "*s"], round: Int[Array, ""]) -> tuple[PyTree, Reading]:
        after, mixed, began = observe(state, x, round, self.shifts, restarts=False)
        evidence = jnp.maximum(mixed, 0)
        since = jnp.where(evidence > 0, began, -1)
        return after, Reading(evidence, (evidence >= self.h.astype(x.dtype)) & (evidence > 0), since)
