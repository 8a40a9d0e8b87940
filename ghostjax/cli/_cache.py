"""The compilation cache of the commands: its folder, and the repair of damaged entries."""

import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


UNREADABLE = re.compile(r"Error reading persistent compilation cache entry for '([\w.-]+)'")


def switch_on(say: Callable[[str], Any]) -> Path | None:
    """Switches jax's persistent compilation cache on, unless the user has chosen its folder or switched it off."""
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "").lower() in ("0", "false"):
        return None
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    from jax.experimental.compilation_cache.compilation_cache import set_cache_dir

    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        say("no home folder is known, so compiled programs are not kept; XDG_CACHE_HOME names a folder for them")
        return None
    folder = Path(home) / "ghostjax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    set_cache_dir(str(folder))
    return folder


def remove_damaged(folder: Path | None, warning: str) -> str | None:
    """Removes the entries that jax has just warned about, and says so; None for any other warning.

    jax never overwrites an entry, so every later command would read the damaged one in vain. After the warning jax
    compiles and writes a whole entry, if the damaged one is gone.
    """
    found = UNREADABLE.match(warning)
    if folder is None or found is None:
        return None
    entries = [path for path in folder.glob("*-cache") if path.name.startswith(f"{found[1]}-")]
    damaged = [path for path in entries if not _whole(path)] or entries
    try:
        for path in damaged:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    except OSError:
        return None
    return f"a damaged entry of the compilation cache ({found[1]}) is compiled again and replaced"


def _whole(path: Path) -> bool:
    """Whether an entry can be decompressed. Entries in other compressions than zlib are not checked."""
    try:
        return zlib.decompress(path.read_bytes()) is not None
    except (OSError, zlib.error):
        return False
