"""Dirichlet partition: how uneven each class is spread over nodes."""

import numpy as np

from ghostjax._types import require
from ghostjax.tasks.partition._base import pack, Partition


def dirichlet(
    labels: np.ndarray, num_nodes: int, alpha: float, *, seed: int = 0, min_size: int = 1, attempts: int = 1000
) -> Partition:
    """Spreads each class over nodes with shares drawn from Dirichlet(alpha, ..., alpha).

    Small `alpha` gives each class to few nodes. The draw is repeated until every node holds at least
    `min_size` examples. Errors: no draw of `attempts` does.

    Source: Hsu et al., Measuring the Effects of Non-Identical Data Distribution, arXiv:1909.06335.
    """
    require(alpha > 0, "dirichlet", "alpha", alpha, "must be positive")
    require(num_nodes > 0, "dirichlet", "num_nodes", num_nodes, "must be positive")
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    for _ in range(attempts):
        groups: list[list[np.ndarray]] = [[] for _ in range(num_nodes)]
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            shares = rng.dirichlet(np.full(num_nodes, alpha))
            cuts = np.round(np.cumsum(shares)[:-1] * len(members)).astype(int)
            for group, part in zip(groups, np.split(members, cuts), strict=True):
                group.append(part)
        parts = [np.concatenate(group) for group in groups]
        if min(map(len, parts)) >= min_size:
            return pack(parts)
    smallest = min(map(len, parts))
    require(
        False,
        "dirichlet",
        "min_size",
        min_size,
        f"no draw of {attempts} gave every node that many (last smallest: {smallest}); "
        "raise alpha, or lower num_nodes or min_size",
    )
    raise AssertionError
