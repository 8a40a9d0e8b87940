"""The end of a run that no longer improves."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._border import number, whole
from ghostjax._output import Output
from ghostjax._types import ConfigurationError
from ghostjax.sinks._base import AbstractSink, Beginning


class EarlyStopping(AbstractSink):
    """Ends a run once `metric` has not been better than its best for `patience` recorded values.

    The metric declares whether lower or higher is better. A value is better by more than `least`; nan never is. Values
    count when they are due: under `Every(5, metric)` a patience of 3 means 15 rounds. The run ends after the next round
    that is a multiple of `every`, with the result code `stopped` instead of `completed`. That round does not depend on
    the chunk, nor on stopping and continuing. The model of the run is that of the last round, not of the best one. Use
    a metric on the validation set: stopping by the test set would select on it.

    Errors: `ConfigurationError` before the first round for a metric that is not recorded, is no scalar, or does not
    declare a direction.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> stop = gj.sinks.EarlyStopping("loss", patience=1, least=1.0, every=2)
    >>> gj.simulate(simulation, 100, sinks=[stop], progress=None)
    Run(stopped, 2 rounds, loss=..., accuracy=...)

    ```
    """

    def __init__(self, metric: str, patience: int, *, least: float = 0.0, every: int = 10):
        self.metric = metric
        self.patience = whole(patience, "EarlyStopping", "patience", 1)
        self.least = float(number(least, "EarlyStopping", "least", 0))
        self.every = whole(every, "EarlyStopping", "every", 1)
        self._output, self._sign = Output(), 1.0
        self._best, self._waited = np.inf, 0

    def begin(self, beginning: Beginning) -> None:
        outputs = beginning.training.simulation.outputs
        self._output = self._declared(outputs)
        self._sign = 1.0 if self._output.better == "lower" else -1.0
        self._best, self._waited, self.enough = np.inf, 0, False
        if beginning.round:
            self.rows(beginning.record, 0)

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        column = self._sign * np.asarray(rows[self.metric], float)
        for value in column[np.broadcast_to(self._output.due(start + np.arange(len(column))), column.shape)]:
            if value < self._best - (self.least if np.isfinite(self._best) else 0):
                self._best, self._waited = value, 0
            else:
                self._waited += 1
            self.enough = self.enough or self._waited >= self.patience

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        pass

    def _declared(self, outputs: Mapping[str, Output]) -> Output:
        output = outputs.get(self.metric)
        if output is None:
            near = difflib.get_close_matches(str(self.metric), outputs, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(outputs)}"
        elif output.dims:
            remedy = f"it has dimensions {output.dims}; give a scalar"
        elif output.better is None:
            remedy = 'it does not say which direction is better; declare Output(better="lower") or "higher"'
        else:
            return output
        raise ConfigurationError(f"EarlyStopping: metric={self.metric!r}: {remedy}")
