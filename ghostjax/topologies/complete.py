"""The complete graph."""

import numpy as np

from ghostjax._border import whole
from ghostjax.topologies._base import from_edges, Topology, Weighting


def complete(num_nodes: int, *, weights: Weighting = "metropolis") -> Topology:
    """All nodes receive from all, with weight `1 / num_nodes`: one round of plain mixing reaches consensus.

    ```python
    >>> import ghostjax as gj
    >>> round(gj.topologies.spectral_gap(gj.topologies.complete(5)), 6)
    1.0

    ```
    """
    whole(num_nodes, "complete", "num_nodes", 1)
    return from_edges(num_nodes, np.argwhere(np.triu(np.ones((num_nodes, num_nodes), bool), 1)), weights)
