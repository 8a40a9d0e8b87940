"""Rules that act on each coordinate separately."""

from abc import abstractmethod
from typing import Any, ClassVar

from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import window_mean, window_mean_slots
from ghostjax.aggregators._base import AbstractAggregator, BySlots, Context, Law


class AbstractCoordinateRule(AbstractAggregator):
    """A rule that averages, per coordinate, the values in a window of mass around the median."""

    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"rotation"})

    @abstractmethod
    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        """The mass dropped at either end of each sorted coordinate when mass `total` is present.

        If it is half of the total or more, nothing is left to average, and the result is the median.
        """

    def init(self, like: Any) -> PyTree:
        """No state."""
        del like
        return ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The window mean of each coordinate."""
        del ctx
        return state, window_mean(x, w, self.trim(w.sum()))

    @property
    def by_slots(self) -> BySlots:
        """One window per receiver and coordinate, over neighbour slots."""
        return lambda rows, nbr, w, level: window_mean_slots(rows, nbr, w, self.trim(w.sum(1)))
