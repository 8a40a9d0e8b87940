"""States as exact integers: packed bits in 32-bit words, paired into 64-bit keys. No hashing, no collisions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal._spec import Var


class Encoding(NamedTuple):
    """The place of each element of each variable: word, shift, mask and lower bound, in declared order."""

    variables: Mapping[str, Var]
    word: np.ndarray
    shift: np.ndarray
    mask: np.ndarray
    low: np.ndarray
    words: int

    @property
    def bits(self) -> int:
        """Bits of one state."""
        return int(sum(var.size * var.bits for var in self.variables.values()))

    @property
    def used(self) -> int:
        """Bits up to the last that a state uses, gaps included."""
        return max(
            (
                32 * int(w) + int(s) + int(m).bit_length()
                for w, s, m in zip(self.word, self.shift, self.mask, strict=True)
            ),
            default=0,
        )


def encoding(variables: Mapping[str, Var]) -> Encoding:
    """The layout: elements in declared order, row-major, none straddling two words; an even number of words."""
    word, shift, mask, low = [], [], [], []
    at, used = 0, 0
    for name, var in variables.items():
        if var.bits > 31:
            raise ValueError(f"Var({name}): range {var.low}..{var.high}: takes {var.bits} bits, at most 31 fit")
        for _ in range(var.size):
            # The last bit of a pair of words stays free, so that no key is all ones.
            if used + var.bits > 32 - at % 2:
                at, used = at + 1, 0
            word.append(at)
            shift.append(used)
            mask.append((1 << var.bits) - 1)
            low.append(var.low)
            used += var.bits
    words = at + 1
    arrays = (np.array(word, np.int32), np.array(shift, np.uint32), np.array(mask, np.uint32), np.array(low, np.int32))
    return Encoding(variables, *arrays, words=words + words % 2)


def unpack(layout: Encoding, words: Any) -> dict[str, Any]:
    """The variables of one state from its words `[K]` (inside a trace)."""
    elements = (words[layout.word] >> layout.shift) & layout.mask
    elements = elements.astype(jnp.int32) + layout.low
    fields, start = {}, 0
    for name, var in layout.variables.items():
        fields[name] = elements[start : start + var.size].reshape(var.shape)
        start += var.size
    return fields


def pack(layout: Encoding, fields: Mapping[str, Any]) -> tuple[Any, Any]:
    """The words `[K]` of one state and whether every element is within its bounds (inside a trace).

    An element out of bounds overwrites the bits of its neighbours, and the words are invalid. Check the flag first.
    """
    elements = jnp.concatenate([jnp.asarray(fields[name], jnp.int32).reshape(-1) for name in layout.variables])
    high = np.concatenate([np.full(var.size, var.high, np.int32) for var in layout.variables.values()])
    inside = jnp.all((elements >= layout.low) & (elements <= high))
    shifted = (elements - layout.low).astype(jnp.uint32) << layout.shift
    words = []
    for k in range(layout.words):
        of_word = np.flatnonzero(layout.word == k)
        words.append(shifted[of_word[0] : of_word[-1] + 1].sum(dtype=jnp.uint32) if len(of_word) else jnp.uint32(0))
    return jnp.stack(words), inside


def pack_many(layout: Encoding, fields: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """`pack` for many states given as arrays with a leading axis: words `[S, K]` and flags `[S]`, in NumPy."""
    count = len(next(iter(fields.values())))
    elements = np.concatenate([fields[name].reshape(count, -1) for name in layout.variables], axis=1)
    high = np.concatenate([np.full(var.size, var.high) for var in layout.variables.values()])
    inside = np.asarray(((elements >= layout.low) & (elements <= high)).all(1))
    words = np.zeros((count, layout.words), np.uint32)
    for e in range(elements.shape[1]):
        words[:, layout.word[e]] += (elements[:, e] - layout.low[e]).astype(np.uint32) << layout.shift[e]
    return words, inside


def unpack_many(layout: Encoding, words: np.ndarray) -> dict[str, np.ndarray]:
    """The variables of many states from their words `[S, K]`, each with a leading axis, in NumPy."""
    elements = ((words[:, layout.word] >> layout.shift) & layout.mask).astype(np.int32) + layout.low
    fields, start = {}, 0
    for name, var in layout.variables.items():
        fields[name] = elements[:, start : start + var.size].reshape(-1, *var.shape)
        start += var.size
    return fields


def keys(words: np.ndarray) -> np.ndarray:
    """Words `[S, K]` as exact keys: `[S]` uint64 for up to 64 bits, else one bytes-like record per state.

    Records compare and sort as their words do. They are slower, and used for wide states only.
    """
    wide = np.ascontiguousarray(words).view(np.uint64)
    if wide.shape[1] == 1:
        return wide[:, 0]
    return np.ascontiguousarray(wide.byteswap()).view(np.dtype((np.void, 8 * wide.shape[1])))[:, 0]


def words_of(keys: np.ndarray, count: int) -> np.ndarray:
    """The inverse of `keys`: words `[S, count]`."""
    if keys.dtype == np.uint64:
        return np.ascontiguousarray(keys)[:, None].view(np.uint32)
    wide = np.frombuffer(keys.tobytes(), np.uint64).reshape(len(keys), count // 2).byteswap()
    return wide.view(np.uint32).reshape(len(keys), count)


def columns_of(words: np.ndarray) -> np.ndarray:
    """Words `[S, K]` as 64-bit columns `[K / 2, S]`, the form of batches."""
    return np.ascontiguousarray(np.ascontiguousarray(words).view(np.uint64).T)


def words_of_columns(columns: np.ndarray) -> np.ndarray:
    """The inverse of `columns_of`."""
    return np.ascontiguousarray(columns.T).view(np.uint32)


def keys_of_columns(columns: np.ndarray) -> np.ndarray:
    """Columns as keys."""
    return columns[0] if len(columns) == 1 else keys(words_of_columns(columns))
