"""A signal that comes in standard units already."""

from typing import Any

from jaxtyping import Array, Float, Int, PyTree

from ghostjax.detectors._base import AbstractReference


class Standard(AbstractReference):
    """The signal as it is: of mean 0 and variance 1 while nothing has changed, by what its metric says.

    **State:** none.
    """

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def step(self, state: PyTree, x: Float[Array, "*s"], age: Int[Array, ""]) -> tuple[PyTree, Float[Array, "*s"]]:
        del age
        return state, x
