"""A partition of examples over nodes."""

from typing import Any, NamedTuple

import numpy as np

from ghostjax._border import number, whole
from ghostjax._types import ConfigurationError, require


class Partition(NamedTuple):
    """The examples of each node: row i of `indices [n, m]` lists them, and the first `counts[i]` count.

    Padding repeats the row's first entry, so a gather stays inside the data. A partition is made by `iid`,
    `dirichlet`, ... or by `pack` from any list of index arrays.
    """

    indices: np.ndarray
    counts: np.ndarray

    @property
    def num_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.counts)

    @property
    def groups(self) -> list[np.ndarray]:
        """The indices of each node without padding."""
        return [row[:count] for row, count in zip(self.indices, self.counts, strict=True)]

    def within(self, kept: np.ndarray) -> "Partition":
        """The same partition of a subset: position j stands for example `kept[j]`.

        ```python
        >>> import numpy as np
        >>> from ghostjax.tasks.partition import iid, long_tail
        >>> labels = np.repeat(np.arange(4), 100)
        >>> kept = long_tail(labels, 0.5)
        >>> iid(labels[kept], 5).within(kept).counts
        array([38, 38, 37, 37, 37], dtype=int32)

        ```
        """
        return Partition(np.asarray(kept, np.int32)[self.indices], self.counts)


def pack(groups: list[np.ndarray]) -> Partition:
    """The partition whose node i holds `groups[i]`.

    Errors: a group that is no list of whole numbers of at least 0, or names an example twice.
    """
    arrays = [_whole_numbers("pack", f"groups[{i}]", group) for i, group in enumerate(groups)]
    width = max(1, max((len(array) for array in arrays), default=0))
    indices = np.zeros((len(arrays), width), np.int32)
    for i, array in enumerate(arrays):
        twice = len(array) - len(np.unique(array))
        require(
            not twice,
            "pack",
            f"groups[{i}]",
            f"{twice} repeated examples",
            "name each once; weights= can count one more",
        )
        if len(array):
            indices[i] = array[0]
            indices[i, : len(array)] = array
    return Partition(indices, np.array([len(array) for array in arrays], np.int32))


def _whole_numbers(call: str, name: str, group: Any) -> np.ndarray:
    try:
        array = np.asarray(group)
    except ValueError:  # ragged
        array = np.asarray(None)
    array = array.astype(int) if array.shape == (0,) else array
    seen = f"{array.dtype} of shape {array.shape}"
    remedy = "give the indices of examples, one list of whole numbers per node (np.flatnonzero of a mask)"
    require(array.ndim == 1 and array.dtype.kind in "iu", call, name, seen, remedy)
    low, top = int(array.min(initial=0)), int(array.max(initial=0))
    require(low >= 0 and top < 2**31, call, name, f"index {low if low < 0 else top}", "count examples from 0")
    return array


def checked(call: str, partition: Partition, total: int | None = None) -> Partition:
    """`partition` after a check that its indices and counts fit each other and `total` examples.

    Errors: counts beyond the width, indices that are no whole numbers, lie outside the data, or are repeated at a node.
    """
    name, hint = "partition", "make it by partition.pack(groups)"
    try:
        indices, counts = np.asarray(partition.indices), np.asarray(partition.counts)
    except ValueError as error:
        raise ConfigurationError(f"{call}: {name}=rows of unlike lengths: {hint}") from error
    seen = f"indices {indices.dtype}{list(indices.shape)}, counts {counts.dtype}{list(counts.shape)}"
    whole = indices.dtype.kind in "iu" and counts.dtype.kind in "iu"
    fits = indices.ndim == 2 and counts.shape == indices.shape[:1] and indices.size > 0
    require(whole and fits, call, name, seen, f"needs whole numbers [n, m] and [n]; {hint}")
    low, top = int(counts.min()), int(counts.max())
    require(low >= 0, call, name, f"a count of {low}", f"a count is at least 0; {hint}")
    require(top <= indices.shape[1], call, name, f"a count of {top} in {indices.shape[1]} slots", hint)
    first, last = int(indices.min()), int(indices.max())
    within = first >= 0 and (total is None or last < total)
    require(within, call, name, f"indices {first} to {last}", f"x has {total} examples" if total else hint)
    held = np.arange(indices.shape[1])[None, :] < counts[:, None]
    ordered = np.sort(np.where(held, indices.astype(np.int64), -1 - np.arange(indices.shape[1])[None, :]), axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1)).tolist()
    require(
        not twice, call, name, f"nodes {twice[:5]} hold an example twice", "name each once; weights= can count one more"
    )
    return Partition(indices.astype(np.int32), counts.astype(np.int32))


def labels_of(call: str, labels: Any, name: str = "labels", *, flat: bool = True) -> np.ndarray:
    """`labels` as an array `[N]` without missing values: numbers, booleans or texts, in a row or a column."""
    missing = "drop those examples (y[~np.isnan(y)]), or give them a class of their own"
    require(not np.ma.is_masked(labels), call, name, "masked values", missing)
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise ConfigurationError(f"{call}: {name}=rows of unlike lengths: give one label per example, [N]") from error
    if array.dtype == object:
        text = all(isinstance(value, str) for value in array.reshape(-1))
        require(text, call, name, "objects", "number the classes: classes, y = np.unique(y, return_inverse=True)")
        array = array.astype(str)
    if array.dtype.kind in "fcmM":
        lost = int((np.isnat(array) if array.dtype.kind in "mM" else np.isnan(array)).sum())
        require(not lost, call, name, f"{lost} missing (nan)", missing)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    require(
        array.ndim == 1 or (array.ndim > 1 and not flat),
        call,
        name,
        f"array of shape {array.shape}",
        "give one label per example, [N]",
    )
    return array


EVEN = 1e12
"""From this alpha on, shares differ by less than a millionth. The even split is used: numpy's sums would overflow."""


def positive(call: str, alpha: Any) -> None:
    """Refuses an `alpha` that is not above 0, or below 1e-6, where numpy's shares are nan. inf is the even split."""
    number(alpha, call, "alpha", inf=True)
    require(alpha >= 1e-6, call, "alpha", alpha, "must be positive, at least 1e-6; np.inf is the even split")


def check_nodes(call: str, labels: Any, num_nodes: Any, seed: Any = 0, *, flat: bool = True) -> tuple[np.ndarray, int]:
    """The labels as an array and the number of nodes, after a check that every node can hold an example."""
    labels = labels_of(call, labels, flat=flat)
    num_nodes = whole(num_nodes, call, "num_nodes", low=1)
    whole(seed, call, "seed", low=0)
    require(
        num_nodes <= len(labels),
        call,
        "num_nodes",
        num_nodes,
        f"only {len(labels)} examples, so a node would be empty; use at most as many nodes as examples",
    )
    return labels, num_nodes
