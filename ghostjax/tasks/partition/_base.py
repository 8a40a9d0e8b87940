"""A partition of examples over nodes."""

from typing import NamedTuple

import numpy as np

from ghostjax._types import require


class Partition(NamedTuple):
    """Who holds which example: row i of `indices [n, m]` lists node i's examples, the first `counts[i]` count.

    Padding repeats the row's first entry, so a gather never leaves the data. Made by `iid`, `dirichlet`, ... or
    by `pack` from any list of index arrays.
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
    """The partition whose node i holds `groups[i]`."""
    width = max(1, max((len(group) for group in groups), default=0))
    indices = np.zeros((len(groups), width), np.int32)
    for i, group in enumerate(groups):
        if len(group):
            indices[i] = group[0]
            indices[i, : len(group)] = group
    return Partition(indices, np.array([len(group) for group in groups], np.int32))


def check_nodes(call: str, labels: np.ndarray, num_nodes: int) -> np.ndarray:
    """The labels as an array, once it is clear that every node can hold an example."""
    labels = np.asarray(labels)
    require(labels.ndim == 1, call, "labels", f"array of shape {labels.shape}", "give one label per example, [N]")
    require(num_nodes >= 1, call, "num_nodes", num_nodes, "must be at least 1")
    require(
        num_nodes <= len(labels),
        call,
        "num_nodes",
        num_nodes,
        f"only {len(labels)} examples, so a node would be empty; use at most as many nodes as examples",
    )
    return labels
