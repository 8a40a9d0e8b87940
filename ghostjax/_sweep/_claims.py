"""Claims: which worker computes which cell of a folder. A claim is taken, kept alive and released, or taken over."""

import json
import os
import socket
import stat
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ghostjax._files import create, draft_path, process_start, read_plain, remove
from ghostjax._run._archive import CorruptFile, quarantine


STALE = 600.0
"""Seconds without a heartbeat after which a claim counts as abandoned."""
LONGEST = 86_400.0
"""The largest life of a claim in seconds. A larger number in a claim is taken for damage."""


class ClaimFile(NamedTuple):
    """A claim as it was seen: its bytes (None where they cannot be read), its time, and whether it is a plain file."""

    content: bytes | None
    changed: int
    plain: bool


class Claims:
    """The claims `<name>.claim` of one worker's folder.

    A claim appears with its content or not at all (it is written aside, flushed and linked into place). Its content
    names its owner, who touches it after every chunk. It counts as **abandoned** in three cases: its process on this
    machine is gone; its mtime is older than its life; or this worker has seen it unchanged for that long by the
    worker's own clock. The third case bounds the wait if clocks jump or mtimes lie in the future. The life of a claim
    is `STALE`, or five of its worker's longest chunks. A claim that cannot be read (empty after a power loss, a folder)
    has no owner, and becomes abandoned by its age.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._seen: dict[str, tuple[ClaimFile, float]] = {}
        self.longest = 0.0

    def path(self, name: str) -> Path:
        """The path of the claim of cell `name`."""
        return self._folder / f"{name}.claim"

    def take(self, name: str) -> "Claim | None":
        """Creates the claim of cell `name`, or takes over an abandoned one. None while a live worker has it."""
        path = self.path(name)
        held = look(path)
        if held is not None and not (self.left_behind(name, held) and _removed(path, held)):
            return None
        life = min(max(STALE, 5 * self.longest), LONGEST)
        owner = {
            "id": uuid.uuid4().hex,
            "host": _machine(),
            "pid": os.getpid(),
            "born": process_start(os.getpid()),
            "life": life,
        }
        content = json.dumps(owner).encode()
        return Claim(self, path, content) if create(path, content) else None

    def clear(self, name: str) -> None:
        """Removes the abandoned claim of a finished cell."""
        held = look(self.path(name))
        if held is not None and self.left_behind(name, held):
            _removed(self.path(name), held)

    def left_behind(self, name: str, held: ClaimFile) -> bool:
        """Whether the claim is abandoned."""
        owner = _owner(held.content)
        if owner["host"] == _machine() and owner["born"] is not None and process_start(owner["pid"]) != owner["born"]:
            return True
        if time.time() - held.changed / 1e9 > owner["life"]:
            return True
        first = self._seen.get(name)
        if first is None or first[0] != held:
            self._seen[name] = held, time.monotonic()
            return False
        return time.monotonic() - first[1] > owner["life"]


class Claim:
    """A worker's claim to compute one cell."""

    def __init__(self, claims: Claims | None, path: Path | None, content: bytes = b""):
        self._claims, self._path, self._content = claims, path, content
        self._last = time.monotonic()

    def held(self) -> bool:
        """Whether the claim is still this worker's. Another worker may have taken it over after a long silence."""
        if self._path is None:
            return True
        found = look(self._path)
        return found is not None and found.content == self._content

    def heartbeat(self) -> bool:
        """Touches the claim, after every chunk. False, without a touch, if the claim is no longer this worker's."""
        if self._path is None or self._claims is None:
            return True
        now = time.monotonic()
        self._claims.longest, self._last = max(self._claims.longest, now - self._last), now
        if not self.held():
            return False
        try:
            os.utime(self._path)
        except FileNotFoundError:
            return False
        return True

    def release(self) -> None:
        """Removes the claim, unless another worker has taken it over."""
        if self._path is not None and self.held():
            remove(self._path)


def look(path: Path) -> ClaimFile | None:
    """The claim at `path`, readable or not; None if nothing is there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    plain = stat.S_ISREG(found.st_mode)
    try:
        content = read_plain(path) if plain else None
    except FileNotFoundError:
        return None
    except OSError:
        content = None
    return ClaimFile(content, found.st_mtime_ns, plain)


def _removed(path: Path, held: ClaimFile) -> bool:
    """Removes the claim that was looked at. True for one worker only, if several see it abandoned at once."""
    if not held.plain:
        quarantine(path, CorruptFile(f"{path}: is no claim that ghostjax wrote"))
        return True
    aside = draft_path(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    same = look(aside)
    if same is None or same.content != held.content:  # a new owner took the claim between the look and the rename
        try:
            os.link(aside, path)
        except FileExistsError:  # a second new owner did too: the first one will notice that its claim is gone
            pass
        finally:
            remove(aside)
        return False
    remove(aside)
    return True


def _owner(content: bytes | None) -> dict[str, Any]:
    """The owner in a claim; nobody if the claim cannot be read."""
    nobody = {"host": None, "pid": 0, "born": None, "life": STALE}
    try:
        found = json.loads(content or b"")
        life = found["life"]
        whole = isinstance(found["pid"], int) and isinstance(life, int | float) and STALE <= life <= LONGEST
        return found if whole and found.keys() >= nobody.keys() else nobody
    except (ValueError, TypeError, KeyError, RecursionError):
        return nobody


@cache
def _machine() -> str:
    """The scope of a process number: the machine, and the container on it."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return f"{socket.gethostname()} {numbers}".strip()
