"""The loss that the nodes themselves minimise."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import weighted_mean
from ghostjax._round import Round
from ghostjax.metrics._base import AbstractMetric, Output, present_rows


class TrainingLoss(AbstractMetric):
    """The mean local loss of honest nodes on this round's batch, before the round's step; nan if none is present.

    training_loss = sum_H w_i loss_i / sum_H w_i
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "training_loss": Output(long_name="mean local loss of honest nodes", better="lower")
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        honest = round.honest
        mean = weighted_mean(present_rows(round.losses, honest)[:, None], honest)[0]
        return {"training_loss": jnp.where((honest > 0).any(), mean, jnp.nan)}
