"""Every node has its own mixture of classes."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.tasks.partition._base import check_nodes, EVEN, pack, Partition, positive


def dirichlet_per_node(
    labels: np.ndarray, num_nodes: int, alpha: float, *, size: int | None = None, seed: int = 0
) -> Partition:
    """Draws each node's class proportions from Dirichlet(alpha, ..., alpha) over classes, with equal sizes.

    Nodes take their examples in turn, in random order and without replacement. A node whose class has run out takes
    its share from its other classes. `alpha=np.inf` is the same even mixture for all. With `size` every node holds
    exactly that many examples and the rest is unused. Without it, every index is held exactly once, and the last nodes
    take the rest, which flattens their mixtures. `dirichlet` draws over nodes per class instead and has unequal sizes.

    Source: Yurochkin et al., Bayesian Nonparametric Federated Learning of Neural Networks, arXiv:1905.12022.
    """
    labels, num_nodes = check_nodes("dirichlet_per_node", labels, num_nodes, seed)
    positive("dirichlet_per_node", alpha)
    size = None if size is None else whole(size, "dirichlet_per_node", "size")
    require(
        size is None or 1 <= size <= len(labels) // num_nodes,
        "dirichlet_per_node",
        "size",
        size,
        f"{num_nodes} nodes of {len(labels)} examples can hold 1 to {len(labels) // num_nodes} each",
    )
    rng = np.random.default_rng(seed)
    pools = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    sizes = [len(part) for part in np.array_split(labels, num_nodes)] if size is None else [size] * num_nodes
    even = np.full((num_nodes, len(pools)), 1 / len(pools))
    mixtures = even if alpha >= EVEN else rng.dirichlet(np.full(len(pools), alpha), num_nodes)
    groups: list[np.ndarray] = [np.zeros(0, int)] * num_nodes
    for node in rng.permutation(num_nodes):
        parts: list[np.ndarray] = []
        needed = sizes[node]
        while needed:
            left = np.array([len(pool) for pool in pools])
            shares = np.where(left > 0, mixtures[node], 0)
            # A mixture may give all its mass (in floating point) to classes that have run out.
            shares = shares if shares.sum() > 1e-12 else left.astype(float)
            for c, count in enumerate(np.minimum(rng.multinomial(needed, shares / shares.sum()), left)):
                parts.append(pools[c][:count])
                pools[c] = pools[c][count:]
                needed -= int(count)
        groups[node] = np.concatenate(parts)
    return pack(groups)
