"""What a metric is: a pure function of the round that says what to record."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array

from ghostjax._round import Round


class AbstractMetric(eqx.Module):
    """Named arrays per round; each has the dimensions that `dims` gives it (none means a scalar)."""

    dims: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Dimensions of the arrays that are not scalars, e.g. `{"influence": ("node",)}`."""

    @abstractmethod
    def __call__(self, round: Round) -> dict[str, Array]:
        """The values of this round, the same names and shapes every round."""
