"""How a slice of the audit set fares beside the rest, and who moves the model against it."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import safe_divide
from ghostjax._round import Round, Seen
from ghostjax.charters import AbstractCharter
from ghostjax.metrics._base import AbstractMetric, Output, shared_model
from ghostjax.metrics.charter import model_before, proposed_steps


class Audit(AbstractMetric):
    """The level of a slice, in logarithms, and each identity's share in the step that raised its loss.

        audit_loss      mean over families of the loss on the slice, at the model that the round ends with
        audit_excess    log(loss on the slice) - log(loss on the rest), averaged over families
        audit_share_i   w_i <s_i, g> / W,    g = grad of the slice's loss where the round began, s_i the proposed step

    Levels show a drift that the direction of single steps does not: honest nodes push back, and an equilibrium forms.
    The slice is a charter, `charters.Slices([8])` or another one; losses of 0 count as the smallest positive number.

    Costs one gradient on the audit set and one product `[n, d] x [d]`. **Errors:** a task without an audit set.
    """

    slice: AbstractCharter
    outputs: ClassVar[Mapping[str, Output]] = {
        "audit_loss": Output(long_name="loss on the slice", better="lower"),
        "audit_excess": Output(long_name="logarithm of the slice's loss beyond that of the rest", better="lower"),
        "audit_share": Output(dims=("node",), long_name="share in the step against the slice"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        after, before = shared_model(round), model_before(round)
        probed = self.slice.read(round.audit(after))
        tiny = jnp.finfo(probed.probes.dtype).tiny
        logs = [jnp.log(jnp.maximum(losses, tiny)) for losses in probed]
        gradient = jax.grad(lambda theta: self.slice.read(round.audit(theta)).probes.mean())(before)
        shares = safe_divide(round.weights * (proposed_steps(round) @ gradient), round.weights.sum())
        return {
            "audit_loss": probed.probes.mean(),
            "audit_excess": (logs[0] - logs[1]).mean(),
            "audit_share": shares,
        }
