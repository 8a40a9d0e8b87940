"""Saves the result of a run without checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._border import folder
from ghostjax._files import unwritable
from ghostjax._types import require
from ghostjax.sinks._base import AbstractSink, Beginning


class Results(AbstractSink):
    """Saves the run in `directory` when it ends, as `Run.save` does: `results.nc`, `final.npz`, `seal.json`.

    `simulate(directory=...)` does this too, and also writes checkpoints. A run that an exception ended is not saved.

    Errors: `ConfigurationError` before the first round for a folder that cannot be written to.
    """

    def __init__(self, directory: str | Path):
        self.directory = folder(directory, "Results", "directory")

    def begin(self, beginning: Beginning) -> None:
        problem = unwritable(self.directory)
        require(
            problem is None, "Results", "directory", self.directory, f"cannot be written to ({problem}); choose another"
        )

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        pass

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        if run is not None:
            run.save(self.directory)
