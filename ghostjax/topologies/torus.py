"""The periodic lattice."""

import numpy as np

from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology, Weighting


def torus(*shape: int, weights: Weighting = "metropolis") -> Topology:
    """A lattice of `prod(shape)` nodes that wraps around in every dimension: `torus(8, 8)` has degree 4.

    Node `(a, b, ...)` has the index of row-major order. A side of 2 gives one neighbour in that dimension,
    not two. **Errors:** a side below 2.
    """
    require(len(shape) >= 1, "torus", "shape", shape, "give at least one side")
    require(min(shape, default=0) >= 2, "torus", "shape", shape, "every side needs at least 2 nodes")
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = [np.stack([index.ravel(), np.roll(index, -1, axis).ravel()], 1) for axis in range(len(shape))]
    edges = np.unique(np.sort(np.concatenate(pairs), 1), axis=0)
    return from_edges(index.size, edges, weights)
