"""The ring."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology, Weighting


def ring(num_nodes: int, degree: int = 2, *, weights: Weighting = "metropolis") -> Topology:
    """Each node receives from its `degree / 2` nearest nodes on either side of a circle.

    The mixing matrix is circulant, with eigenvalues `(1 + 2 sum_{s <= degree/2} cos(2 pi s m / n)) / (degree + 1)`
    for m = 0..n-1. **Errors:** an odd degree, or one of n and more.
    """
    n = whole(num_nodes, "ring", "num_nodes", 1)
    whole(degree, "ring", "degree")
    require(degree >= 2 and degree % 2 == 0, "ring", "degree", degree, "must be even: as many neighbours on each side")
    require(degree < n, "ring", "degree", degree, f"{n} nodes have at most {n - 1} neighbours; use complete({n})")
    node, step = np.meshgrid(np.arange(n), np.arange(1, degree // 2 + 1), indexing="ij")
    return from_edges(n, np.stack([node.ravel(), ((node + step) % n).ravel()], 1), weights)
