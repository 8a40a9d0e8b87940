"""The chain."""

import numpy as np

from ghostjax.topologies._base import from_edges, Topology, Weighting


def chain(n: int, *, weights: Weighting = "metropolis") -> Topology:
    """Node i hears nodes `i - 1` and `i + 1`: the slowest connected graph of its size."""
    return from_edges(n, np.stack([np.arange(n - 1), np.arange(1, n)], 1), weights)
