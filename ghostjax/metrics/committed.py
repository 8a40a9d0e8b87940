"""Who moves the model against a charter, beside what committed data say of it."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._round import Moments, Round, Seen
from ghostjax._types import ConfigurationError, real_field
from ghostjax.charters import AbstractCharter
from ghostjax.metrics._base import AbstractMetric, Output
from ghostjax.metrics.charter import against, model_before, proposed_steps


class Committed(AbstractMetric):
    """The push of every identity against a charter, in standard deviations of what its committed data say.

        committed_push_if = (<s_i, v_f> - mu_if) / max(sigma_if, floor),    s_i = -message_i,    v_f as in `Charter`
        committed_step_f  = sum_i w_i (<s_i, v_f> - mu_if) / sqrt(sum_i w_i^2 sigma_if^2)

    with mu_if = -E<g_i, v_f> and sigma_if^2 = Var<g_i, v_f> over the batches that node i may draw, given the model.
    This is the auditor to whom every node has committed its data: it computes both exactly (`task.committed`).

    **Guarantee:** of an honest identity, given the past, `committed_push` has mean 0 and variance 1, whatever the data
    are and however the training drifts: with `detectors.Standard` the input of a sequential test is a martingale
    difference. It is bounded, and not normal: with small batches its tails are heavier than a test of normal input
    allows for, hence the claim of a test holds with `detectors.Shifts(tails="any")`. An identity whose examples all
    agree along v_f has no variance, and its push is counted in multiples of `floor`, which lies above rounding: it
    cannot hide behind examples that are all alike. Absent identities have nan, no observation.

    Costs `f` forward derivatives on all training examples beside those of the charter. **Errors:** gossip, a learner
    that does not send plain gradients, a channel that alters messages, a task without an audit set or without moments,
    as that of a model with dropout. **Traced:** `floor`, in units of messages.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(4, model=gj.tasks.models.MLP((64, 10)), batch_size=4)
    >>> sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), learner=gj.learners.Gradient(),
    ...                     metrics=[gj.metrics.Committed(gj.charters.Dimmed([0.5]))])
    >>> gj.simulate(sim, 2, progress=None).record["committed_push"].shape
    (2, 4, 1)

    ```
    """

    charter: AbstractCharter
    floor: Float[Array, ""] = real_field(default=1e-5, low=0)
    of_gradients: ClassVar[bool] = True
    outputs: ClassVar[Mapping[str, Output]] = {
        "committed_push": Output(dims=("node", "family"), long_name="push beyond committed data, in their deviations"),
        "committed_step": Output(dims=("family",), long_name="push of all beyond committed data, in their deviations"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        if round.mixing is not None or round.committed is None:
            raise ConfigurationError(
                "Committed: protocol: nodes have models of their own; what committed data say is known at a server"
            )
        _, directions = against(self.charter, round, model_before(round))
        known: Moments = jax.vmap(round.committed, out_axes=1)(directions)
        here = (round.weights > 0)[:, None]
        beyond = proposed_steps(round) @ directions.T + known.mean
        weights = jnp.where(here, round.weights[:, None], 0)
        total = (weights * beyond).sum(0)
        variance = jnp.maximum(known.variance, self.floor.astype(beyond.dtype) ** 2)
        return {
            "committed_push": _standard(beyond, variance, here),
            "committed_step": _standard(total, (weights**2 * variance).sum(0), True),
        }


def _standard(x: Float[Array, "*s"], variance: Float[Array, "*s"], counts: Array | bool) -> Float[Array, "*s"]:
    seen = counts & (variance > 0)
    return jnp.where(seen, x / jnp.sqrt(jnp.where(seen, variance, 1)), jnp.nan)
