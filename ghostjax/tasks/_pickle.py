"""Reading the pickles of CIFAR without running anything that a pickle may ask for."""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax.tasks._files import DataError, refuse


LARGEST = 1 << 30
"""No dataset file of this kind comes near a gibibyte."""


def read_pickle(path: Path) -> Any:
    """What the pickle holds if it is made of dicts, lists, tuples, bytes, strings, numbers and numeric arrays.

    A pickle is a small program that may name any function. Here it can name only the constructors with which numpy
    writes an array and the text codec with which Python 3 writes bytes, and for each it gets a stand-in of ours that
    checks shape, type and size. Everything else is refused before it is looked up.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise refuse(path, f"at most {LARGEST} bytes", f"{size} bytes")
    try:
        value = _Restricted(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except _Refused as error:
        raise refuse(path, "a pickle of arrays, dicts, lists, bytes, strings and numbers", str(error)) from error
    except (RecursionError, MemoryError, Exception) as error:
        # A broken pickle fails in as many ways as there are opcodes.
        raise refuse(path, "a whole pickle", f"a broken one ({type(error).__name__}: {error})") from error
    return _finished(value, path)


class _Refused(Exception):
    pass


class _Type:
    """A numpy type under construction: numbers only."""

    def __init__(self, name: Any, *rest: Any):
        del rest
        text = name.decode("ascii") if isinstance(name, bytes) else name
        if not isinstance(text, str) or text.lstrip("<>=|") not in {f"{k}{s}" for k in "iuf" for s in "1248"} | {"b1"}:
            raise _Refused(f"an array of type {text!r}")
        self.code, self.order = text.lstrip("<>=|"), "<"

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        self.order = order if order in ("<", ">") else "<"


class _Array:
    """A numpy array under construction."""

    values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.values = _filled(data, kind, shape, "F" if fortran else "C")


def _filled(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise _Refused("an array that does not hold plain bytes")
    dtype = np.dtype(kind.order + kind.code)
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise _Refused(f"an array of shape {shape!r}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise _Refused(f"an array of shape {shape} and type {dtype} with {len(data)} bytes")
    return np.frombuffer(bytes(data), dtype).reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(*arguments: Any) -> _Array:
    del arguments
    return _Array()


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any, *rest: Any) -> _Array:
    del rest
    array = _Array()
    array.values = _filled(data, kind, shape, order)
    return array


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1", b"latin1"):
        raise _Refused(f"text in the codec {codec!r}")
    return text.encode("latin1")


def _nothing(*arguments: Any) -> bytes:
    """How protocol 2 writes empty bytes."""
    if arguments:
        raise _Refused("a call of bytes with arguments")
    return b""


class _Call:
    """A function without attributes: a pickle may set those of whatever it is given."""

    __slots__ = ("run",)

    def __init__(self, run: Any):
        self.run = run

    def __call__(self, *arguments: Any) -> Any:
        return self.run(*arguments)


class _Restricted(pickle.Unpickler):
    """Resolves the names of array construction to the stand-ins above and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        match (module, name):
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"):
                return _Call(_reconstruct)
            case ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer"):
                return _Call(_frombuffer)
            case ("numpy", "ndarray"):
                return _Call(_reconstruct)
            case ("numpy", "dtype"):
                return _Call(_Type)
            case ("_codecs", "encode"):
                return _Call(_encode)
            case ("__builtin__" | "builtins", "bytes"):
                return _Call(_nothing)
        raise _Refused(f"a call of {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused(f"a persistent id {pid!r}")


def _finished(value: Any, path: Path) -> Any:
    if isinstance(value, _Array):
        if value.values is None:
            raise refuse(path, "arrays with data", "an array without any")
        return value.values
    if isinstance(value, dict):
        return {_finished(k, path): _finished(v, path) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_finished(v, path) for v in value)
    if value is None or isinstance(value, bytes | str | bool | int | float):
        return value
    raise DataError(
        f"{path}: expected arrays, dicts, lists, bytes, strings and numbers, found a {type(value).__name__}"
    )
