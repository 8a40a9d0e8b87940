"""The plain stochastic gradient."""

from typing import Any, ClassVar

from jaxtyping import Array, Float, PyTree

from ghostjax.learners._base import AbstractLearner, Objective


class Gradient(AbstractLearner):
    """Sends the gradient of one batch: `Momentum(beta=0)` without the memory of `[n, d]`."""

    sends_gradients: ClassVar[bool] = True

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def learn(
        self, state: PyTree, models: Float[Array, "*n d"], objective: Objective
    ) -> tuple[PyTree, Float[Array, "n d"], Float[Array, " n"]]:
        losses, gradients = objective(models, 0)
        return state, gradients, losses
