"""Arrays and a manifest in one file that is either whole or refused.

A file is an ordinary `.npz` (`numpy.load` reads it) whose zip comment, its last 64 bytes, is the sha256 of all
bytes before. It is written beside its place, flushed to the disk and renamed, so a reader sees the old file or
the new one and never a part.
"""

import hashlib
import io
import json
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._files import read_plain, write_atomic


MANIFEST = "manifest.json"
DIGEST = 64


class CorruptFile(Exception):
    """A file whose checksum does not fit its content."""


def pack(arrays: Mapping[str, Any], manifest: Mapping[str, Any]) -> bytes:
    """The bytes of a file. Equal input gives equal bytes."""
    plain, kinds = {}, {}
    for name, array in arrays.items():
        plain[name], kind = _to_plain(array)
        if kind is not None:
            kinds[name] = kind
    text = json.dumps({**manifest, "arrays": kinds}, sort_keys=True, indent=1).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        # A fixed date: zip entries carry one, and the same cell must have the same bytes on every day.
        file.writestr(zipfile.ZipInfo(MANIFEST), text)
        for name, array in plain.items():
            with file.open(zipfile.ZipInfo(f"{stored_name(name)}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        file.comment = b"0" * DIGEST
    content = buffer.getvalue()[:-DIGEST]
    return content + hashlib.sha256(content).hexdigest().encode()


def unpack(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the manifest of the file at `path`; `CorruptFile` if it cannot be what `pack` wrote."""
    try:
        content = read_plain(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CorruptFile(f"{path}: cannot be read ({error.strerror or error})") from error
    return unpack_bytes(content, path)


def unpack_bytes(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `unpack`, of bytes already read from `path`."""
    if hashlib.sha256(content[:-DIGEST]).hexdigest().encode() != content[-DIGEST:]:
        raise CorruptFile(f"{path}: its checksum does not fit its {len(content)} bytes")
    try:
        return _opened(content)
    except Exception as error:  # somebody else may have sealed any content
        why = str(error).splitlines() or [type(error).__name__]
        raise CorruptFile(f"{path}: its checksum fits and its content does not ({why[0]})") from error


def _opened(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()):
            raise ValueError("it is compressed")  # nothing read can be larger than the file
        manifest = json.loads(file.read(MANIFEST))
        kinds = manifest.pop("arrays")
        for name in file.namelist():
            if name != MANIFEST:
                array = np.lib.format.read_array(io.BytesIO(file.read(name)), allow_pickle=False)
                name = original_name(name.removesuffix(".npy"))
                arrays[name] = _from_plain(array, kinds.get(name))
    return arrays, manifest


def stored_name(name: str) -> str:
    """`name` as files take it: `/`, `%` and control characters are written `%2F`, `%25`, `%00`, ..."""
    return re.sub(r"[%/\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", name)


def original_name(name: str) -> str:
    """The inverse of `stored_name`."""
    return re.sub("%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), name)


def content_digest(arrays: Mapping[str, Any]) -> str:
    """The sha256 of names, dtypes, shapes and bytes of `arrays`."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        plain, kind = _to_plain(arrays[name])
        digest.update(f"{name} {plain.dtype.str} {plain.shape} {json.dumps(kind, sort_keys=True)}\n".encode())
        digest.update(plain.data if plain.size else b"")
    return digest.hexdigest()


def write_managed(path: Path, content: bytes) -> None:
    """`write_atomic` in a folder that ghostjax keeps: a folder in the place of the file is moved aside."""
    if path.is_dir() and not path.is_symlink():
        quarantine(path, CorruptFile(f"{path}: a folder where a file belongs"))
    write_atomic(path, content)


def quarantine(path: Path, why: Exception) -> None:
    """Moves a corrupt file aside, keeps it for inspection, and warns in one line."""
    aside = path.with_name(f"{path.name}.corrupt")
    for again in range(2, 1000):
        if not os.path.lexists(aside):
            break
        aside = path.with_name(f"{path.name}.corrupt-{again}")
    try:
        os.replace(path, aside)
    except FileNotFoundError:  # another worker was quicker
        return
    except OSError as error:
        warnings.warn(f"{why}; it is not used, and cannot be moved aside ({error.strerror})", stacklevel=2)
        return
    warnings.warn(f"{why}; it is not used and kept as {aside.name}", stacklevel=2)


def _to_plain(array: Any) -> tuple[np.ndarray, dict[str, Any] | None]:
    """An array of a dtype that `.npy` knows, and the original dtype if it was another."""
    if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(array)), {"key": str(jax.random.key_impl(array))}
    array = np.asarray(array)
    if array.dtype.kind == "V":  # bfloat16, float8: structured bytes to numpy
        raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        return raw, {"dtype": array.dtype.name, "shape": list(array.shape)}
    return np.array(array, order="C"), None


def _from_plain(array: np.ndarray, kind: dict[str, Any] | None) -> Any:
    if kind is None:
        return array
    if "key" in kind:
        return jax.random.wrap_key_data(jnp.asarray(array), impl=kind["key"])
    return np.frombuffer(array.tobytes(), jnp.dtype(kind["dtype"])).reshape(kind["shape"])
