"""A metric with a period in rounds."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._border import whole
from ghostjax._output import Output
from ghostjax._round import Round, Seen
from ghostjax._types import require, static_field
from ghostjax.metrics._base import AbstractMetric


class Every(AbstractMetric):
    """`metric` in the first round and in each `every`-th one; it is not computed in the rounds between.

    The `every`-th round ends a stretch (rounds `every - 1`, `2 every - 1`, ...), so that a run whose length is a
    multiple of `every` records its last round. The record of `simulate`, `sweep` and `rollout` holds nan in the rounds
    between (0 for whole numbers), that of a single `step` holds 0; `simulation.outputs[name].due(rounds)` says when
    an entry was due. **Static:** `every`.

    **Errors:** a period of a period.

    ```python
    >>> import ghostjax as gj
    >>> gj.metrics.Every(5, gj.metrics.Goal())
    Every(every=5, metric=Goal())

    ```
    """

    every: int = static_field()
    metric: AbstractMetric  # pyright: ignore[reportGeneralTypeIssues]

    def __check_init__(self):
        whole(self.every, "Every", "every", low=1)
        once = not isinstance(self.metric, Every)
        require(once, "Every", "metric", "Every(...)", "give the metric itself, one period is enough")

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        metric: Any = self.metric  # refuses hidden fields
        if self.every == 1:
            return metric(round)
        like = jax.eval_shape(lambda: metric(round))
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
        return jax.lax.cond(Output(every=self.every).due(round.index), lambda: metric(round), lambda: blank)
