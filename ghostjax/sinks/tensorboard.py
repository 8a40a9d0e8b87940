"""Curves for TensorBoard."""

import importlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._border import folder
from ghostjax._files import read_plain, unwritable, write_atomic
from ghostjax._output import Output
from ghostjax._types import ConfigurationError, require
from ghostjax.sinks._base import AbstractSink, Beginning
from ghostjax.sinks._scalars import part, scalars


MARK = "ghostjax.json"
"""The mark file: it names the run of a folder's events and the number of rounds that are safely written."""


class TensorBoard(AbstractSink):
    """Writes every scalar of the record as events to `directory`, by round; needs `pip install ghostjax[track]`.

    `tensorboard --logdir` shows the curves while they grow. A file beside the events, `ghostjax.json`, names their run
    and the number of rounds on the disk. A continued run makes TensorBoard drop later rounds and writes them again from
    the record, so that it shows each round once.

    Errors: `ConfigurationError` before the first round if tensorboardX is missing, if the folder holds the events of
    another run, or if it cannot be written to.
    """

    def __init__(self, directory: str | Path):
        self.directory = folder(directory, "TensorBoard", "directory")
        try:
            # tensorboardX's SummaryWriter passes events to a thread for which `flush` does not wait. This writer waits.
            self._writer_of = importlib.import_module("tensorboardX.event_file_writer").EventsWriter
            self._summary = importlib.import_module("tensorboardX.summary").scalar
            self._proto = importlib.import_module("tensorboardX.proto.event_pb2")
        except ImportError as error:
            raise ConfigurationError(
                f"TensorBoard: directory={directory}: tensorboardX is not installed; pip install 'ghostjax[track]'"
            ) from error
        self._writer: Any = None
        self._outputs: Mapping[str, Output] = {}
        self._name, self._written = "", 0

    def begin(self, beginning: Beginning) -> None:
        problem = unwritable(self.directory)
        remedy = f"cannot be written to ({problem}); choose another"
        require(problem is None, "TensorBoard", "directory", self.directory, remedy)
        found = self._found()
        known = 0 if found is None else found["rounds"]
        ours = found is None or found["run"] == beginning.name
        remedy = "it holds the events of another run; choose another"
        require(ours, "TensorBoard", "directory", self.directory, remedy)
        self._name, self._outputs = beginning.name, beginning.training.simulation.outputs
        first = min(known, beginning.round)
        self._writer = self._writer_of(str(self.directory / "events"), f".{time.time_ns()}")
        # TensorBoard drops the events of earlier files from this round on.
        began = self._proto.SessionLog(status=self._proto.SessionLog.START)
        self._writer.write_event(self._proto.Event(step=first, session_log=began))
        self._written = first
        self.rows(part(beginning.record, first, beginning.round), first)
        self._settle()

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        for round, values in scalars(rows, start, self._outputs):
            for name, value in values.items():
                summary = self._summary(name, value)
                self._writer.write_event(self._proto.Event(step=round, wall_time=time.time(), summary=summary))
            self._written = round + 1

    def saved(self, path: Path, round: int) -> None:
        self._settle()

    def end(self, run: Any) -> None:
        if self._writer is not None:
            self._settle()
            self._writer.close()
            self._writer = None

    def _settle(self) -> None:
        """Writes the events, then the mark with their number: rounds that the mark counts are on the disk."""
        self._writer.flush()
        write_atomic(self.directory / MARK, json.dumps({"run": self._name, "rounds": self._written}).encode())

    def _found(self) -> dict[str, Any] | None:
        """The content of the folder's mark; None if there are no events."""
        try:
            found = json.loads(read_plain(self.directory / MARK))
            return {"run": str(found["run"]), "rounds": int(found["rounds"])}
        except FileNotFoundError:
            others = any(self.directory.glob("events.out.tfevents.*"))
            return {"run": "", "rounds": 0} if others else None
        except (OSError, ValueError, TypeError, KeyError):
            return {"run": "", "rounds": 0}
