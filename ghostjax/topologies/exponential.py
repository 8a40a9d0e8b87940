"""The static exponential graph."""

import numpy as np

from ghostjax._border import whole
from ghostjax.topologies._base import from_edges, Topology


def exponential(num_nodes: int) -> Topology:
    """Each node sends to those 1, 2, 4, ... steps ahead on a circle: `ceil(log2 n)` neighbours.

    Directed, all weights `1 / (ceil(log2 n) + 1)`, doubly stochastic but not symmetric. For even n its spectral gap is
    `2 / (1 + ceil(log2 n))`, where a ring's is of order `1 / n^2`.

    Source: Ying et al., Exponential Graph is Provably Efficient for Decentralized Deep Training,
    arXiv:2110.13363.
    """
    n = whole(num_nodes, "exponential", "num_nodes", 2)
    node, hop = np.meshgrid(np.arange(n), 2 ** np.arange((n - 1).bit_length()), indexing="ij")
    return from_edges(n, np.stack([node.ravel(), ((node + hop) % n).ravel()], 1), "uniform", directed=True)
