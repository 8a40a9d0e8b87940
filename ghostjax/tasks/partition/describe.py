"""The description of a partition: the realised label histogram and the differences between nodes."""

from typing import NamedTuple

import numpy as np

from ghostjax.tasks.partition._base import checked, labels_of, Partition


class Heterogeneity(NamedTuple):
    """The realised heterogeneity of a partition.

    `classes [C]` are the labels; `histogram [n, C]` counts them per node; `sizes [n]` counts examples.
    `total_variation` is the mean over nodes of half the L1 distance between the node's label distribution and
    that of all held examples (0 for equal mixtures, towards 1 for one rare class each). `imbalance` is the
    largest size over the mean size (1 for equal sizes). `classes_per_node` is the mean number of labels that a
    node holds at least once.
    """

    classes: np.ndarray
    histogram: np.ndarray
    sizes: np.ndarray
    total_variation: float
    imbalance: float
    classes_per_node: float


def describe(partition: Partition, labels: np.ndarray) -> Heterogeneity:
    """The label histogram of `partition` and its distance from an even one.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks.partition import describe, extreme
    >>> labels = np.array([0, 0, 1, 1])
    >>> seen = describe(extreme(labels, 2), labels)
    >>> seen.histogram.tolist(), seen.total_variation, seen.imbalance
    ([[2, 0], [0, 2]], 0.5, 1.0)

    ```
    """
    labels = labels_of("describe", labels)
    partition = checked("describe", partition, len(labels))
    classes, codes = np.unique(labels, return_inverse=True)
    sizes = np.asarray(partition.counts)
    held = np.arange(partition.indices.shape[1])[None, :] < sizes[:, None]
    node = np.broadcast_to(np.arange(len(sizes))[:, None], held.shape)[held]
    cell = node * len(classes) + codes[partition.indices[held]]
    histogram = np.bincount(cell, minlength=len(sizes) * len(classes)).reshape(len(sizes), len(classes))
    total = histogram.sum(0) / max(1, histogram.sum())
    shares = histogram / np.maximum(1, sizes)[:, None]
    return Heterogeneity(
        classes=classes,
        histogram=histogram,
        sizes=sizes,
        total_variation=float(0.5 * np.abs(shares - total[None, :]).sum(1).mean()),
        imbalance=float(sizes.max() / sizes.mean()),
        classes_per_node=float((histogram > 0).sum(1).mean()),
    )
