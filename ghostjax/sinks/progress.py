"""The progress of a run on standard error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._declared import attributes_of
from ghostjax.sinks._base import AbstractSink, Beginning
from ghostjax.sinks._reporter import How, known_progress, Reporter


class Progress(AbstractSink):
    """Shows on standard error the rounds played, their speed, and the time left.

    `how` is "auto" (a bar on a terminal, one line in a notebook, otherwise a line every ten seconds), "lines", or a
    function `(done, total, latest)`. Speed and time left are measured from the end of the first chunk, which includes
    compilation. The entries shown are the first two that declare which direction is better.

    `simulate(progress=...)` makes one.
    """

    def __init__(self, how: How = "auto"):
        self._how = known_progress(how, "Progress")
        self._reporter: Reporter | None = None

    def begin(self, beginning: Beginning) -> None:
        said = attributes_of(beginning.training.simulation)
        self._reporter = Reporter(self._how, beginning.training.rounds, "round", "Progress", beginning.round, said)
        self._reporter.open()

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        if self._reporter is not None:
            self._reporter.update(start + len(next(iter(rows.values()))), rows)

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        if self._reporter is not None:
            self._reporter.close()
