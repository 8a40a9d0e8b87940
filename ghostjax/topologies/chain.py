"""The chain."""

import numpy as np

from ghostjax._border import whole
from ghostjax.topologies._base import from_edges, Topology, Weighting


def chain(num_nodes: int, *, weights: Weighting = "metropolis") -> Topology:
    """Node i receives from nodes `i - 1` and `i + 1`: the slowest connected graph of its size."""
    whole(num_nodes, "chain", "num_nodes", 1)
    return from_edges(num_nodes, np.stack([np.arange(num_nodes - 1), np.arange(1, num_nodes)], 1), weights)
