"""Signals that ask to stop: a signal is noted, and obeyed between two chunks."""

import signal
import threading
from types import TracebackType


ASKING = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2")


class Interruption:
    """While open, SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 set `requested` instead of ending the process.

    A second SIGINT raises KeyboardInterrupt at once. Outside the main thread, where handlers cannot be set, this does
    nothing. The former handlers are restored on leaving.
    """

    def __init__(self, enabled: bool = True):
        self.requested = False
        self._enabled = enabled and threading.current_thread() is threading.main_thread()
        self._found: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if self._enabled:
            for name in ASKING:
                number = getattr(signal, name, None)
                if number is not None:  # Windows has no SIGUSR1
                    self._found[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._found.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._found.clear()

    def _note(self, number: int, frame: object) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
