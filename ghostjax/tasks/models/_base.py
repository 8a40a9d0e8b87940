"""What a model is to a task: a pair of functions."""

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Array, PyTree

from ghostjax._border import Checked
from ghostjax._types import Key


class AbstractModel(Checked):
    """Parameters from a key, and outputs from parameters and inputs."""

    sequential: ClassVar[bool] = False
    """Whether a CPU should take one node after the other: large inner products, which lose more by being transposed
    for a batch of nodes than they gain."""

    @abstractmethod
    def init(self, key: Key) -> PyTree:
        """Parameters, all of one floating dtype."""

    @abstractmethod
    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        """Outputs `[b, ...]` for a batch `x [b, ...]`; without a key there is no dropout."""
