"""A Merkle tree over a list of entries that only grows, and the two proofs about it (RFC 9162, section 2.1)."""

import hashlib
from collections.abc import Iterable, Sequence


WIDTH = 32
"""Bytes of a hash."""


def leaf_hash(entry: bytes) -> bytes:
    """`sha256(0x00 || entry)`."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """`sha256(0x01 || left || right)`: no inner node can pass for a leaf."""
    return _joined(left, right)


_joined = lambda left, right: hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The hashes of every perfect subtree of a growing list, 64 bytes a leaf.

        root([]) = sha256(""),  root([h]) = h,  root(L) = node(root(L[:k]), root(L[k:])), k the largest power of 2 < |L|

    A leaf costs one hash, and one more on average for the nodes that it completes. A root takes at most
    `ceil(log2 size)` hashes, an inclusion proof `O(log^2 size)` and a consistency proof too, of any size that the list
    once had. **Errors:** `ValueError` for an index or a size that the list never had.

    ```python
    >>> tree = Tree(map(leaf_hash, [b"a", b"b", b"c"]))
    >>> includes(leaf_hash(b"b"), 1, 3, tree.inclusion(1), tree.root())
    True
    >>> extends(2, tree.root(2), 3, tree.root(), tree.consistency(2))
    True

    ```

    Source: Laurie, Messeri, Stradling, Certificate Transparency Version 2.0, RFC 9162.
    """

    def __init__(self, hashes: Iterable[bytes] = ()):
        self._levels = [bytearray()]
        self.extend(hashes)

    def __len__(self) -> int:
        return len(self._levels[0]) // WIDTH

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Adds the hashes of further leaves at the end."""
        self._levels[0] += b"".join(hashes)
        height = 0
        while len(self._levels[height]) >= 2 * WIDTH:
            below, height = self._levels[height], height + 1
            if height == len(self._levels):
                self._levels.append(bytearray())
            level = self._levels[height]
            start, stop = 2 * len(level), len(below) - len(below) % (2 * WIDTH)
            pairs = bytes(below[start:stop])
            sha, pair = hashlib.sha256, 2 * WIDTH
            level += b"".join([sha(b"\x01" + pairs[i : i + pair]).digest() for i in range(0, len(pairs), pair)])

    def leaf(self, index: int) -> bytes:
        """The hash of the leaf at `index`."""
        _at_most(index, len(self) - 1, "index")
        return bytes(self._levels[0][WIDTH * index : WIDTH * (index + 1)])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves; over all unless given."""
        size = len(self) if size is None else size
        _at_most(size, len(self), "size")
        return self._span(0, size) if size else hashlib.sha256(b"").digest()

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The proof that the leaf at `index` is in the list of `size` leaves: hashes from the leaf up."""
        size = len(self) if size is None else size
        _at_most(size, len(self), "size")
        _at_most(index, size - 1, "index")
        path, start, stop = [], 0, size
        while stop - start > 1:
            middle = start + (1 << ((stop - start - 1).bit_length() - 1))
            if index < middle:
                path.append(self._span(middle, stop))
                stop = middle
            else:
                path.append(self._span(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the list of `old` leaves is the beginning of that of `size`."""
        size = len(self) if size is None else size
        _at_most(size, len(self), "size")
        _at_most(old, size, "old")
        path, start, stop, whole = [], 0, size, True
        if old == 0:
            return []  # the empty list begins every list, and nothing has to be shown
        while old != stop:
            middle = start + (1 << ((stop - start - 1).bit_length() - 1))
            if old <= middle:
                path.append(self._span(middle, stop))
                stop = middle
            else:
                path.append(self._span(start, middle))
                start, whole = middle, False
        return ([] if whole else [self._span(start, stop)]) + path[::-1]

    def _span(self, start: int, stop: int) -> bytes:
        """The root over leaves `start : stop`, which begin where a perfect subtree of that size may begin."""
        found = b""
        while start < stop:  # from the right: the smallest perfect subtree ends there
            height = ((stop - start) & (start - stop)).bit_length() - 1
            stop -= 1 << height
            at = WIDTH * (stop >> height)
            part = bytes(self._levels[height][at : at + WIDTH])
            found = _joined(part, found) if found else part
        return found


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` is the hash at `index` in the list of `size` leaves with that `root`.

    A proof does not bind `size` to `root`: a signed head does.
    """
    if not 0 <= index < size or any(len(one) != WIDTH for one in (leaf, root, *proof)):
        return False
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at % 2 or at == last:
            found = _joined(sibling, found)
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            found = _joined(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def extends(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the list of `old` leaves with `old_root` is the beginning of that of `size`."""
    if not 0 < old <= size or any(len(one) != WIDTH for one in (old_root, root, *proof)):
        return False
    if old == size:
        return not proof and old_root == root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, size - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            before, after = _joined(one, before), _joined(one, after)
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            after = _joined(after, one)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == root


def _at_most(value: int, high: int, name: str) -> None:
    if not 0 <= value <= high:
        raise ValueError(f"{name}={value}: the list has none; give 0 to {high}")
