"""A set of exact keys, in NumPy: open addressing, whole batches at a time. Keys are stored whole, so none collide."""

import numpy as np


EMPTY = np.uint64(2**64 - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Table:
    """Keys of W 64-bit columns, each with the number under which it was added. No key is all ones."""

    def __init__(self, columns: int, numbered: bool = False, size: int = 1 << 12):
        self.count = 0
        self._columns, self._numbered = columns, numbered
        self._allocate(size)

    def _allocate(self, size: int) -> None:
        self._size = size
        self._slots = np.full((self._columns, size), EMPTY)
        self._numbers = np.zeros(size if self._numbered else 0, np.int64)

    def missing(self, keys: np.ndarray) -> np.ndarray:
        """The positions of those `keys` `[W, N]` that are not in the set, in order."""
        slots, size = self._slots, len(self._slots[0])
        at = _home(keys, size)
        found, empty = _compare(slots, at, keys)
        out = empty
        left = np.flatnonzero(~(found | empty))
        at = at.take(left)
        while len(left):
            at = (at + 1) & (size - 1)
            found, here = _compare(slots, at, keys.take(left, axis=1))
            out[left[here]] = True
            on = np.flatnonzero(~(found | here))
            left, at = left.take(on), at.take(on)
        return np.flatnonzero(out)

    def add(self, keys: np.ndarray) -> np.ndarray:
        """Adds the distinct keys `[W, N]` that are not in the set, numbered from `count` on in their order; returns
        their positions."""
        total = self.count + keys.shape[1]
        if 2 * total > self._size:
            used = self._slots[-1] != EMPTY
            held, numbers = self._slots[:, used], self._numbers[used[: len(self._numbers)]]
            size = self._size
            while 2 * total > size:
                size *= 4
            self._allocate(size)
            slot = self._place(held)[1]
            if self._numbered:
                self._numbers[slot] = numbers
        fresh, slot = self._place(keys)
        if self._numbered:
            self._numbers[slot[fresh]] = np.arange(self.count, self.count + len(fresh))
        self.count += len(fresh)
        return fresh

    def numbers(self, keys: np.ndarray) -> np.ndarray:
        """The numbers of keys `[W, N]` that are all in the set."""
        at = _home(keys, self._size)
        left = np.arange(keys.shape[1])
        while len(left):
            found, _ = _compare(self._slots, at[left], keys[:, left])
            left = left[~found]
            at[left] = (at[left] + 1) & (self._size - 1)
        return self._numbers[at]

    def _place(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Puts the keys into the table. Returns the positions of new keys, and (if numbered) the slot of each."""
        slots, size = self._slots, self._size
        last, at = slots[-1], _home(keys, size)
        slot = np.empty(len(at) if self._numbered else 0, np.int64)
        new = np.zeros(len(at), bool)
        left: np.ndarray | None = None
        while True:
            found, free = _compare(slots, at, keys)
            trying = np.flatnonzero(free)
            place, mine = at.take(trying), keys.take(trying, axis=1)
            # If several keys try for one slot, the last one gets it, and the others go on.
            if self._columns == 1:
                last[place] = mine[0]
                won = last.take(place) == mine[0]
            else:
                won = self._owner(place, trying) == trying
                slots[:, place[won]] = mine[:, won]
            trying = trying[won]
            found[trying] = True
            new[trying if left is None else left.take(trying)] = True
            if self._numbered:
                done = np.flatnonzero(found)
                slot[done if left is None else left.take(done)] = at.take(done)
            on = np.flatnonzero(~found)
            if not len(on):
                return np.flatnonzero(new), slot
            left = on if left is None else left.take(on)
            at, keys = (at.take(on) + 1) & (size - 1), keys.take(on, axis=1)

    @staticmethod
    def _owner(place: np.ndarray, who: np.ndarray) -> np.ndarray:
        """For each key that tries for a place, the one that gets it: the last."""
        unique, inverse = np.unique(place, return_inverse=True)
        owner = np.empty(len(unique), np.int64)
        owner[inverse] = who
        return owner[inverse]


def _compare(slots: np.ndarray, at: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the slots hold the keys, and whether they are empty."""
    held = slots[-1].take(at)
    found = held == keys[-1]
    for column, key in zip(slots[:-1], keys[:-1], strict=True):
        found &= column.take(at) == key
    return found, held == EMPTY


def _home(keys: np.ndarray, size: int) -> np.ndarray:
    """The first slot of each key."""
    mixed = keys[0] * _MIX
    for column in keys[1:]:
        mixed ^= mixed >> np.uint64(29)
        mixed += column
        mixed *= _MIX
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIX
    return (mixed >> np.uint64(65 - size.bit_length())).astype(np.int64)
