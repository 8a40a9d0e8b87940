"""The base class of learners: between two exchanges, a node turns its objective into an update."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import Checked


Objective = Callable[[Float[Array, "*n d"], Int[Array, ""] | int], tuple[Float[Array, " n"], Float[Array, "n d"]]]
"""`objective(models, draw)`: local losses `[n]` and gradients `[n, d]` at `models` (`[d]` shared or `[n, d]`)
on the draw-th batch of this round."""


class AbstractLearner(Checked):
    """Turns the objectives of nodes into updates `[n, d]`.

    An update points *against* the change of the model that the node proposes (like a gradient), so that an
    outer optimizer descends along it: a gradient, a momentum, or `start - end` of local steps.
    """

    sends_gradients: ClassVar[bool] = False
    """Whether an update is the gradient of one batch at the model of the round, and nothing else."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The nodes' memory before the first round; `like` has the shape `[n, d]` and dtype of the updates."""

    @abstractmethod
    def learn(
        self, state: PyTree, models: Float[Array, "*n d"], objective: Objective
    ) -> tuple[PyTree, Float[Array, "n d"], Float[Array, " n"]]:
        """The next memory, the updates `[n, d]` and the local losses `[n]`."""
