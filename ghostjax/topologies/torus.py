"""The periodic lattice."""

import math

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology, Weighting


def torus(num_nodes: int, shape: tuple[int, ...] | None = None, *, weights: Weighting = "metropolis") -> Topology:
    """A lattice that wraps around in every dimension: `torus(64)` has 8 x 8 nodes of degree 4.

    `shape` gives the sides, of any number of dimensions; by default two, as close to a square as `num_nodes`
    allows. Node `(a, b, ...)` has the index of row-major order. A side of 2 gives one neighbour in that
    dimension, not two. **Errors:** a side below 2; sides whose product is not `num_nodes`.
    """
    whole(num_nodes, "torus", "num_nodes", 1)
    if shape is None:
        side = max(s for s in range(1, math.isqrt(num_nodes) + 1) if num_nodes % s == 0)
        require(side >= 2, "torus", "num_nodes", num_nodes, "has no two sides of at least 2; give another number")
        shape = (side, num_nodes // side)
    for side in shape:
        whole(side, "torus", "shape")
    require(min(shape, default=0) >= 2, "torus", "shape", shape, "every side needs at least 2 nodes")
    require(math.prod(shape) == num_nodes, "torus", "shape", shape, f"the sides must multiply to {num_nodes} nodes")
    index = np.arange(num_nodes).reshape(shape)
    pairs = [np.stack([index.ravel(), np.roll(index, -1, axis).ravel()], 1) for axis in range(len(shape))]
    edges = np.unique(np.sort(np.concatenate(pairs), 1), axis=0)
    return from_edges(num_nodes, edges, weights)
