"""The file operations of a worker of a sweep: recorded in order, and ended by its death at the k-th."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from ghostjax import _files
from ghostjax._run import _archive
from ghostjax._sweep import _cells, _claims


CHANGING = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "makedirs", "utime")


class Killed(BaseException):
    """The process is gone: nothing that it would do on the way out is done."""


class Operations:
    """Stands for the module `os` while one worker plays; `log` holds who did what to which file, all workers together.

    From its operation number `at` on (counted from 0) every operation raises `Killed`, or calls `kill` first.
    """

    def __init__(self, worker: int, log: list, at: int | None = None, kill: Callable[[], Any] | None = None):
        self.worker, self.log, self.at, self.kill = worker, log, at, kill
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._watched(name, real) if name in CHANGING else real

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.at is not None and self.count >= self.at:
                if self.kill is not None:
                    self.kill()
                raise Killed
            self.count += 1
            try:
                return real(*args, **kwargs)
            finally:
                self.log.append((self.worker, name, *[os.path.basename(str(one)) for one in args[:2]]))

        return call


@contextlib.contextmanager
def playing(operations: Operations, born: int) -> Iterator[None]:
    """While a worker plays: its operations are watched, and it is the process begun at `born`, which alone lives."""
    with contextlib.ExitStack() as stack:
        for module in (_files, _archive, _cells, _claims):
            stack.enter_context(mock.patch.object(module, "os", operations))
        for module in (_files, _claims):
            stack.enter_context(mock.patch.object(module, "process_start", lambda pid: str(born)))
        yield
