"""The host between two chunks: it passes rows to sinks, writes checkpoints, and decides whether to stop."""

import contextlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ghostjax._run._checkpoint import Keeper
from ghostjax.sinks import AbstractSink, Beginning


FAR = 2**31 - 1


class Host:
    """Collects the rows of a run, passes them to its sinks, writes its checkpoints, and decides when to stop.

    A sink that raises gets no more rows, and the run stops. `check` raises its exception after all is saved. If the
    context is left before `end` was called, every sink that has begun gets `end(None)`.
    """

    def __init__(self, sinks: Sequence[AbstractSink] = (), stop_requested: Callable[[], bool] = lambda: False):
        self.keeper: Keeper | None = None
        self.pieces: list[dict[str, np.ndarray]] = []
        self._sinks, self._stop_requested = sinks, stop_requested
        self._begun: list[AbstractSink] = []
        self._failures: list[tuple[AbstractSink, Exception]] = []
        self._kept = 0

    def __enter__(self) -> "Host":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sink in self._begun:  # none, where they have ended
            with contextlib.suppress(Exception):
                sink.end(None)

    def begin(self, beginning: Beginning, keeper: Keeper | None = None) -> None:
        """Before the first chunk."""
        self.keeper = keeper
        if beginning.round:
            self.pieces.append(dict(beginning.record))
            self._kept = 1
        for sink in self._sinks:
            self._begun.append(sink)
            sink.begin(beginning)

    def rows(self, rows: dict[str, np.ndarray], start: int) -> None:
        """The rows of one chunk."""
        self.pieces.append(rows)
        self._tell(lambda sink: sink.rows(rows, start))

    def stops(self, done: int) -> bool:
        """Whether the run should stop after `done` rounds."""
        return bool(self._failures) or self.enough(done) or self._stop_requested()

    def enough(self, done: int) -> bool:
        """Whether a sink ends the run after `done` rounds."""
        return done > 0 and any(sink.enough for sink in self._deciding(done))

    def room(self, done: int) -> int:
        """Rounds that may be played before a sink or a checkpoint needs the state after them."""
        return min((sink.every - done % sink.every for sink in self._sinks if sink.every), default=FAR)

    def waits(self, done: int) -> bool:
        """Whether all rows must reach the host before the round after `done` is played."""
        return bool(self._deciding(done)) or (self.keeper is not None and self.keeper.due())

    def look(self, state: Any, done: int) -> None:
        """Shows the state before round `done` to the sinks that want it."""
        for sink in self._deciding(done):
            if sink.looks is not None:
                self._tell_one(sink, lambda sink: sink.looks(state, done))

    def settle(self, state: Any, done: int, last: bool = False) -> None:
        """All rows of `done` rounds were seen, and `state` is the one after them: sinks look, it is saved if due."""
        if not last:
            self.look(state, done)
        new = self.pieces[self._kept :]
        if self.keeper is None or not new or not (last or self.keeper.due()):
            return
        path = self.keeper.save(state, new, done)
        self._kept = len(self.pieces)
        self._tell(lambda sink: sink.saved(path, done))

    def check(self, directory: Path | None, done: int) -> None:
        """Raises the exception of a sink, with a note that says which rounds are saved."""
        for sink, error in self._failures:
            kept = f"its first {done} rounds are saved in {directory}, and the same call continues from there"
            lost = "nothing of it is kept; with directory= it would have been saved"
            what = f"the run stopped; {kept if directory else lost}"
            error.add_note(f"raised by the sink {type(sink).__name__}: {what}")
            raise error

    def end(self, run: Any) -> None:
        """After the last chunk. The run is complete, even if a sink fails now."""
        while self._begun:
            sink = self._begun.pop(0)
            try:
                sink.end(run)
            except Exception as error:
                why = f"{type(error).__name__}: {error}".splitlines()[0]
                warnings.warn(f"simulate: sinks={type(sink).__name__}: its end failed ({why}); the run is whole",
                              stacklevel=4)  # fmt: skip

    def _deciding(self, done: int) -> list[AbstractSink]:
        return [sink for sink in self._sinks if sink.every and done % sink.every == 0]

    def _tell(self, call: Callable[[AbstractSink], None]) -> None:
        for sink in self._sinks:
            self._tell_one(sink, call)

    def _tell_one(self, sink: AbstractSink, call: Callable[[Any], None]) -> None:
        if all(sink is not failed for failed, _ in self._failures):
            try:
                call(sink)
            except Exception as error:
                self._failures.append((sink, error))
