"""Curves for Weights & Biases."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._output import Output
from ghostjax._types import ConfigurationError
from ghostjax.sinks._base import AbstractSink, Beginning
from ghostjax.sinks._scalars import part, scalars


class WandB(AbstractSink):
    """Logs every scalar of the record to Weights & Biases, by round; needs the package wandb, and its account.

    `options` are those of `wandb.init` (`project=`, `mode="offline"`, ...). The run's `id` is the name that its
    continuations share, so that they extend the same curves. A step that was logged already is not logged again.

    Errors: `ConfigurationError` if wandb is missing.
    """

    def __init__(self, **options: Any):
        try:
            self._wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise ConfigurationError("WandB: wandb=None: it is not installed; pip install wandb") from error
        self._options = options
        self._run: Any = None
        self._outputs: Mapping[str, Output] = {}
        self._logged = 0

    def begin(self, beginning: Beginning) -> None:
        self._outputs = beginning.training.simulation.outputs
        given = {"id": beginning.name, "resume": "allow", "config": dict(beginning.provenance), **self._options}
        self._run = self._wandb.init(**given)
        self._logged = int(self._run.step)
        first = min(self._logged, beginning.round)
        self.rows(part(beginning.record, first, beginning.round), first)

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        for round, values in scalars(rows, start, self._outputs):
            if round >= self._logged:
                self._run.log(values, step=round)

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1 if run is None else 0)
            self._run = None
