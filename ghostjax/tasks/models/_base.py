"""The base class of models: two functions, `init` and `apply`."""

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Array, PyTree

from ghostjax._border import Checked
from ghostjax._types import Key


class AbstractModel(Checked):
    """Parameters from a key, and outputs from parameters and inputs."""

    sequential: ClassVar[bool] = False
    """Whether a CPU should take one node after the other. This is faster for large inner products, for which a batch of
    nodes costs more in transpositions than it gains."""

    @abstractmethod
    def init(self, key: Key) -> PyTree:
        """Parameters, all of one floating dtype."""

    @abstractmethod
    def apply(self, params: PyTree, x: Array, key: Key | None) -> Array:
        """Outputs `[b, ...]` for a batch `x [b, ...]`; without a key there is no dropout."""
