"""The star."""

import numpy as np

from ghostjax.topologies._base import from_edges, Topology, Weighting


def star(n: int, *, weights: Weighting = "metropolis") -> Topology:
    """Node 0 hears everybody, the others hear node 0: a server without the name."""
    return from_edges(n, np.stack([np.zeros(n - 1, int), np.arange(1, n)], 1), weights)
