"""The file operations of a writer of a log: recorded in order, ended by its death at the k-th, undone by lost power."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from ghostjax import _files


CHANGING = ("open", "write", "fsync", "close", "ftruncate", "link", "unlink", "makedirs")


class Killed(BaseException):
    """The process is gone: nothing that it would do on the way out is done."""


class Operations:
    """Stands for the module `os` in the one place that writes files.

    `log` holds `(operation, file name)`; `durable` how many bytes of each file were flushed. From the operation number
    `at` on (counted from 0) every operation raises `Killed`.
    """

    def __init__(self, log: list, at: int | None = None):
        self.log, self.at, self.count = log, at, 0
        self.files: dict[int, Path] = {}
        self.durable: dict[Path, int] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._watched(name, real) if name in CHANGING else real

    def _watched(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.at is not None and self.count >= self.at:
                raise Killed
            self.count += 1
            found = real(*args, **kwargs)
            if name == "open":
                self.files[found] = Path(args[0])
            elif name in ("write", "fsync", "ftruncate"):
                path = self.files[args[0]]
                self.log.append((name, path.name))
                if name == "fsync" and path.is_file():
                    self.durable[path] = path.stat().st_size
            elif name == "close":
                self.files.pop(args[0], None)
            return found

        return call

    def die(self) -> None:
        """What the system does with a dead process: its files are closed, and its locks are gone with them."""
        for handle in list(self.files):
            os.close(handle)
        self.files.clear()

    def lose_power(self, folder: Path) -> None:
        """Every log holds what was flushed, and not a byte more."""
        for path in folder.glob("*.log"):
            os.truncate(path, min(self.durable.get(path, 0), path.stat().st_size))


@contextlib.contextmanager
def watched(operations: Operations) -> Iterator[None]:
    """While a writer works."""
    with mock.patch.object(_files, "os", operations):
        yield
