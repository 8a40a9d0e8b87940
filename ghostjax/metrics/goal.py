"""The stated goal of the network, on data that nobody trains on."""

from typing import ClassVar

from jaxtyping import Array

from ghostjax._round import Round, Seen
from ghostjax.metrics._base import AbstractMetric, shared_model


class Goal(AbstractMetric):
    """The stated goal (`loss`, `accuracy`, ...) at the shared model, or at the mean of honest models in gossip.

    It is read on the task's validation set (`run.evaluate("test")` is for tables), and declared by `task.outputs`.
    """

    of_goal: ClassVar[tuple[str, ...]] = ("",)

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        return round.evaluate(shared_model(round))
