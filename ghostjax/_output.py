"""The declaration of an entry of the record: dimensions, names, which direction is better, and when it is due."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, shown, whole
from ghostjax._types import require


@dataclasses.dataclass(frozen=True)
class Output:
    """The declaration of one entry of the record.

    `dims` are its dimensions after the round. Reports show `long_name` and `units`. `better` is the direction that is
    better ("lower", "higher", or None). With `finite`, a value that is not finite means that the training diverged.
    `every` is the period in rounds: the entry is due in the first round and in each `every`-th one, so that a run
    whose length is a multiple of `every` records its last round.
    """

    dims: tuple[str, ...] = ()
    long_name: str = ""
    units: str = ""
    better: Literal["lower", "higher"] | None = None
    finite: bool = False
    every: int = 1

    def __post_init__(self):
        choice(self.better, ("lower", "higher", None), "Output", "better")
        whole(self.every, "Output", "every", low=1)
        names = isinstance(self.dims, tuple) and all(isinstance(name, str) for name in self.dims)
        require(names, "Output", "dims", shown(self.dims), 'give a tuple of names, such as ("node",)')

    def due(self, rounds: Any) -> Any:
        """Whether the entry is recorded in each of `rounds` (numpy or jax); in the others it is blank."""
        return (rounds == 0) | ((rounds + 1) % self.every == 0)

    def attributes(self) -> dict[str, Any]:
        """The attributes of a labelled array: every declared value that is not empty."""
        found = {"long_name": self.long_name, "units": self.units, "better": self.better}
        found = {name: value for name, value in found.items() if value}
        return found | ({"every": self.every} if self.every > 1 else {})


GOAL: dict[str, Output] = {
    "loss": Output(long_name="stated loss", better="lower", finite=True),
    "accuracy": Output(long_name="accuracy", better="higher"),
    "distance": Output(long_name="distance to the optimum", better="lower"),
}
"""The entries of a stated goal that are known by their names."""


def with_blanks(record: Mapping[str, np.ndarray], outputs: Mapping[str, Output], start: int = 0) -> dict:
    """The rows of rounds `start`, `start + 1`, ... with nan where an entry was not due.

    On the device these entries hold 0. A deliberate nan there would trip `jax_debug_nans`, which looks for real ones.
    """
    filled = {}
    for name, column in record.items():
        output = outputs.get(name)
        if output is not None and output.every > 1 and jnp.issubdtype(column.dtype, jnp.inexact):
            column = np.array(column)
            column[~output.due(start + np.arange(len(column)))] = np.nan
        filled[name] = column
    return filled
