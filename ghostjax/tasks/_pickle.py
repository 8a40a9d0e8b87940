"""Reads the pickles of CIFAR without running code that a pickle may call."""

import codecs
import io
import math
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax.tasks._files import refuse


LARGEST = 1 << 30
"""Dataset files of this kind are far below a gibibyte."""
MOST = 5_000_000
"""Operations of a pickle; the files of CIFAR have at most a few hundred thousand."""
DEEPEST = 64
"""Lists within lists; the files of CIFAR have two."""
PLAIN = (type(None), bool, int, float, str, bytes)


def read_pickle(path: Path) -> Any:
    """The content of a pickle that is made of dicts, lists, tuples, bytes, strings, numbers and numeric arrays.

    A pickle is a small program that may name any function. This interpreter runs it step by step in place of Python's.
    The program may name only numpy's array constructors and the text codec by which Python 3 writes bytes. Each name
    stands for a function of this module that checks shape, type and size. Any other name is refused before it is looked
    up. **Guarantee:** time and memory are bounded by the size of the file, also for repeated, nested or false lengths.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise refuse(path, f"at most {LARGEST} bytes", f"{size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise refuse(path, "a file that can be read", str(error)) from error
    try:
        machine = _Machine(data)
        return _finished(machine.play(), [4 * machine.steps + 1000], 0)
    except _Refused as error:
        raise refuse(path, "a pickle of arrays, dicts, lists, bytes, strings and numbers", str(error)) from error
    except Exception as error:
        # A broken pickle fails in as many ways as there are opcodes.
        why = (str(error).splitlines() or [""])[0][:80]
        raise refuse(path, "a whole pickle", f"a broken one ({type(error).__name__}: {why})") from error


class _Refused(Exception):
    pass


class _Type:
    """A numpy type under construction: numbers only."""

    def __init__(self, name: Any, *rest: Any):
        del rest
        text = name.decode("ascii") if isinstance(name, bytes) else name
        if (
            not isinstance(text, str)
            or len(text) > 8
            or text.lstrip("<>=|") not in {f"{k}{s}" for k in "iuf" for s in "1248"} | {"b1"}
        ):
            raise _Refused(f"an array of type {text[:8]!r}" if isinstance(text, str) else "an array of no type")
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
    fits = isinstance(shape, tuple) and len(shape) <= 32
    if not fits or not all(type(length) is int and 0 <= length <= LARGEST for length in shape):
        raise _Refused("an array whose shape is no short tuple of lengths")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise _Refused(f"an array of shape {shape} and type {dtype} with {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(*arguments: Any) -> _Array:
    del arguments
    return _Array()


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any, *rest: Any) -> _Array:
    del rest
    array = _Array()
    array.values = _filled(data, kind, shape, order)
    return array


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or not isinstance(codec, str | bytes):
        raise _Refused("text in no codec")
    if codec not in ("latin1", "latin-1", b"latin1"):
        raise _Refused(f"text in the codec {codec[:20]!r}")
    return text.encode("latin1")


def _nothing(*arguments: Any) -> bytes:
    """Empty bytes, as protocol 2 writes them."""
    if arguments:
        raise _Refused("a call of bytes with arguments")
    return b""


class _Call:
    """One of the functions above. No other function that a pickle names is called."""

    def __init__(self, module: Any, name: Any):
        match (module, name):
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") | ("numpy", "ndarray"):
                self.run: Any = _reconstruct
            case ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer"):
                self.run = _frombuffer
            case ("numpy", "dtype"):
                self.run = _Type
            case ("_codecs", "encode"):
                self.run = _encode
            case ("__builtin__" | "builtins", "bytes"):
                self.run = _nothing
            case (str(), str()):
                raise _Refused(f"a call of {module[:40]}.{name[:40]}")
            case _:
                raise _Refused("a call of something without a name")


MARK = object()
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


class _Machine:
    """The stack and the memo of a pickle, and its steps. A step makes at most as many bytes as the file has."""

    def __init__(self, data: bytes):
        self.file = io.BytesIO(data)
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0
        self.left = 4 * len(data) + 1000  # bytes that calls may make

    def play(self) -> Any:
        while True:
            code = self.file.read(1)
            known = OPCODES.get(code.decode("latin1"))
            if known is None:
                raise ValueError("no opcode" if code else "it ends too early")
            self.steps += 1
            if self.steps > MOST:
                raise _Refused(f"more than {MOST} operations")
            if known.name == "STOP":
                return self._pop()
            step = getattr(self, f"_{known.name.lower()}", None)
            if known.name in VALUES:
                self.stack.append(self._value(known))
            elif step is not None:
                argument = None if known.arg is None else known.arg.reader(self.file)
                step(argument) if known.arg is not None else step()
            elif known.name not in ("PROTO", "FRAME"):
                raise _Refused("a persistent id" if "PERSID" in known.name else f"the operation {known.name}")
            elif known.arg is not None:
                known.arg.reader(self.file)

    def _value(self, known: Any) -> Any:
        if known.name == "STRING":  # Python 2 wrote any byte here
            text = self.file.readline().strip()
            return codecs.escape_decode(text[1:-1])[0]
        value = known.arg.reader(self.file)
        return value.encode("latin1") if known.name in ("BINSTRING", "SHORT_BINSTRING") else value

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def _marked(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise ValueError("no mark")

    def _none(self) -> None:
        self.stack.append(None)

    def _newtrue(self) -> None:
        self.stack.append(True)

    def _newfalse(self) -> None:
        self.stack.append(False)

    def _mark(self) -> None:
        self.stack.append(MARK)

    def _empty_list(self) -> None:
        self.stack.append([])

    def _empty_dict(self) -> None:
        self.stack.append({})

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _list(self) -> None:
        self.stack.append(self._marked())

    def _tuple(self) -> None:
        self.stack.append(tuple(self._marked()))

    def _tuple1(self) -> None:
        self.stack.append((self._pop(),))

    def _tuple2(self) -> None:
        last, first = self._pop(), self._pop()
        self.stack.append((first, last))

    def _tuple3(self) -> None:
        last, middle, first = self._pop(), self._pop(), self._pop()
        self.stack.append((first, middle, last))

    def _dict(self) -> None:
        values = self._marked()
        self.stack.append({})
        self._fill(values)

    def _append(self) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _appends(self) -> None:
        values = self._marked()
        self._top(list).extend(values)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._fill([key, value])

    def _setitems(self) -> None:
        self._fill(self._marked())

    def _fill(self, values: list[Any]) -> None:
        held = self._top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, PLAIN):  # to hash a tuple of tuples of tuples may take for ever
                raise _Refused(f"a key that is a {type(key).__name__}")
            held[key] = value

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"no {kind.__name__} to fill")
        return self.stack[-1]

    def _put(self, place: int) -> None:
        if self.stack[-1] is MARK:
            raise ValueError("a mark is no value")
        self.memo[place] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self) -> None:
        self._put(len(self.memo))

    def _get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    _binget = _long_binget = _get

    def _global(self, names: str) -> None:
        self.stack.append(_Call(*names.split(" ", 1)))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self.stack.append(_Call(module, name))

    def _reduce(self) -> None:
        arguments, call = self._pop(), self._pop()
        if not isinstance(call, _Call) or not isinstance(arguments, tuple):
            raise ValueError("a call of an object that is no function")
        made = call.run(*arguments)
        self.left -= len(made) if isinstance(made, bytes) else 0
        if self.left < 0:
            raise _Refused("more bytes than the file can hold")
        self.stack.append(made)

    def _build(self) -> None:
        state, made = self._pop(), self.stack[-1]
        if not isinstance(made, _Array | _Type):
            raise ValueError("a state for an object without one")
        made.__setstate__(state)


VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    )
)


def _finished(value: Any, left: list[int], depth: int) -> Any:
    """`value` with its arrays finished. `left` limits the number of values, repeated ones counted again."""
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        raise _Refused("lists that repeat or nest too often" if left[0] < 0 else "lists that nest too deeply")
    if isinstance(value, _Array):
        if value.values is None:
            raise _Refused("an array without data")
        return value.values
    if isinstance(value, dict):
        return {key: _finished(v, left, depth + 1) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_finished(v, left, depth + 1) for v in value])
    if isinstance(value, PLAIN):
        return value
    raise _Refused(f"a {type(value).__name__}")
