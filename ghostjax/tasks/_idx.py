"""The idx format of MNIST and its relatives, plain or compressed."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax.tasks._files import refuse


LARGEST = 1 << 31
"""Three times the largest known file of this kind; a header that announces more is wrong."""

SMALL, DENSEST = 1 << 26, 100
"""Images compress by a factor of about five. More than 64 MiB at a hundred times the file's size cannot be images."""


def read_idx(path: Path, *, ndim: int, tail: tuple[int, ...] = ()) -> np.ndarray:
    """The unsigned bytes of an idx file with `ndim` axes, of which the last are `tail`.

    Layout: two zero bytes, the type (8: unsigned byte), the number of axes, each axis as a big-endian 32-bit
    number, the data. Every part is checked, and so is the size; no more than the header announces is read.
    """
    opening = gzip.open if path.suffix == ".gz" else open
    try:
        with opening(path, "rb") as file:
            return _parse(path, file, ndim, tail)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise refuse(path, "a whole gzip file", f"a corrupt one ({error})") from error
    except OSError as error:
        raise refuse(path, "a file that can be read", str(error)) from error


def _parse(path: Path, file: Any, ndim: int, tail: tuple[int, ...]) -> np.ndarray:
    magic = file.read(4)
    expected = bytes([0, 0, 8, ndim])
    if magic != expected:
        raise refuse(
            path, f"the idx magic number {expected.hex()} (unsigned bytes, {ndim} axes)", magic.hex() or "nothing"
        )
    header = file.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise refuse(path, f"{ndim} axis lengths after the magic number", f"{len(header)} bytes")
    shape = tuple(int(length) for length in np.frombuffer(header, ">u4"))
    if tail and shape[-len(tail) :] != tail:
        raise refuse(path, f"examples of shape {tail}", f"shape {shape}")
    size = math.prod(shape)
    if size > LARGEST:
        raise refuse(path, f"at most {LARGEST} bytes of data", f"{size} announced by shape {shape}")
    if size > max(SMALL, DENSEST * path.stat().st_size):
        raise refuse(path, f"at most {DENSEST} times its {path.stat().st_size} bytes of data", f"{size} announced")
    if path.suffix != ".gz" and (stored := path.stat().st_size - 4 - 4 * ndim) != size:
        raise refuse(path, f"{size} bytes of data for shape {shape}", f"{stored} bytes")
    data = file.read(size + 1)
    if len(data) != size:
        raise refuse(
            path, f"{size} bytes of data for shape {shape}", f"{'more' if len(data) > size else len(data)} bytes"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
