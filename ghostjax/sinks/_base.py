"""The base class of sinks: objects on the host that follow a run."""

import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ghostjax._training import Training


class Beginning(NamedTuple):
    """The argument of a sink's `begin`, before the first round that it will see.

    `round` is the next round: 0, or the first round of a continuation. `record` holds the rows of the rounds before. A
    sink that writes elsewhere can use it to add rows that a crash took, and to drop rows beyond the checkpoint.
    `provenance` is that of the run, plain data. `name` is the same for a run and its continuations: the beginning of
    the sha256 of its key, its simulation and its start.
    """

    training: Training
    provenance: Mapping[str, Any]
    round: int
    record: Mapping[str, np.ndarray]
    name: str


class AbstractSink(abc.ABC):
    """Follows a run from the host: `gj.simulate(..., sinks=[...])`.

    The calls come in this order: `begin` once; `rows` for every chunk, `saved` after every checkpoint; `end` once.
    Every row of every round reaches a sink exactly once and in order: those before `beginning.round` by `begin`, all
    others by `rows`. After a crash, rounds that were played and not saved are played again. A sink that writes
    elsewhere therefore drops its rows from `beginning.round` on, and adds missing rows before. The device plays the
    next chunk meanwhile; a slower sink delays the run.

    An exception in `begin`, `rows` or `saved` ends the run. The rounds played are saved if the run has a directory, and
    the exception is raised with a note that says so. An exception in `end` becomes a warning, since the run is whole.

    A sink that may end the run sets `every`, and `enough` once it has seen enough. It is asked after rounds `every`,
    `2 every`, ..., for which the host waits, so that the round in which a run ends depends on its rows alone, and
    neither on the chunks nor on stopping and continuing. A sink that needs the state there sets `looks` too.

    ```python
    >>> import ghostjax as gj
    >>> class Best(gj.sinks.AbstractSink):
    ...     def begin(self, beginning):
    ...         self.best = float("inf")
    ...     def rows(self, rows, start):
    ...         self.best = min(self.best, rows["loss"].min())
    ...     def saved(self, path, round):
    ...         pass
    ...     def end(self, run):
    ...         print(f"{self.best:.1f}")
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> run = gj.simulate(simulation, 3, sinks=[Best()], progress=None)
    2.5

    ```
    """

    every: int | None = None
    """Rounds between two looks at `enough`; None for a sink that never ends a run and needs no state."""
    enough: bool = False
    """Whether the run should end."""
    looks: Callable[[Any, int], None] | None = None
    """Called as `looks(state, round)` before rounds 0, `every`, `2 every`, ..., with the state that comes into them."""

    @abc.abstractmethod
    def begin(self, beginning: Beginning) -> None:
        """Called before anything is played. A sink resets its memory of an earlier run here."""

    @abc.abstractmethod
    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        """The record of rounds `start, start + 1, ...`: arrays with the round first, nan for entries not due."""

    @abc.abstractmethod
    def saved(self, path: Path, round: int) -> None:
        """The checkpoint at `path` holds the first `round` rounds; a run without a directory has none."""

    @abc.abstractmethod
    def end(self, run: Any) -> None:
        """The `gj.Run`, or None if an exception ended it. Files and connections are closed here."""
