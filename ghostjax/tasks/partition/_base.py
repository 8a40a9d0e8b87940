"""A partition of examples over nodes, and what it looks like."""

from typing import NamedTuple

import numpy as np


class Partition(NamedTuple):
    """Who holds which example: row i of `indices [n, m]` lists node i's examples, the first `counts[i]` count.

    Padding repeats the row's first entry, so a gather never leaves the data.
    """

    indices: np.ndarray
    counts: np.ndarray


def pack(groups: list[np.ndarray]) -> Partition:
    """The partition whose node i holds `groups[i]`."""
    width = max(1, max((len(group) for group in groups), default=0))
    indices = np.zeros((len(groups), width), np.int32)
    for i, group in enumerate(groups):
        if len(group):
            indices[i] = group[0]
            indices[i, : len(group)] = group
    return Partition(indices, np.array([len(group) for group in groups], np.int32))
