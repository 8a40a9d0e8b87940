"""The random regular graph."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.topologies._base import from_edges, Topology, Weighting
from ghostjax.topologies._diagnostics import connected


def random_regular(num_nodes: int, degree: int, seed: int = 0, *, weights: Weighting = "metropolis") -> Topology:
    """A random connected graph in which every node has `degree` neighbours.

    Starts from a ring of that degree and swaps the ends of two random edges, 20 attempts per edge, then until
    the graph is connected: a Markov chain whose stationary distribution is uniform over such simple graphs.
    It terminates for all n and degrees. **Errors:** an odd `n * degree`; a degree of n and more; a
    degree below 2 (which connects two nodes at most).
    """
    n = whole(num_nodes, "random_regular", "num_nodes", 2)
    whole(degree, "random_regular", "degree", 1)
    whole(seed, "random_regular", "seed", 0)
    require(n * degree % 2 == 0, "random_regular", "degree", degree, f"{n} * {degree} must be even; add a node")
    require(degree < n, "random_regular", "degree", degree, f"{n} nodes have at most {n - 1} neighbours each")
    require(degree >= 2 or n == 2, "random_regular", "degree", degree, "needs at least 2 to connect the nodes")
    generator = np.random.default_rng(seed)
    edges = [(i, (i + s) % n) for i in range(n) for s in range(1, degree // 2 + 1)]
    if degree % 2:
        edges += [(i, i + n // 2) for i in range(n // 2)]
    present = {(min(e), max(e)) for e in edges}
    while True:
        draws = generator.integers(len(edges), size=(20 * len(edges), 2))
        for (one, two), flip in zip(draws, generator.random(len(draws)) < 0.5, strict=True):
            (a, b), (c, d) = edges[one], edges[two][:: -1 if flip else 1]
            new = {(min(a, d), max(a, d)), (min(c, b), max(c, b))}
            if len({a, b, c, d}) == 4 and not new & present:
                present -= {(min(a, b), max(a, b)), (min(c, d), max(c, d))}
                present |= new
                edges[one], edges[two] = (a, d), (c, b)
        graph = from_edges(n, edges, weights)
        if connected(graph):
            return graph
