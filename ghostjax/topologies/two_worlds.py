"""Two worlds: the graph on which breakdown can be predicted."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology


def two_worlds(num_nodes: int, h: int, f: int = 0) -> Topology:
    """Two cliques; each node is also linked to `h` nodes of the other clique and to `f` further nodes.

    Of the `num_nodes`, `honest = num_nodes - 2 f` form the cliques, half of them each. Node i of the first one is
    linked to nodes `(i + s) mod (honest / 2)`, s < h, of the second. The `2 f` further nodes come last, f in each
    world, linked to every node of their clique. They are Byzantine under the simulation's `byzantine=2 * f`. Metropolis
    weights
    are then all equal to `w = 1 / (honest / 2 + h + f)` for honest nodes, and as long as `2 h` is the smallest
    non-zero eigenvalue of the honest graph's Laplacian

        b = f w,    mu_2 = 2 h w,    2 b / mu_2 = f / h,

    so the breakdown of every rule is predicted at `f = h` or below. **Errors:** an odd number of
    nodes; h outside 1 to `honest / 2`; a negative f.

    ```python
    >>> import ghostjax as gj, numpy as np
    >>> graph = gj.topologies.two_worlds(34, h=8, f=4)
    >>> round(gj.topologies.describe(graph, np.arange(34) >= 26)["byzantine_ratio"], 4)
    0.5

    ```

    Source: Gaucher et al., Unified Breakdown Analysis for Byzantine Robust Gossip, arXiv:2410.10418.
    """
    whole(num_nodes, "two_worlds", "num_nodes")
    whole(f, "two_worlds", "f", 0)
    honest = num_nodes - 2 * f
    half = honest // 2
    require(
        honest >= 2 and honest % 2 == 0, "two_worlds", "num_nodes", num_nodes, f"needs an even number above {2 * f}"
    )
    whole(h, "two_worlds", "h", 1, half)
    clique = np.argwhere(np.triu(np.ones((half, half), bool), 1))
    one, step = (grid.ravel() for grid in np.meshgrid(np.arange(half), np.arange(h), indexing="ij"))
    cross = np.stack([one, half + (one + step) % half], 1)
    node, stranger = (grid.ravel() for grid in np.meshgrid(np.arange(honest), np.arange(f), indexing="ij"))
    strangers = np.stack([node, honest + stranger + f * (node >= half)], 1)
    return from_edges(honest + 2 * f, np.concatenate([clique, clique + half, cross, strangers]))
