"""Expressions over a batch of packed states, as a list of NumPy operations in the narrowest types that hold them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ghostjax.formal._encoding import Encoding
from ghostjax.formal._symbolic import Expressions


_TYPES = ((np.int8, 127), (np.int16, 32767), (np.int32, 2**31 - 1))
_UFUNCS: dict[str, Callable[..., Any]] = {
    "not": np.logical_not, "and": np.logical_and, "or": np.logical_or, "eq": np.equal, "lt": np.less,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "rem": np.fmod,
}  # fmt: skip


class Plan:
    """The values of `outputs` for batches of states given as 64-bit columns `[W, B]`.

    Calling it gives one entry per output: an array `[B]`, or a NumPy scalar if the value is the same in every state.
    """

    def __init__(self, e: Expressions, layout: Encoding, outputs: Sequence[int]):
        self._e, self._layout = e, layout
        self._slots: dict[Any, int] = {}
        self._code: list[tuple[Callable[..., Any], int, tuple[int, ...]]] = []
        self._start: list[Any] = []
        self._planes: dict[int, int] = {}
        for at in _needed(e, outputs):
            self._emit(at)
        self._outputs = [self._slots[at, self._type(at)] for at in outputs]
        last = {slot: i for i, (_, _, ins) in enumerate(self._code) for slot in ins}
        keep = set(self._outputs)
        dead: list[list[int]] = [[] for _ in self._code]
        for slot, i in last.items():
            if slot not in keep and self._start[slot] is None:
                dead[i].append(slot)
        self._program = [(*step, tuple(gone)) for step, gone in zip(self._code, dead, strict=True)]

    def __call__(self, columns: np.ndarray) -> list[Any]:
        values = list(self._start) or [None]  # no outputs: nothing was emitted
        values[0] = columns
        for function, out, ins, gone in self._program:
            values[out] = function(*[values[i] for i in ins])
            for slot in gone:
                values[slot] = None
        return [values[slot] for slot in self._outputs]

    def _slot(self, key: Any, initial: Any = None) -> int:
        if not self._start:
            self._start.append(None)
        self._slots[key] = len(self._start)
        self._start.append(initial)
        return self._slots[key]

    def _step(self, key: Any, function: Callable[..., Any], *ins: int) -> int:
        out = self._slot(key)
        self._code.append((function, out, ins))
        return out

    def _type(self, at: int) -> Any:
        # Symmetric ranges: the magnitude of every value has the same type.
        if self._e.boolean[at]:
            return np.bool_
        return next(kind for kind, most in _TYPES if -most <= self._e.low[at] and self._e.high[at] <= most)

    def _as(self, at: int, kind: Any) -> int:
        """The slot of an expression's value in type `kind`."""
        slot = self._slots.get((at, kind))
        if slot is None:
            if self._e.op[at] == "constant":
                return self._slot((at, kind), kind(self._e.low[at]))
            slot = self._slots[at, self._type(at)]
            slot = self._step((at, kind), lambda x: x.astype(kind), slot)
        return slot

    def _emit(self, at: int) -> None:
        e, kind = self._e, self._type(at)
        op, args = e.op[at], e.args[at]
        key = (at, kind)
        if op == "constant":
            self._as(at, kind)
        elif op == "input":
            self._load(key, args[0])
        elif op == "checked":
            self._slots[key] = self._as(args[0], kind)
        elif op == "number":
            self._step(key, lambda x: x.view(np.int8), self._as(args[0], np.bool_))
        elif op in ("eq", "lt"):
            kinds = [self._type(arg) for arg in args]
            wide = max(kinds, key=lambda k: np.dtype(k).itemsize)
            self._step(key, np.equal if op == "eq" else np.less, *(self._as(arg, wide) for arg in args))
        elif op in ("not", "and", "or"):
            self._step(key, _UFUNCS[op], *(self._as(arg, np.bool_) for arg in args))
        elif op == "select":
            self._step(key, np.where, self._as(args[0], np.bool_), *(self._as(arg, kind) for arg in args[1:]))
        else:
            # The operands of a narrow result may be wide (a difference of large numbers): the widest type decides.
            wide = max([kind, *(self._type(arg) for arg in args)], key=lambda k: np.dtype(k).itemsize)
            ins = [self._as(arg, wide) for arg in args]
            function = _UFUNCS.get(op) or (np.floor_divide if min(e.low[a] for a in args) >= 0 else _towards_zero)
            if wide is kind:
                self._step(key, function, *ins)
            else:
                whole = self._step((at, "wide"), function, *ins)
                self._step(key, lambda x: x.astype(kind), whole)

    def _load(self, key: Any, number: int) -> None:
        """An element of the state, from the byte that holds it, or from its word if it spans two bytes."""
        layout, kind = self._layout, key[1]
        if not self._start:
            self._start.append(None)
        word, shift = int(layout.word[number]), int(layout.shift[number])
        mask, low = int(layout.mask[number]), int(layout.low[number])
        within = shift % 8
        if within + mask.bit_length() <= 8:
            where, wide = 4 * word + shift // 8, np.uint8
            get = lambda columns: np.ascontiguousarray(columns[where // 8]).view(np.uint8)[where % 8 :: 8].copy()
        else:
            where, within, wide = (word,), shift, np.uint32
            get = lambda columns: np.ascontiguousarray(columns[word // 2]).view(np.uint32)[word % 2 :: 2].copy()
        plane = self._slots.get(("plane", where))
        if plane is None:
            plane = self._step(("plane", where), get, 0)
        by, keep, least = wide(within), wide(mask), kind(low)
        same = np.dtype(kind).itemsize == np.dtype(wide).itemsize

        def element(x: np.ndarray) -> np.ndarray:
            x = (x >> by) & keep if within else x & keep
            x = x.view(kind) if same else x.astype(kind)
            return x + least if low else x

        self._step(key, element, plane)


def _needed(e: Expressions, outputs: Sequence[int]) -> list[int]:
    """`outputs` and everything below them, operands first."""
    found: set[int] = set()
    stack = list(outputs)
    while stack:
        at = stack.pop()
        if at not in found:
            found.add(at)
            if e.op[at] not in ("constant", "input"):
                stack.extend(e.args[at])
    return sorted(found)


def _towards_zero(x: Any, y: Any) -> Any:
    return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(np.result_type(x, y))
