"""The star."""

import numpy as np

from ghostjax._border import whole
from ghostjax.topologies._base import from_edges, Topology, Weighting


def star(num_nodes: int, *, weights: Weighting = "metropolis") -> Topology:
    """Node 0 receives from all nodes, and the others receive from node 0: a server as a graph."""
    whole(num_nodes, "star", "num_nodes", 1)
    return from_edges(num_nodes, np.stack([np.zeros(num_nodes - 1, int), np.arange(1, num_nodes)], 1), weights)
