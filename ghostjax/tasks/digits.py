"""Handwritten digits, available offline."""

from typing import Any

import numpy as np

from ghostjax.tasks.arrays import ArrayTask, over_nodes, Shares
from ghostjax.tasks.models import AbstractModel, MLP


def load_digits(*, test_size: int = 450, seed: int = 0) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The 1797 8x8 digits that come with scikit-learn, scaled to [0, 1], as `(train, test)` pairs.

    The split is a permutation drawn from `seed`; the last `test_size` examples are held out.
    """
    from sklearn.datasets import load_digits as load

    x, y = load(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int32)
    return (x[:-test_size], y[:-test_size]), (x[-test_size:], y[-test_size:])


def digits(
    num_nodes: int,
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> ArrayTask:
    """Real handwritten digits over `num_nodes` nodes, Dirichlet(`alpha`) unless a `partition` is given.

    The model is an MLP 64-64-10 unless given. `partition` indexes the 1347 training examples of
    `load_digits(seed=seed)`, or is a function of their labels.

    ```python
    >>> from ghostjax.tasks import digits
    >>> task = digits(16, alpha=0.3)
    >>> task.num_nodes, int(task.counts.sum()), task.describe().histogram.shape
    (16, 1347, (16, 10))

    ```
    """
    data = load_digits(seed=seed)
    return over_nodes(
        "digits", data, num_nodes, model or MLP((64, 64, 10)), partition, alpha, seed, batch_size=batch_size
    )
