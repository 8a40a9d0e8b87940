"""Two cliques and a narrow bridge."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology, Weighting


def dumbbell(num_nodes: int, bridges: int = 1, *, weights: Weighting = "metropolis") -> Topology:
    """Two cliques of `n / 2` nodes, joined by `bridges` edges: node i to node `n - 1 - i`.

    The cut between the cliques is small although most nodes are well connected: the spectral gap falls with `1 / n^2`.
    **Errors:** an odd n; fewer than 1 or more than `n / 2` bridges.
    """
    n = whole(num_nodes, "dumbbell", "num_nodes")
    require(n >= 2 and n % 2 == 0, "dumbbell", "num_nodes", n, "needs two cliques of one size: an even number of nodes")
    whole(bridges, "dumbbell", "bridges", 1, n // 2)
    clique = np.argwhere(np.triu(np.ones((n // 2, n // 2), bool), 1))
    bridge = np.stack([np.arange(bridges), n - 1 - np.arange(bridges)], 1)
    return from_edges(n, np.concatenate([clique, clique + n // 2, bridge]), weights)
