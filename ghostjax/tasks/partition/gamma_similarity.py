"""Part of the data is distributed at random, the rest by label."""

import numpy as np

from ghostjax._border import number
from ghostjax._types import require
from ghostjax.tasks.partition._base import check_nodes, pack, Partition


def gamma_similarity(labels: np.ndarray, num_nodes: int, gamma: float, *, seed: int = 0) -> Partition:
    """Distributes floor(gamma N) random examples evenly, and the rest sorted by label in contiguous parts.

    gamma 1 is `iid`, gamma 0 is `extreme`. Every index is held exactly once. The random part is drawn from the
    whole data, independently of its order.

    Source: Karimireddy et al., SCAFFOLD, arXiv:1910.06378 (similarity); Allouah et al., Fixing by Mixing,
    arXiv:2302.01772.
    """
    labels, num_nodes = check_nodes("gamma_similarity", labels, num_nodes, seed)
    number(gamma, "gamma_similarity", "gamma", 0, 1)
    order = np.random.default_rng(seed).permutation(len(labels))
    # 0.29 * 100 is 28.999..., so the product is rounded before it is floored.
    count = int(np.floor(np.round(gamma * len(labels), 9)))
    mixed, rest = order[:count], np.sort(order[count:])
    rest = rest[np.argsort(labels[rest], kind="stable")]
    parts = zip(np.array_split(mixed, num_nodes), np.array_split(rest, num_nodes), strict=True)
    groups = [np.concatenate(pair) for pair in parts]
    empty = sum(len(group) == 0 for group in groups)
    require(
        not empty,
        "gamma_similarity",
        "num_nodes",
        num_nodes,
        f"{empty} nodes would hold no example of {len(labels)}; use fewer nodes",
    )
    return pack(groups)
