"""Which command, and how it ended."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ghostjax._types import ConfigurationError
from ghostjax.cli import _check, _commands, _demo, _doctor, _list
from ghostjax.cli._codes import FAILED, OK, RESUMABLE, USAGE


COMMANDS = {
    "demo": _demo.demo,
    "run": _commands.run,
    "sweep": _commands.sweep,
    "resume": _commands.resume,
    "report": _commands.report,
    "check": _check.check,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    name, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if name in ("-h", "--help", "help"):
            console.print(_usage(), markup=False)
            return OK
        if name == "--version":
            from ghostjax import __version__

            console.print(f"ghostjax {__version__}")
            return OK
        cache = _cache()
        if name == "doctor":
            return OK if _doctor.examine(console, Path("runs"), cache) else FAILED
        if name == "list":
            _list.show(rest, console)
            return OK
        if name not in COMMANDS:
            raise ConfigurationError(
                f"ghostjax {name}: no such command; known: {', '.join([*COMMANDS, 'list', 'doctor'])}"
            )
        return COMMANDS[name](rest, console)
    except ConfigurationError as error:
        print(f"ghostjax: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("ghostjax: interrupted", file=sys.stderr)
        return RESUMABLE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else USAGE


def _cache() -> Path | None:
    """Switches jax's persistent compilation cache on, unless the user has said where it is or that it is off."""
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "").lower() in ("0", "false"):
        return None
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    from jax.experimental.compilation_cache.compilation_cache import set_cache_dir

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ghostjax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    set_cache_dir(str(folder))
    return folder


def _usage() -> str:
    import ghostjax.cli

    return (ghostjax.cli.__doc__ or "").replace(
        "The command line: the only place where names stand for objects.", "usage:"
    )
