"""The Erdos-Renyi random graph."""

import math

import numpy as np

from ghostjax._border import number, whole
from ghostjax._types import ConfigurationError
from ghostjax.topologies._base import from_edges, Topology, Weighting
from ghostjax.topologies._diagnostics import connected as is_connected


def erdos_renyi(
    num_nodes: int,
    p: float,
    seed: int = 0,
    *,
    connected: bool = True,
    attempts: int = 100,
    weights: Weighting = "metropolis",
) -> Topology:
    """Each pair of nodes is linked with probability `p`, independently.

    With `connected`, graphs are drawn until one is connected, that is, from the distribution given
    connectedness. **Errors:** `p` outside [0, 1]; no connected graph in `attempts` draws.
    """
    n = whole(num_nodes, "erdos_renyi", "num_nodes", 1)
    number(p, "erdos_renyi", "p", 0, 1)
    whole(seed, "erdos_renyi", "seed", 0)
    whole(attempts, "erdos_renyi", "attempts", 1)
    generator = np.random.default_rng(seed)
    above = np.triu(np.ones((n, n), bool), 1)
    for _ in range(attempts if connected else 1):
        graph = from_edges(n, np.argwhere(above & (generator.random((n, n)) < p)), weights)
        if not connected or is_connected(graph):
            return graph
    raise ConfigurationError(
        f"erdos_renyi: p={p:g}: no connected graph of {n} nodes in {attempts} draws; "
        f"raise p above log(n) / n = {math.log(n) / n:.3f} or pass connected=False"
    )
