"""Progress of a run or sweep: a bar on a terminal, one line in a notebook, occasional lines elsewhere."""

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from ghostjax._border import shown
from ghostjax._declared import directed
from ghostjax._types import require


How = str | Callable[[int, int, dict[str, float]], object] | None
"""`"auto"` (a bar on a terminal, one line in a notebook, else lines), `"lines"`, None for silence, or
`progress(done, total, latest)`."""
EVERY = 10.0
"""Seconds between two lines; shorter runs print none."""
REFRESH = 0.5
"""Seconds between two updates of a notebook's line."""


def known_progress(progress: How, call: str) -> How:
    """`progress` if a `Reporter` accepts it."""
    known = progress is None or callable(progress) or (isinstance(progress, str) and progress in ("auto", "lines"))
    seen = progress if isinstance(progress, str) else shown(progress)
    require(known, call, "progress", seen, "use 'auto', 'lines', None or a function (done, total, latest)")
    return progress


class Reporter:
    """Shows the progress of `total` units of work, on standard error so that output stays clean.

    Speed and time left are measured from the end of the first piece, which includes compilation.
    """

    def __init__(self, progress: How, total: int, unit: str, call: str, start: int = 0, outputs: Any = None):
        self._progress, self._total, self._unit = known_progress(progress, call), total, unit
        self._start, self._outputs = start, outputs or {}
        self._first: tuple[float, int] | None = None
        self._said = time.monotonic()
        self._bar: Any = None
        self._notebook: Any = None

    def __enter__(self) -> "Reporter":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Draws the bar if there is a terminal."""
        if self._progress == "auto":
            from rich.console import Console

            console = Console(stderr=True)  # honours NO_COLOR
            # rich needs ipywidgets to draw in a notebook, and these are often missing.
            if console.is_jupyter:
                self._notebook = _Line()
            elif console.is_terminal:
                self._bar = _bar(console, self._unit)
                self._task = self._bar.add_task("", total=self._total, completed=self._start, speed="", latest="")
                self._bar.start()

    def close(self) -> None:
        """Removes the bar or the line."""
        if self._bar is not None:
            self._bar.stop()
        if self._notebook is not None:
            self._notebook.show("")
        self._bar = self._notebook = None

    def update(self, done: int, record: Mapping[str, np.ndarray] | None = None) -> None:
        """`done` units are done; `record` is the newest piece."""
        if self._progress is None:
            return
        latest = _latest(record or {})
        if callable(self._progress):
            self._progress(done, self._total, latest)
            return
        now = time.monotonic()
        pace = self._pace(done, now)
        shown = "  ".join(
            f"{name} {latest[name]:.4g}" for name in directed(record or {}, self._outputs) if name in latest
        )
        line = "  ".join(part for part in (f"{self._unit} {done}/{self._total}", pace, shown) if part)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, speed=pace, latest=shown)
        elif now - self._said >= (EVERY if self._notebook is None else REFRESH):
            self._said = now
            if self._notebook is None:
                print(line, file=sys.stderr, flush=True)
            else:
                self._notebook.show(line)

    def _pace(self, done: int, now: float) -> str:
        """Speed and time left; empty after the first piece, whose time includes compilation."""
        if self._first is None:
            self._first = (now, done)
        began, before = self._first
        if done <= before or now <= began:
            return ""
        speed = (done - before) / (now - began)
        return f"{_speed(speed, self._unit)}  {_clock((self._total - done) / speed)} left"


class _Line:
    """One line of a notebook's output that is replaced in place by IPython's display, which every notebook has."""

    def __init__(self):
        self._display = importlib.import_module("IPython.display").display
        self._handle: Any = None

    def show(self, line: str) -> None:
        """Replaces the former line by `line`."""
        content = {"text/plain": line}
        if self._handle is None:
            self._handle = self._display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _bar(console: Any, unit: str) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, TextColumn

    return Bar(
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[latest]}"),
        console=console,
        transient=True,
    )


def _latest(record: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The last value of each scalar that is not blank."""
    latest = {}
    for name, column in record.items():
        if column.ndim == 1 and column.dtype.kind in "fiub":
            kept = column[~np.isnan(column)] if column.dtype.kind == "f" else column
            if len(kept):
                latest[name] = float(kept[-1])
    return latest


def _speed(speed: float, unit: str) -> str:
    return f"{speed:.1f} {unit}s/s" if speed >= 1 else f"{1 / speed:.1f} s/{unit}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
