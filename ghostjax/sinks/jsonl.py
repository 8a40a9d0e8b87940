"""A line of JSON per round."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._files import append, first_line, write_atomic
from ghostjax._output import Output
from ghostjax._types import require
from ghostjax.sinks._base import AbstractSink, Beginning


class JSONL(AbstractSink):
    """Writes the record to `path`, one JSON object per line: first a line that names the run, then a line per round.

        {"run": "5c3f...", "ghostjax": "0.1.0"}
        {"round": 0, "loss": 2.31, "norm": [0.5, 0.7], ...}

    Every entry of the record is there in the rounds in which it was due; numbers that are not finite are null. The file
    grows with every chunk. A continued run first writes the whole file again from the record, so that it contains each
    round exactly once, also after a crash.

    Errors: `ConfigurationError` before the first round if another file is at `path`.

    ```python
    >>> import json, pathlib, tempfile
    >>> import ghostjax as gj
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "log.jsonl"
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> run = gj.simulate(simulation, 3, sinks=[gj.sinks.JSONL(path)], progress=None)
    >>> [json.loads(line)["round"] for line in path.read_text().splitlines()[1:]]
    [0, 1, 2]

    ```
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        self._outputs: Mapping[str, Output] = {}

    def begin(self, beginning: Beginning) -> None:
        self._outputs = beginning.training.simulation.outputs
        head = {"run": beginning.name, "ghostjax": beginning.provenance["environment"]["ghostjax"]}
        found = first_line(self.path)
        ours = found is None or _name(found) == beginning.name
        require(ours, "JSONL", "path", self.path, "another file is there; name another path, or remove it")
        write_atomic(self.path, _encoded([head, *self._lines(beginning.record, 0)]))

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        append(self.path, _encoded(self._lines(rows, start)))

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        pass

    def _lines(self, rows: Mapping[str, np.ndarray], start: int) -> Iterator[dict[str, Any]]:
        for i in range(len(next(iter(rows.values()))) if rows else 0):
            due = {name: column[i] for name, column in rows.items() if self._outputs[name].due(start + i)}
            yield {"round": start + i} | {name: _plain(value) for name, value in due.items()}


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "biu":
        return array.tolist()
    wide = array.astype(float)
    return np.where(np.isfinite(wide), wide.astype(object), np.array(None, object)).tolist()


def _name(line: bytes) -> Any:
    """The run that the first line of a file names, or None if it is no such line."""
    try:
        return json.loads(line)["run"]
    except (ValueError, TypeError, KeyError):
        return None


def _encoded(lines: Any) -> bytes:
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
