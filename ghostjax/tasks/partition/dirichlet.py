"""The Dirichlet partition: each class is spread unevenly over nodes."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import ConfigurationError, require
from ghostjax.tasks.partition._base import check_nodes, EVEN, pack, Partition, positive


def dirichlet(
    labels: np.ndarray, num_nodes: int, alpha: float, *, seed: int = 0, min_size: int = 1, attempts: int = 1000
) -> Partition:
    """Spreads each class over nodes with shares drawn from Dirichlet(alpha, ..., alpha).

        p_c ~ Dirichlet(alpha 1_n),   node i holds a share p_ci of class c

    A small `alpha` gives each class to few nodes and makes sizes unequal. `alpha=np.inf` is the even split: sizes, and
    each class among nodes, differ by at most one. Every index is held exactly once. The whole draw is repeated until
    every node holds at least `min_size` examples. This conditions the distribution; `min_size=0` keeps it exact and
    may leave nodes empty. Errors: no draw among `attempts` satisfies `min_size`.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks.partition import dirichlet
    >>> labels = np.repeat(np.arange(10), 100)
    >>> int(dirichlet(labels, 20, 0.3).counts.sum())
    1000

    ```

    Source: Hsu et al., Measuring the Effects of Non-Identical Data Distribution, arXiv:1909.06335.
    """
    labels, num_nodes = check_nodes("dirichlet", labels, num_nodes, seed)
    positive("dirichlet", alpha)
    min_size = whole(min_size, "dirichlet", "min_size", low=0)
    attempts = whole(attempts, "dirichlet", "attempts", low=1)
    require(
        num_nodes * min_size <= len(labels),
        "dirichlet",
        "min_size",
        min_size,
        f"{num_nodes} nodes of at least that many need more than {len(labels)} examples; lower it or num_nodes",
    )
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if alpha >= EVEN:
        dealt = np.concatenate([rng.permutation(members) for members in classes])
        return pack([dealt[node::num_nodes] for node in range(num_nodes)])
    best = 0
    for _ in range(attempts):
        # The sizes decide whether a draw is kept. Examples are distributed only then.
        cuts = [
            np.round(np.cumsum(rng.dirichlet(np.full(num_nodes, alpha)))[:-1] * len(members)).astype(int)
            for members in classes
        ]
        sizes = sum(np.diff(cut, prepend=0, append=len(members)) for cut, members in zip(cuts, classes, strict=True))
        best = max(best, int(np.min(sizes)))
        if np.min(sizes) >= min_size:
            split = [np.split(rng.permutation(members), cut) for cut, members in zip(cuts, classes, strict=True)]
            return pack([np.concatenate(parts) for parts in zip(*split, strict=True)])
    each = len(labels) / num_nodes
    remedy = "raise alpha, or lower num_nodes or min_size"
    if each < 20:  # hardly any draw leaves nobody out
        remedy = f"with {each:.3g} examples a node, use partition.iid or alpha=np.inf (even shares), or fewer nodes"
    raise ConfigurationError(
        f"dirichlet: min_size={min_size}: no draw of {attempts} gave each of {num_nodes} nodes that many examples "
        f"(best smallest node: {best}); {remedy}"
    )
