"""The stated goal: what the collective is for, on data that nobody trains on."""

from jaxtyping import Array

from ghostjax._round import Round
from ghostjax._types import static_field
from ghostjax.metrics._base import AbstractMetric, occasionally, shared_model


class Goal(AbstractMetric):
    """The stated goal (`loss`, `accuracy`, ...) at the shared model, or at the mean of honest models in gossip.

    It is read on the task's validation set (`run.evaluate("test")` is for tables). Recorded in the first round and
    each `every`-th one, nan between. **Static:** `every`.
    """

    every: int = static_field(default=1)

    def __call__(self, round: Round) -> dict[str, Array]:
        return occasionally(self.every, round, lambda: round.evaluate(shared_model(round)))
