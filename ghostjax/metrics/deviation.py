"""How far every message is from the mean of all."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import safe_divide, squared_distances_to, weighted_mean
from ghostjax._round import Round, Seen
from ghostjax.metrics._base import AbstractMetric, Output, present_rows


class Deviation(AbstractMetric):
    """The distance of every message from the mean of all, in multiples of the median distance.

        deviation_i = |m_i - mean(m)| / median_j |m_j - mean(m)|

    The mean is weighted by the round's weights; the median is over identities that are present, each counted once.
    It reads what participants share: an identity that hides among honest noise has a deviation of about 1. Absent
    identities have nan. Where the median is 0 so is the deviation.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> sim = gj.Simulation(gj.tasks.quadratic(8, 2), gj.protocols.Server(gj.aggregators.Mean()), byzantine=1,
    ...                     attack=gj.attacks.SignFlip(scale=9), metrics=[gj.metrics.Deviation()])
    >>> bool(gj.simulate(sim, 1, progress=None).record["deviation"][0, 7] > 2)
    True

    ```
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "deviation": Output(dims=("node",), long_name="distance of the message from the mean, in median distances"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        rows = present_rows(round.messages, round.weights)
        distances = jnp.sqrt(squared_distances_to(rows, weighted_mean(rows, round.weights)))
        here = round.weights > 0
        median = jnp.nanmedian(jnp.where(here, distances, jnp.nan))
        return {"deviation": jnp.where(here, safe_divide(distances, median), jnp.nan)}
