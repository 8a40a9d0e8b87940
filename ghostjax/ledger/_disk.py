"""The files of a log.

    ledger.json               whose log it is, and the public key of its heads; written once
    entries-000000000000.log  frames: length (4 bytes), CRC-32 (4 bytes), entry; named by its first entry
    leaves.log                the hash of every entry, 32 bytes each
    heads.log                 heads of 108 bytes: size, root, signature (zeros where unsigned), CRC-32
    lock                      held by the writer

A batch goes to the entries, then to the leaves, then to the heads; each is flushed before the next is begun. So
whatever a head counts is on the disk, and whatever no head counts may be cut. Numbers are little-endian.
"""

import hashlib
import json
import re
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ghostjax._files import DRAFT, read_plain
from ghostjax.ledger._head import Head


ABOUT, LEAVES, HEADS, LOCK = "ledger.json", "leaves.log", "heads.log", "lock"
NAME = re.compile(r"entries-(\d{12})\.log")
FRAME = struct.Struct("<II")
HEAD = struct.Struct("<Q32s64s")
CHECK = struct.Struct("<I")
VERSION = 1
"""The layout of these files."""


class Damaged(Exception):
    """What is acknowledged is not there as it was written."""


def ours(name: str) -> bool:
    """Whether a log writes files of this name."""
    return name in (ABOUT, LEAVES, HEADS, LOCK) or bool(NAME.fullmatch(name) or DRAFT.fullmatch(name))


def segment(directory: Path, first: int) -> Path:
    """The file that begins with entry `first`."""
    return directory / f"entries-{first:012d}.log"


def plain(about: Mapping[str, Any]) -> Any:
    """`about` as it is read back."""
    return json.loads(json.dumps(about))


def about(given: Mapping[str, Any], public_key: bytes | None) -> bytes:
    """The bytes of `ledger.json`."""
    said = {"ledger": VERSION, "about": given, "public_key": None if public_key is None else public_key.hex()}
    return json.dumps(said, sort_keys=True, indent=1).encode() + b"\n"


def read_about(directory: Path) -> tuple[bytes, Any, bytes | None]:
    """The bytes of `ledger.json`, whose log it is, and the public key; `Damaged` for anything else."""
    try:
        content = read_plain(directory / ABOUT)
        return content, *parse_about(content)
    except OSError as error:
        raise Damaged(f"{ABOUT} cannot be read ({error.strerror or error})") from error


def parse_about(content: bytes) -> tuple[Any, bytes | None]:
    """Whose log it is and the public key, from the bytes of `ledger.json`."""
    try:
        said = json.loads(content)
        key = None if said["public_key"] is None else bytes.fromhex(said["public_key"])
        if said["ledger"] == VERSION and about(said["about"], key) == content and (key is None or len(key) == 32):
            return said["about"], key
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise Damaged(f"{ABOUT} is not as it was written, or of another version")


def origin(content: bytes) -> bytes:
    """What heads name their log by: the sha256 of `ledger.json`."""
    return hashlib.sha256(content).digest()


def frame(entry: bytes) -> bytes:
    """An entry as its file holds it."""
    return FRAME.pack(len(entry), zlib.crc32(entry)) + entry


def frames(path: Path, begin: int = 0) -> Iterator[bytes | None]:
    """The entries from byte `begin` of a file on; None, and nothing more, where one is not whole."""
    content = memoryview(read_plain(path))
    while begin < len(content):
        if begin + FRAME.size > len(content):
            yield None
            return
        length, check = FRAME.unpack_from(content, begin)
        begin += FRAME.size
        entry = bytes(content[begin : begin + length])
        if len(entry) < length or zlib.crc32(entry) != check:
            yield None
            return
        yield entry
        begin += length


def head_frame(head: Head) -> bytes:
    """A head as its file holds it."""
    packed = HEAD.pack(head.size, head.root, head.signature)
    return packed + CHECK.pack(zlib.crc32(packed))


def read_heads(directory: Path, origin: bytes) -> tuple[list[Head], int]:
    """Every head, and where the last one ends.

    A head is shorter than what a disk writes at once. So the last one is there, or a part of it or zeros are, which no
    writer has acknowledged; anything else was there once, and is `Damaged`.
    """
    content = _optional(directory / HEADS)
    width, found = HEAD.size + CHECK.size, []
    for at in range(0, len(content) - width + 1, width):
        packed = content[at : at + HEAD.size]
        (check,) = CHECK.unpack_from(content, at + HEAD.size)
        if check != zlib.crc32(packed):
            if not any(content[at:]):
                return found, at
            raise Damaged(f"{HEADS}: head {at // width} is damaged")
        size, root, signature = HEAD.unpack(packed)
        if size <= (found[-1].size if found else 0):
            raise Damaged(f"{HEADS}: head {at // width} counts {size} entries, not more than the one before")
        found.append(Head(origin, size, root, signature if any(signature) else b""))
    return found, len(content) - len(content) % width


def read_leaves(directory: Path) -> bytes:
    """The hashes of all entries, one after the other."""
    return _optional(directory / LEAVES)


def segments(directory: Path) -> list[tuple[int, Path]]:
    """The files of entries by their first entry, in order."""
    named = ((NAME.fullmatch(path.name), path) for path in directory.glob("entries-*.log"))
    return sorted((int(match[1]), path) for match, path in named if match)


def read_segments(directory: Path, size: int) -> tuple[list[tuple[int, Path]], array, dict[Path, int]]:
    """The files that hold the first `size` entries, the offset of each entry in its file, and where each file ends.

    A file without an acknowledged entry ends at 0. `Damaged` where one of these entries is not there or has other
    bytes; whether it is the one that was hashed is looked at when it is read.
    """
    found, offsets, ends = [], array("Q"), {}
    for first, path in segments(directory):
        if first >= size and len(offsets) == size:
            ends[path] = 0
            continue
        if first != len(offsets):
            raise Damaged(f"entry {len(offsets)} is missing: {path.name} begins after it")
        end = 0
        for entry in frames(path):
            if len(offsets) == size:
                break
            if entry is None:
                raise Damaged(f"{path.name}: entry {len(offsets)} is damaged")
            offsets.append(end)
            end += FRAME.size + len(entry)
        found.append((first, path))
        ends[path] = end
    if len(offsets) < size:
        raise Damaged(f"entry {len(offsets)} is missing")
    return found, offsets, ends


def _optional(path: Path) -> bytes:
    try:
        return read_plain(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read ({error.strerror or error})") from error
