"""A log in a folder: entries that are on the disk and under a head before anybody is told that they are."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostjax._border import folder
from ghostjax._files import append, create, cut, flush, lock, remove_drafts, unlock, unwritable
from ghostjax._types import ConfigurationError, require
from ghostjax.ledger import _disk
from ghostjax.ledger._disk import Damaged
from ghostjax.ledger._head import Head
from ghostjax.ledger._keys import Key, read_key
from ghostjax.ledger._merkle import leaf_hash, Tree, WIDTH


SEGMENT = 2**26
"""Bytes after which another file of entries is begun."""
LARGEST = 2**26
"""Bytes of an entry at most."""


class Log:
    """A log of byte strings in `directory`, to which one writer at a time adds.

    `append(entries)` returns the new head once the batch is acknowledged: entries and their hashes are flushed to the
    disk, then the head over them is. **Guarantee:** whenever the process is killed or the machine loses power, an
    acknowledged entry is there when the log is opened again, and what was not acknowledged is there or not, whole
    batches of it; heads are never taken back. A lock keeps a second writer out as long as the first one lives. No
    guarantee against who can write into the folder: with a `key` (a file, made for its owner's eyes if it is not there;
    needs `pip install ghostjax[ledger]`) every head is signed, and others who keep heads or get proofs find a changed
    past. Without a key the heads are unsigned, and `log.signed` says so.

    `about` is plain data that says whose log it is; `head.origin` is its sha256 with the public key. `readonly` opens
    what is acknowledged, also while a writer lives, and changes nothing.

    Errors: `ConfigurationError` for a folder of something else, another key or another `about` than the log's, a second
    writer, an acknowledged entry that is damaged or missing.

    ```python
    >>> import tempfile, ghostjax as gj
    >>> log = gj.ledger.Log(tempfile.mkdtemp())
    >>> head = log.append([b"first", b"second"])
    >>> head.size, log[1], log.signed
    (2, b'second', False)
    >>> gj.ledger.includes(gj.ledger.leaf_hash(b"first"), 0, head.size, log.inclusion(0), head.root)
    True
    >>> log.close()

    ```
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        key: str | Path | Key | None = None,
        about: Mapping[str, Any] | None = None,
        readonly: bool = False,
    ):
        self.directory = folder(directory, "Log", "directory")
        self._lock: int | None = None
        self._key = key if isinstance(key, Key) or key is None else read_key(key)
        require(not readonly or is_ledger(self.directory), "Log", "directory", self.directory, "holds no ledger")
        try:
            if not readonly:
                self._claim(about)
            self._known(about, readonly)
            self._load(readonly)
        except Damaged as error:
            self.close()
            raise ConfigurationError(
                f"Log: directory={self.directory}: {error}; an acknowledged entry is not given up: take the "
                "folder from a copy, and see ghostjax verify"
            ) from error
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self.head.size

    def __getitem__(self, index: int) -> bytes:
        """The entry at `index`, as its hash says that it was written."""
        if not 0 <= index < len(self):
            raise IndexError(f"entry {index} of {len(self)}")
        return next(self.entries(index, index + 1))

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def signed(self) -> bool:
        """Whether the heads of this log are signed."""
        return self.public_key is not None

    def append(self, entries: Sequence[bytes]) -> Head:
        """Adds `entries` and returns the head under which they are acknowledged; nothing to add, nothing changes."""
        require(self._lock is not None, "Log.append", "log", "readonly or closed", "open it for writing")
        for entry in entries:
            fits = isinstance(entry, bytes) and len(entry) <= LARGEST
            require(fits, "Log.append", "entries", str(entry)[:40], f"give bytes, at most {LARGEST} of them")
        if not entries:
            return self.head
        if self._torn:
            self._load(readonly=False)
        self._torn = True  # until the head stands, the disk holds more than is acknowledged
        hashes = [leaf_hash(entry) for entry in entries]
        self._write(entries)
        append(self.directory / _disk.LEAVES, b"".join(hashes), flush=True)
        self._tree.extend(hashes)
        head = self._signed(len(self._tree))
        append(self.directory / _disk.HEADS, _disk.head_frame(head), flush=True)
        self.head, self._torn = head, False
        return head

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Entries `start : stop`; `ConfigurationError` where one is not what was acknowledged."""
        stop = len(self) if stop is None else min(stop, len(self))
        ends = [first for first, _ in self._segments[1:]] + [len(self)]
        for (first, path), end in zip(self._segments, ends, strict=False):
            begin = max(start, first)
            if begin >= min(end, stop):
                continue
            for index, entry in enumerate(_disk.frames(path, self._offsets[begin]), begin):
                if index >= min(end, stop):
                    break
                if entry is None or leaf_hash(entry) != self._tree.leaf(index):
                    raise ConfigurationError(f"Log: directory={self.directory}: entry {index} is not what was written")
                yield entry

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The proof that entry `index` is in the log of `size` entries, for `includes`."""
        return self._tree.inclusion(index, size)

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the log of `old` entries is the beginning of that of `size`, for `extends`."""
        return self._tree.consistency(old, size)

    def head_at(self, size: int) -> Head:
        """The head of the first `size` entries, signed if the key is at hand."""
        require(0 <= size <= len(self), "Log.head_at", "size", size, f"the log has {len(self)} entries")
        return self.head if size == len(self) else self._signed(size)

    def close(self) -> None:
        """Gives the log up to another writer."""
        handle, self._lock = self._lock, None
        if handle is not None:
            unlock(handle)

    def _signed(self, size: int) -> Head:
        return Head(self._origin, size, self._tree.root(size)).signed(self._key)

    def _write(self, entries: Sequence[bytes]) -> None:
        """Puts the frames of `entries` into the last segment, or into a new one where that is full."""
        first, path = self._segments[-1] if self._segments else (0, _disk.segment(self.directory, 0))
        end = path.stat().st_size if self._segments else 0
        if not self._segments or end >= SEGMENT:
            first, end = len(self._tree), 0
            path = _disk.segment(self.directory, first)
            self._segments.append((first, path))
        content = []
        for entry in entries:
            self._offsets.append(end)
            frame = _disk.frame(entry)
            content.append(frame)
            end += len(frame)
        append(path, b"".join(content), flush=True)

    def _claim(self, about: Mapping[str, Any] | None) -> None:
        """The lock of a folder that is a log's, or is to be one; what says whose log it is stands there afterwards."""
        problem = unwritable(self.directory)
        remedy = f"cannot be written to ({problem}); choose another"
        require(problem is None, "Log", "directory", self.directory, remedy)
        others = [one.name for one in self.directory.iterdir() if not _disk.ours(one.name)]
        known = is_ledger(self.directory) or not others
        require(known, "Log", "directory", self.directory, f"holds {others[:3]}; choose another")
        self._lock = lock(self.directory / _disk.LOCK)
        require(self._lock is not None, "Log", "directory", self.directory, "another writer has it open; one at a time")
        remove_drafts(self.directory)
        public = None if self._key is None else self._key.public
        create(self.directory / _disk.ABOUT, _disk.about(about or {}, public))

    def _known(self, about: Mapping[str, Any] | None, readonly: bool) -> None:
        content, self.about, self.public_key = _disk.read_about(self.directory)
        self._origin = _disk.origin(content)
        call, there = "Log", self.directory
        same = about is None or _disk.plain(about) == self.about
        require(same, call, "directory", there, "holds another ledger; choose another folder")
        if self._key is not None or not readonly:
            mine = None if self._key is None else self._key.public
            remedy = "its heads are signed by another key; give that one" if self.public_key else (
                "its heads are unsigned; leave the key out, or begin another one")  # fmt: skip
            require(mine == self.public_key, call, "key", "another" if mine else None, remedy)

    def _load(self, readonly: bool) -> None:
        """Reads what is acknowledged; a writer cuts what is not.

        A head may have been written by a process that died before it was flushed. It is flushed before anybody sees it,
        or a power loss could take it back. What a head counts was flushed before it was written.
        """
        if os.path.lexists(self.directory / _disk.HEADS):
            # Where nothing may be written, not even to the disk's own memory, nothing new can lie either.
            with contextlib.suppress(*([OSError] if readonly else [])):
                flush(self.directory / _disk.HEADS)
        heads, end = _disk.read_heads(self.directory, self._origin)
        size = heads[-1].size if heads else 0
        leaves = _disk.read_leaves(self.directory)
        if len(leaves) < WIDTH * size:
            raise Damaged(f"{_disk.LEAVES} ends before entry {len(leaves) // WIDTH}, of {size} acknowledged")
        self._tree = Tree(leaves[i : i + WIDTH] for i in range(0, WIDTH * size, WIDTH))
        self.head = heads[-1] if heads else Head(self._origin, 0, self._tree.root())
        if self._tree.root() != self.head.root:
            raise Damaged(f"{_disk.LEAVES} does not fit the head of {size} entries")
        self._segments, self._offsets, ends = _disk.read_segments(self.directory, size)
        self._torn = False
        if not readonly:
            self._cut({self.directory / _disk.HEADS: end, self.directory / _disk.LEAVES: WIDTH * size, **ends})

    def _cut(self, ends: Mapping[Path, int]) -> None:
        for path, end in ends.items():
            if os.path.lexists(path) and path.stat().st_size > end:
                cut(path, end)


def is_ledger(directory: Path) -> bool:
    """Whether a log lies in `directory`."""
    return directory.is_dir() and os.path.lexists(directory / _disk.ABOUT)
