"""The most heterogeneous partition of equal sizes: sorted by label and cut."""

import numpy as np

from ghostjax.tasks.partition._base import check_nodes, pack, Partition


def extreme(labels: np.ndarray, num_nodes: int) -> Partition:
    """Sorts the examples by label (stable) and cuts them in equal contiguous parts; the first N mod n hold one more.

    Every index is held exactly once and no randomness is used. This is `gamma_similarity` at gamma 0.

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing,
    arXiv:2006.09365.
    """
    labels, num_nodes = check_nodes("extreme", labels, num_nodes)
    return pack(np.array_split(np.argsort(labels, kind="stable"), num_nodes))
