"""Runs a command and turns its outcome into an exit code."""

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostjax._types import ConfigurationError
from ghostjax.cli import _cache, _check, _commands, _demo, _doctor, _incident, _list
from ghostjax.cli._codes import FAILED, OK, RESUMABLE, USAGE


COMMANDS = {
    "demo": _demo.demo,
    "run": _commands.run,
    "sweep": _commands.sweep,
    "incident": _incident.incident,
    "resume": _commands.resume,
    "report": _commands.report,
    "verify": _commands.verify,
    "check": _check.check,
}
CONTINUED = ("run", "sweep", "resume")
"""Commands that continue from the saved state if they are given again."""
WIDE = 1000
"""The width without a terminal: a file or a pipe gets whole lines."""


class _Console(Console):
    """Raises if the reader of the output has gone, so that `main` decides the exit code."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    name, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    terminal = sys.stdout.isatty()
    console = _Console(highlight=False, markup=False, soft_wrap=not terminal, width=None if terminal else WIDE)
    try:
        with _terminable(), _one_line_warnings(None):
            return _dispatch(name, rest, console)
    except ConfigurationError as error:
        _say(error)
        return USAGE
    except KeyboardInterrupt:
        _say("interrupted" + ("; the same command continues from the saved state" if name in CONTINUED else ""))
        return RESUMABLE if name in CONTINUED else FAILED
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else OK if error.code is None else USAGE
    except BrokenPipeError:
        # The reader of the output has gone. The buffered rest must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        _say(f"{name}: {why}; free space or choose another folder, then give the same command again")
        return FAILED
    except Exception as error:
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            _say(f"{name}: out of memory ({str(error).splitlines()[0]}); lower nodes, the batch or the model")
            return FAILED
        traceback.print_exc()
        _say(f"{name}: failed with the {type(error).__name__} above, which is a fault of ghostjax: please report it")
        return FAILED


def _dispatch(name: str, rest: list[str], console: Console) -> int:
    if name in ("-h", "--help", "help"):
        console.print(_usage())
        return OK
    if name == "--version":
        from ghostjax import __version__

        console.print(f"ghostjax {__version__}")
        return OK
    known = [*COMMANDS, "list", "doctor"]
    if name not in known:
        raise ConfigurationError(f"{name}: no such command; known: {', '.join(known)}")
    cache = _cache.switch_on(_say)
    with _one_line_warnings(cache):
        return _run_command(name, rest, console, cache)


def _run_command(name: str, rest: list[str], console: Console, cache: Path | None) -> int:
    if name == "doctor":
        if rest:
            raise ConfigurationError(f"doctor: {' '.join(rest)}: it takes no arguments")
        return OK if _doctor.examine(console, Path("runs"), cache) else FAILED
    if name == "list":
        _list.show(rest, console)
        return OK
    return COMMANDS[name](rest, console)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as Ctrl-C, for the time before and after training. Training has its own handler."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _one_line_warnings(cache: Path | None) -> Iterator[None]:
    """Prints warnings in one line, without their line of code, and removes damaged entries of the cache."""

    def show(message: Any, category: Any, *place: Any) -> None:
        del category, place
        _say(f"warning: {_cache.remove_damaged(cache, str(message)) or message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _say(text: Any) -> None:
    with contextlib.suppress(OSError):  # the reader has gone
        print(f"ghostjax: {text}", file=sys.stderr, flush=True)


def _usage() -> str:
    import ghostjax.cli

    return (ghostjax.cli.__doc__ or "").replace(
        "The command line: the only place where names stand for objects.", "usage:"
    )
