"""Handwritten digits, available offline."""

import numpy as np

from ghostjax._border import whole
from ghostjax.tasks._splits import Examples, Splits
from ghostjax.tasks.arrays import ArrayTask, over_nodes, Shares
from ghostjax.tasks.models import AbstractModel, MLP


def load_digits(*, seed: int = 0) -> Splits:
    """The 1797 8x8 digits that come with scikit-learn, scaled to [0, 1]: 1200/100/247/250 examples.

    The sets `train`, `audit`, `validation` and `test` are cut from one permutation drawn from `seed`.
    """
    from sklearn.datasets import load_digits as load

    x, y = load(return_X_y=True)
    order = np.random.default_rng(whole(seed, "load_digits", "seed", low=0)).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int32)
    cuts = [1200, 1300, 1547]
    train, audit, validation, test = map(Examples, np.split(x, cuts), np.split(y, cuts))
    return Splits(train, audit, validation, test)


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

    The model is an MLP 64-64-10 unless given. `partition` indexes the 1200 training examples of
    `load_digits(seed=seed).train`, or is a function of their labels.

    ```python
    >>> from ghostjax.tasks import digits
    >>> task = digits(16, alpha=0.3)
    >>> task.num_nodes, int(task.counts.sum()), task.describe().histogram.shape
    (16, 1200, (16, 10))

    ```
    """
    data = load_digits(seed=seed)
    return over_nodes(
        "digits", data, num_nodes, model or MLP((64, 64, 10)), partition, alpha, seed, batch_size=batch_size
    )
