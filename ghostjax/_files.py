"""The one place that writes and reads files: whole or not at all, and plain files only, so that no pipe blocks it."""

import hashlib
import importlib
import os
import re
import socket
import stat
import time
import uuid
from functools import cache
from pathlib import Path


ABANDONED = 600.0
"""Seconds after which a draft counts as abandoned if nobody can tell whether its writer lives."""
DRAFT = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.tmp")


def write_atomic(path: Path, content: bytes) -> None:
    """Puts `content` at `path` so that a crash at any moment leaves the old file or the new one."""
    os.makedirs(path.parent, exist_ok=True)
    draft = _drafted(path, content)
    try:
        os.replace(draft, path)
    except BaseException:
        remove(draft)
        raise
    _sync(path.parent)


def create(path: Path, content: bytes, mode: int = 0o666) -> bool:
    """As `write_atomic`, but only where nothing stands: of several that try, one gets True, and its bytes stay.

    `mode` is that of the file and of its draft: with 0o600 nobody but the owner reads it at any moment.
    """
    os.makedirs(path.parent, exist_ok=True)
    draft = _drafted(path, content, mode)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        remove(draft)
    _sync(path.parent)
    return True


def _drafted(path: Path, content: bytes, mode: int = 0o666) -> Path:
    """A file beside `path` with `content`, flushed to the disk."""
    draft = draft_path(path)
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        remove(draft)
        raise
    return draft


def _sync(folder: Path) -> None:
    if os.name == "posix":  # the rename itself has to reach the disk; elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_plain(path: Path) -> bytes:
    """The bytes of a plain file; `OSError` for a folder, a device or a pipe, whose bytes may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path.name} is no plain file")
    return path.read_bytes()


def append(path: Path, content: bytes, flush: bool = False) -> None:
    """Adds `content` to a log: a crash may leave a part of it, which whoever continues the log has to mend.

    With `flush` it is on the disk when this returns, and so is a new file in its folder.
    """
    new = flush and not os.path.lexists(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        if flush:
            os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        _sync(path.parent)


def flush(path: Path) -> None:
    """Returns when what a file holds is on the disk, whoever wrote it."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    _sync(path.parent)


def cut(path: Path, size: int) -> None:
    """Leaves the first `size` bytes of a log, on the disk when it returns."""
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(path: Path) -> int | None:
    """A handle that holds the lock at `path` until it is closed or its process ends; None where another one does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if os.name == "posix":
            fcntl = importlib.import_module("fcntl")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt = importlib.import_module("msvcrt")
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        os.close(handle)
        return None
    return handle


def unlock(handle: int) -> None:
    """Gives a lock up."""
    os.close(handle)


def first_line(path: Path, most: int = 4096) -> bytes | None:
    """The first line of the file at `path`, or its beginning where that is longer; None if there is no file."""
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.readline(most)


def remove(path: Path) -> None:
    """Removes a file that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written into `folder`, or None; it is made if it is not there."""
    probe = draft_path(folder / "probe")
    try:
        os.makedirs(folder, exist_ok=True)
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        remove(probe)
    except OSError as error:
        return error.strerror or str(error)
    return None


def sha256(content: bytes) -> str:
    """The sha256 of `content` in hex."""
    return hashlib.sha256(content).hexdigest()


def remove_drafts(folder: Path) -> None:
    """Removes the drafts of killed writers from `folder`, and no draft whose writer may still be alive."""
    for path in folder.glob(".*.tmp"):
        found = DRAFT.fullmatch(path.name)
        if found is None:
            continue
        host, pid, started_at = found.groups()
        try:
            if host == _host() and started_at != "0":
                left = process_start(int(pid)) != started_at
            else:  # another machine, or one that does not say when a process began
                left = time.time() - path.stat().st_mtime > ABANDONED
            if left:
                remove(path)
        except OSError:
            continue


def process_start(pid: int) -> str | None:
    """When process `pid` of this machine began, so that a reused number is not mistaken; None if unknown or dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else fields[19]


def draft_path(path: Path) -> Path:
    """A name beside `path` that nobody else uses, and that `remove_drafts` knows once this process is gone."""
    return path.with_name(
        f".{path.name}.{_host()}-{os.getpid()}-{process_start(os.getpid()) or 0}-{uuid.uuid4().hex[:8]}.tmp"
    )


@cache
def _host() -> str:
    return sha256(socket.gethostname().encode())[:8]
