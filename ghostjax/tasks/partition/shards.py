"""Label-sorted shards, a few per node."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.tasks.partition._base import check_nodes, pack, Partition


def shards(labels: np.ndarray, num_nodes: int, shards_per_node: int = 2, *, seed: int = 0) -> Partition:
    """Sorts the examples by label, cuts them in n s equal shards and deals s random shards to each node.

    Shards differ by at most one in size; a shard spans few labels, so a node sees about s of them. Every index
    is held exactly once.

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
    arXiv:1602.05629.
    """
    labels, num_nodes = check_nodes("shards", labels, num_nodes, seed)
    shards_per_node = whole(shards_per_node, "shards", "shards_per_node", low=1)
    total = num_nodes * shards_per_node
    require(
        total <= len(labels),
        "shards",
        "shards_per_node",
        shards_per_node,
        f"{total} shards of {len(labels)} examples leave some empty; lower it or num_nodes",
    )
    pieces = np.array_split(np.argsort(labels, kind="stable"), total)
    deal = np.random.default_rng(seed).permutation(total).reshape(num_nodes, shards_per_node)
    return pack([np.concatenate([pieces[j] for j in row]) for row in deal])
