"""File operations that fail or kill at a chosen point: `with dying_at(k): ...` ends at the k-th operation."""

import contextlib
import os
import signal
import types
from collections.abc import Iterator

from ghostjax import _files


OPERATIONS = ("makedirs", "open", "write", "fsync", "close", "replace", "unlink")


class Died(BaseException):
    """The process is gone: nothing that handles errors may handle it."""


class Counted:
    """What `_files` knows as `os`, counting its operations on files; from the `at`-th on each one dies.

    As after a death, no later operation happens either: what the code would clean up on its way out stays. `kill`
    sends SIGKILL instead, before the operation or, for a write, in the middle of it.
    """

    def __init__(self, at: int | None, kill: bool = False):
        self.count, self.at, self.kill = 0, at, kill
        self.names: list[str] = []
        self.os = types.SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
        for name in OPERATIONS:
            setattr(self.os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name, operation):
        def counted(*args, **kwargs):
            self.count += 1
            self.names.append(name)
            if self.at is not None and self.count >= self.at:
                if name == "write" and self.count == self.at:
                    operation(args[0], bytes(args[1])[: len(args[1]) // 2])
                if name == "close":
                    operation(*args, **kwargs)  # a dead process holds no file
                if self.kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise Died(f"{self.count}: {name}")
            return operation(*args, **kwargs)

        return counted


@contextlib.contextmanager
def dying_at(at: int | None, kill: bool = False) -> Iterator[Counted]:
    """Within, the `at`-th file operation of the package dies; None only counts."""
    counted = Counted(at, kill)
    _files.os, before = counted.os, _files.os
    try:
        with contextlib.suppress(Died):
            yield counted
    finally:
        _files.os = before
