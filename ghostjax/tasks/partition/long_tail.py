"""Few examples of the later classes."""

import numpy as np

from ghostjax._border import number, whole
from ghostjax._types import require
from ghostjax.tasks.partition._base import labels_of


def long_tail(labels: np.ndarray, beta: float, *, seed: int = 0) -> np.ndarray:
    """The indices that are kept when class i (in sorted order) keeps floor(beta^i N_i) of its N_i examples.

    It transforms the index set before any partitioner:
    `kept = long_tail(y, 0.5); dirichlet(y[kept], n, 0.3).within(kept)`. The kept examples are drawn by `seed`, in the
    order of the data. Late classes may vanish.

    Source: Karimireddy et al., arXiv:2006.09365 (long-tailed MNIST, beta = 1/2).
    """
    labels = labels_of("long_tail", labels)
    require(number(beta, "long_tail", "beta") > 0 and beta <= 1, "long_tail", "beta", beta, "must lie in (0, 1]")
    whole(seed, "long_tail", "seed", low=0)
    rng = np.random.default_rng(seed)
    kept = []
    for i, label in enumerate(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        kept.append(members[: int(np.floor(np.round(beta**i * len(members), 9)))])
    return np.sort(np.concatenate(kept))
