"""How a charter stands, and who moves the model against it."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import safe_divide, weighted_mean
from ghostjax._round import Round, Seen
from ghostjax.charters import AbstractCharter
from ghostjax.metrics._base import AbstractMetric, Output, present_rows, shared_model


class Charter(AbstractMetric):
    """The charter's losses on the audit set, and how far the round moved the model against each family of probes.

        charter_loss       mean over families of the probes' loss, at the model that the round ends with
        charter_excess_f   probes_f - controls_f, at the same model
        charter_rise_f     charter_excess_f after the round minus before it
        charter_step_f     <theta' - theta, v_f>,    v_f = grad (probes_f - controls_f) / |grad (probes_f - controls_f)|
        charter_push_if    <s_i, v_f>, s_i the step that identity i proposes: minus its message at a server, its model
                           after minus before in gossip

    Gradients are taken at the model that the round began with; in gossip at the mean of the models that are judged.
    Ordinary learning moves probes and controls alike and cancels. A step or a push above 0 raises the loss of the
    probes. Steps follow a direction in which honest nodes push back in the next round, hence they are noisy; rises are
    what is left of them, and show a slow drift in a fraction of the rounds. It reads what participants share: messages,
    models, weights and the audit set.

    Costs `f` gradients on the audit set and one product `[n, d] x [d, f]`. **Errors:** a task without an audit set.

    Source: the difference in differences of econometrics (Ashenfelter and Card, 1985), taken on probes and controls.
    """

    charter: AbstractCharter
    outputs: ClassVar[Mapping[str, Output]] = {
        "charter_loss": Output(long_name="loss on the charter's probes", better="lower"),
        "charter_excess": Output(dims=("family",), long_name="loss of probes beyond controls", better="lower"),
        "charter_rise": Output(dims=("family",), long_name="change of the excess in the round"),
        "charter_step": Output(dims=("family",), long_name="step of the model against the charter"),
        "charter_push": Output(dims=("node", "family"), long_name="proposed step against the charter"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        after, before = shared_model(round), model_before(round)
        probed = self.charter.read(round.audit(after))
        excess, directions = against(self.charter, round, before)
        return {
            "charter_loss": probed.probes.mean(),
            "charter_excess": probed.excess,
            "charter_rise": probed.excess - excess,
            "charter_step": directions @ (after - before),
            "charter_push": proposed_steps(round) @ directions.T,
        }


def against(
    charter: AbstractCharter, round: Round | Seen, theta: Float[Array, " d"]
) -> tuple[Float[Array, " f"], Float[Array, "f d"]]:
    """The excess of every family at the model `theta`, and the unit direction in which it grows fastest."""
    excess, directions = charter.slopes(round.audit, theta)
    norms = jnp.sqrt((directions * directions).sum(1, keepdims=True))
    return excess, safe_divide(directions, norms)


def model_before(round: Round | Seen) -> Float[Array, " d"]:
    """The model with which the round began; in gossip the mean of the models of those that are judged."""
    if round.models.ndim == 1:
        return round.models
    return weighted_mean(present_rows(round.models, round.judged), round.judged)


def proposed_steps(round: Round | Seen) -> Float[Array, "n d"]:
    """The step that each identity proposes by its message, 0 where it is absent."""
    steps = -round.messages if round.mixing is None else round.messages - round.models
    return present_rows(steps, round.weights)
