"""Who works on which cell of a folder: claims that are taken, kept alive, given up, and taken over when left behind."""

import json
import os
import socket
import stat
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ghostjax._files import born, create, draft_path, read_plain, remove
from ghostjax._run._archive import CorruptFile, quarantine


STALE = 600.0
"""Seconds without a sign of life after which a claim counts as left behind."""
LONGEST = 86_400.0
"""Seconds that a claim may ask for at most: who wrote more did not mean it."""


class Held(NamedTuple):
    """A claim as it was seen: its bytes (None where they cannot be read), its time, and whether it is a plain file."""

    content: bytes | None
    changed: int
    plain: bool


class Claims:
    """The claims `<name>.claim` of one worker's folder.

    A claim appears with its content or not at all (written aside, flushed, linked into place), is touched after every
    chunk, and belongs to whoever's words it holds. It counts as **left behind** if its process on this machine is gone;
    if its time is older than its life; or if this worker has seen it unchanged for that long by its own clock, so that
    clocks that jump, and times in the future, make nobody wait for ever. Its life is `STALE`, or five of its worker's
    longest chunks. A claim that cannot be read (empty after a power loss, a folder) has no owner, and is left behind by
    its age.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._seen: dict[str, tuple[Held, float]] = {}
        self.longest = 0.0

    def path(self, name: str) -> Path:
        """Where the claim of cell `name` stands."""
        return self._folder / f"{name}.claim"

    def take(self, name: str) -> "Claim | None":
        """Creates the claim of cell `name`, or takes over one left behind; None while somebody alive has it."""
        path = self.path(name)
        held = look(path)
        if held is not None and not (self.left_behind(name, held) and _removed(path, held)):
            return None
        life = min(max(STALE, 5 * self.longest), LONGEST)
        owner = {
            "id": uuid.uuid4().hex,
            "host": _machine(),
            "pid": os.getpid(),
            "born": born(os.getpid()),
            "life": life,
        }
        content = json.dumps(owner).encode()
        return Claim(self, path, content) if create(path, content) else None

    def clear(self, name: str) -> None:
        """Removes a claim that its owner left behind, of a cell that is finished: nobody needs it."""
        held = look(self.path(name))
        if held is not None and self.left_behind(name, held):
            _removed(self.path(name), held)

    def left_behind(self, name: str, held: Held) -> bool:
        """Whether nobody alive works under this claim."""
        owner = _owner(held.content)
        if owner["host"] == _machine() and owner["born"] is not None and born(owner["pid"]) != owner["born"]:
            return True
        if time.time() - held.changed / 1e9 > owner["life"]:
            return True
        first = self._seen.get(name)
        if first is None or first[0] != held:
            self._seen[name] = held, time.monotonic()
            return False
        return time.monotonic() - first[1] > owner["life"]


class Claim:
    """The right to compute one cell."""

    def __init__(self, claims: Claims | None, path: Path | None, content: bytes = b""):
        self._claims, self._path, self._content = claims, path, content
        self._last = time.monotonic()

    def held(self) -> bool:
        """Whether the claim is still this worker's: one that was silent for too long may have lost it."""
        if self._path is None:
            return True
        found = look(self._path)
        return found is not None and found.content == self._content

    def heartbeat(self) -> bool:
        """A sign of life, after every chunk; False, and nothing is touched, if the claim is no longer this worker's."""
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
        """Gives the claim up, unless somebody else has taken it over meanwhile."""
        if self._path is not None and self.held():
            remove(self._path)


def look(path: Path) -> Held | None:
    """The claim at `path`, whatever stands there; None if nothing does."""
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
    return Held(content, found.st_mtime_ns, plain)


def _removed(path: Path, held: Held) -> bool:
    """Whether the claim that was looked at is gone by this worker's hand: of several that see it stale, one gets it."""
    if not held.plain:
        quarantine(path, CorruptFile(f"{path}: is no claim that ghostjax wrote"))
        return True
    aside = draft_path(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    same = look(aside)
    if same is None or same.content != held.content:  # a new owner came between the look and the rename
        try:
            os.link(aside, path)
        except FileExistsError:  # and another one since: the first will notice that its claim is gone
            pass
        finally:
            remove(aside)
        return False
    remove(aside)
    return True


def _owner(content: bytes | None) -> dict[str, Any]:
    """Who wrote a claim; nobody where that cannot be read."""
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
    """Where a process number means something: a machine, and on it a container."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return f"{socket.gethostname()} {numbers}".strip()
