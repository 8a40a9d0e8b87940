"""A topology: a padded list of neighbours with mixing weights, and its construction from edges or a matrix."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ghostjax._border import Checked, choice, whole
from ghostjax._kernels import balanced
from ghostjax._random import Moment
from ghostjax._types import concrete, require


Weighting = Literal["metropolis", "uniform"]
"""`metropolis`: `W_ij = 1 / (1 + max(deg_i, deg_j))`, symmetric, hence doubly stochastic. `uniform`:
`W_ij = 1 / (1 + deg_i)`, equal weights in each row, doubly stochastic on regular graphs only."""


class AbstractTopology(Checked):
    """A graph that may change from round to round."""

    @property
    @abstractmethod
    def num_nodes(self) -> int:
        """Number of nodes n."""

    @property
    @abstractmethod
    def num_slots(self) -> int:
        """Slots of a receiver k: the largest number of nodes that one receives from, itself included."""

    @abstractmethod
    def at(self, moment: Moment) -> "Topology":
        """The graph of one round."""

    @abstractmethod
    def examples(self) -> "tuple[Topology, ...]":
        """All graphs that occur, for checks and diagnostics before the first round."""


class Topology(AbstractTopology):
    """Who receives from whom, and with which mixing weight.

    Slot j of receiver i holds the message of node `nbr[i, j]`, with weight `weights[i, j]`; `mask` marks real slots.
    Slot 0 is the node itself, the others ascend by index, and padding slots repeat the node itself with
    weight 0, so that gathers stay in bounds. Rows of weights sum to 1: `W = dense()` is the mixing matrix.

    **Traced:** all three arrays; one compiled program serves every graph of one `n` and one largest degree.
    **Shapes:** `[n, k]`, k = largest degree + 1. **Errors:** rows that do not sum to 1, negative weights, a
    neighbour out of range or listed twice, slot 0 that is not the node itself.

    ```python
    >>> import ghostjax as gj
    >>> gj.topologies.ring(5).nbr.tolist()
    [[0, 1, 4], [1, 0, 2], [2, 1, 3], [3, 2, 4], [4, 0, 3]]

    ```
    """

    nbr: Int[Array, "n k"]
    weights: Float[Array, "n k"]
    mask: Bool[Array, "n k"]

    def __check_init__(self):
        if not concrete((self.nbr, self.weights, self.mask)):
            return
        nbr, weights, mask = np.asarray(self.nbr), np.asarray(self.weights, float), np.asarray(self.mask)
        itself = np.arange(nbr.shape[0])
        _check((nbr[:, 0] == itself).all(), "nbr", nbr[:, 0].tolist(), "slot 0 must be the node itself")
        padding = ((nbr == itself[:, None]) & (weights == 0))[~mask].all()
        _check(padding, "mask", "a padding slot that counts", "padding needs the node's own index and weight 0")
        _check(((nbr >= 0) & (nbr < len(itself))).all(), "nbr", int(nbr.max()), f"must be below {len(itself)}")
        _check((weights >= 0).all(), "weights", weights.min(), "must not be negative")
        sums = weights.sum(1)
        worst = int(np.argmax(np.abs(sums - 1)))
        _check(abs(sums[worst] - 1) < self.tolerance, "weights", f"row {worst} sums to {sums[worst]:g}", "must be 1")
        # Padding is given distinct negative names, so that only real slots can repeat.
        names = np.sort(np.where(mask, nbr, -1 - np.arange(nbr.shape[1])[None, :]), 1)
        _check((np.diff(names, axis=1) != 0).all(), "nbr", "a neighbour listed twice", "list it once")

    @property
    def tolerance(self) -> float:
        """The rounding by which the sum of a row may differ from 1."""
        return 4 * float(jnp.finfo(self.weights.dtype).eps) * self.nbr.shape[1]

    def __repr__(self) -> str:
        if not concrete(self.mask):
            return f"Topology({self.nbr.shape[0]} nodes, traced)"
        degree = np.asarray(self.mask).sum(1) - 1
        low, high = int(degree.min()), int(degree.max())
        return f"Topology({len(degree)} nodes, degree {low if low == high else f'{low} to {high}'})"

    @property
    def num_nodes(self) -> int:
        """Number of nodes n."""
        return self.nbr.shape[0]

    @property
    def num_slots(self) -> int:
        """Slots of a receiver k."""
        return self.nbr.shape[1]

    def at(self, moment: Moment) -> "Topology":
        """Itself: this graph does not change."""
        del moment
        return self

    def examples(self) -> "tuple[Topology, ...]":
        """Itself."""
        return (self,)

    @property
    def degree(self) -> Int[Array, " n"]:
        """The number of other nodes that each node receives from."""
        return self.mask.sum(1) - 1

    def dense(self, slots: Float[Array, "n k"] | None = None) -> Float[Array, "n n"]:
        """The mixing matrix W, or another matrix `[n, n]` given by its values per slot."""
        slots = self.weights if slots is None else slots
        n = self.num_nodes
        return jnp.zeros((n, n), slots.dtype).at[jnp.arange(n)[:, None], self.nbr].add(jnp.where(self.mask, slots, 0))

    def counts(self) -> Float[Array, "n k"]:
        """The count of identities of each slot when all are present: `W_ij k_i`, k_i the number of slots of i."""
        senders = self.mask.sum(1, keepdims=True).astype(self.weights.dtype)
        return jnp.where(self.mask, self.weights * senders, 0)

    def among(self, w: Float[Array, " n"]) -> Float[Array, "n n"]:
        """The mixing matrix among those present: `W_ij w_j`, rows renormalised; an absent node keeps itself."""
        w = balanced(w)
        slots = self.counts().astype(w.dtype) * w[self.nbr]
        total = jnp.where(w > 0, slots.sum(1), 0)[:, None]
        itself = jnp.arange(slots.shape[1])[None, :] == 0
        return self.dense(jnp.where(total > 0, slots / jnp.where(total > 0, total, 1), itself.astype(w.dtype)))


def from_edges(
    num_nodes: int,
    edges: Iterable[Sequence[int]] | np.ndarray,
    weights: Weighting | Any = "metropolis",
    *,
    directed: bool = False,
) -> Topology:
    """A topology from a list of edges `(i, j)` between nodes.

    `weights` is a scheme or one mixing weight per edge; the node itself gets the rest to 1. With `directed`, `(i, j)`
    means that i sends to j, and a receiver's degree counts its senders.

    **Errors:** self loops, edges listed twice, nodes out of range, Metropolis weights on a directed graph,
    weights of a row that exceed 1.

    ```python
    >>> import ghostjax as gj
    >>> gj.topologies.from_edges(3, [(0, 1), (1, 2)], weights=[0.5, 0.25]).dense().tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]

    ```
    """
    n = whole(num_nodes, "from_edges", "num_nodes", 1)
    pairs = np.asarray(edges if isinstance(edges, np.ndarray) else list(edges), np.int64).reshape(-1, 2)
    outside = pairs[((pairs < 0) | (pairs >= n)).any(1)]
    require(not len(outside), "from_edges", "edges", outside[:3].tolist(), f"nodes are numbered 0 to {n - 1}")
    loops = pairs[pairs[:, 0] == pairs[:, 1]]
    require(not len(loops), "from_edges", "edges", loops[:3].tolist(), "a node always includes itself; leave loops out")
    names = pairs if directed else np.sort(pairs, 1)
    unique, counts = np.unique(names[:, 0] * n + names[:, 1], return_counts=True)
    twice = [(int(u // n), int(u % n)) for u in unique[counts > 1][:3]]
    require(not twice, "from_edges", "edges", twice, "listed more than once (in either order if undirected)")

    sender, receiver = pairs.T if directed else np.concatenate([pairs, pairs[:, ::-1]]).T
    degree = np.bincount(receiver, minlength=n)
    if isinstance(weights, str):
        choice(weights, ("metropolis", "uniform"), "from_edges", "weights")
        require(
            not (directed and weights == "metropolis"),
            "from_edges",
            "weights",
            weights,
            "Metropolis weights need an undirected graph; use 'uniform' or give one weight per edge",
        )
        both = np.maximum(degree[receiver], degree[sender]) if weights == "metropolis" else degree[receiver]
        values = 1 / (1 + both)
    else:
        given = np.asarray(weights, float)
        require(
            given.shape == (len(pairs),),
            "from_edges",
            "weights",
            f"array of shape {given.shape}",
            f"give one weight per edge, ({len(pairs)},), or 'metropolis' or 'uniform'",
        )
        values = given if directed else np.concatenate([given, given])
    self_weight = 1 - np.bincount(receiver, values, minlength=n)
    # Weights of a row that are equal up to rounding are made equal to the last bit: kernels test for that.
    self_weight = np.where(np.isclose(self_weight, 1 / (1 + degree), rtol=1e-12, atol=0), 1 / (1 + degree), self_weight)
    short = int(np.argmin(self_weight))
    require(
        self_weight[short] >= -1e-9,
        "from_edges",
        "weights",
        f"{1 - self_weight[short]:g} on the edges of node {short}",
        "the weights of a node's edges must not exceed 1 in sum",
    )
    return _assemble(n, receiver, sender, values, np.maximum(self_weight, 0))


def from_matrix(matrix: Any) -> Topology:
    """A topology from a mixing matrix `W [n, n]`: i receives from j if `W[i, j] > 0`, and always from itself.

    **Errors:** a matrix that is not square, has negative entries, or whose rows do not sum to 1.
    """
    matrix = np.asarray(matrix, float)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    require(square, "from_matrix", "matrix", f"array of shape {matrix.shape}", "must be square, [n, n]")
    require((matrix >= 0).all(), "from_matrix", "matrix", matrix.min(), "entries must not be negative")
    receiver, sender = np.nonzero(matrix * (1 - np.eye(len(matrix))))
    return _assemble(len(matrix), receiver, sender, matrix[receiver, sender], np.diagonal(matrix))


def _assemble(
    n: int, receiver: np.ndarray, sender: np.ndarray, values: np.ndarray, self_weight: np.ndarray
) -> Topology:
    order = np.lexsort((sender, receiver))
    receiver, sender, values = receiver[order], sender[order], values[order]
    degree = np.bincount(receiver, minlength=n)
    slot = np.arange(len(receiver)) - (np.cumsum(degree) - degree)[receiver] + 1
    k = 1 + int(degree.max(initial=0))
    nbr = np.repeat(np.arange(n, dtype=np.int32)[:, None], k, 1)
    weights = np.zeros((n, k))
    nbr[receiver, slot], weights[receiver, slot], weights[:, 0] = sender, values, self_weight
    mask = np.arange(k)[None, :] <= degree[:, None]
    return Topology(jnp.asarray(nbr), jnp.asarray(weights, jnp.result_type(float)), jnp.asarray(mask))


def _check(condition: Any, parameter: str, value: Any, remedy: str) -> None:
    require(condition, "Topology", parameter, value, remedy)
