"""A sequence of graphs that repeats."""

from typing import Any

import jax
import jax.numpy as jnp

from ghostjax._border import members, shown
from ghostjax._random import Moment
from ghostjax._types import require
from ghostjax.topologies._base import AbstractTopology, Topology


class Cycle(AbstractTopology):
    """Round t uses graph `t mod m` of a list of m graphs.

    Sparse graphs in turn mix like a dense one. For n a power of two, the m one-peer graphs of an exponential graph
    reach exact consensus after m rounds of plain mixing.

    **Traced:** all arrays of the graphs. **Shapes:** every graph is padded to the largest number of slots.
    **Errors:** no graph, graphs of different numbers of nodes.

    ```python
    >>> import ghostjax as gj
    >>> peers = [gj.topologies.from_edges(4, [(i, (i + s) % 4) for i in range(4)], "uniform", directed=True)
    ...          for s in (1, 2)]
    >>> gj.topologies.Cycle(peers)
    Cycle(2 graphs of 4 nodes)

    ```

    Source: Ying et al., Exponential Graph is Provably Efficient for Decentralized Deep Training, arXiv:2110.13363.
    """

    graphs: Topology
    """All graphs, stacked along a first axis."""

    def __init__(self, graphs: Any):
        found = members(graphs, Topology, "Cycle", "graphs")
        require(found, "Cycle", "graphs", shown(graphs), "give at least one graph")
        sizes = [graph.num_nodes for graph in found]
        require(len(set(sizes)) == 1, "Cycle", "graphs", f"graphs of {sizes} nodes", "give all the same number")
        width = max(graph.num_slots for graph in found)
        self.graphs = jax.tree.map(lambda *arrays: jnp.stack(arrays), *(_padded(graph, width) for graph in found))

    @property
    def num_nodes(self) -> int:
        return self.graphs.nbr.shape[1]

    @property
    def num_slots(self) -> int:
        return self.graphs.nbr.shape[2]

    def at(self, moment: Moment) -> Topology:
        turn = moment.round % self.graphs.nbr.shape[0]
        return jax.tree.map(lambda array: array[turn], self.graphs)

    def examples(self) -> tuple[Topology, ...]:
        return tuple(jax.tree.map(lambda array, i=i: array[i], self.graphs) for i in range(self.graphs.nbr.shape[0]))

    def __repr__(self) -> str:
        return f"Cycle({self.graphs.nbr.shape[0]} graphs of {self.num_nodes} nodes)"


def _padded(graph: Topology, width: int) -> Topology:
    """`graph` with further slots that repeat the node itself and count 0."""
    more = width - graph.num_slots
    itself = jnp.broadcast_to(jnp.arange(graph.num_nodes, dtype=graph.nbr.dtype)[:, None], (graph.num_nodes, more))
    return Topology(
        jnp.concatenate([graph.nbr, itself], 1),
        jnp.pad(graph.weights, ((0, 0), (0, more))),
        jnp.pad(graph.mask, ((0, 0), (0, more))),
    )
