"""Every node holds a uniform sample of the same size."""

import numpy as np

from ghostjax.tasks.partition._base import check_nodes, pack, Partition


def iid(labels: np.ndarray, num_nodes: int, *, seed: int = 0) -> Partition:
    """Shuffles the examples and cuts them in equal parts; N mod n nodes hold one more.

    Every index is held exactly once. Only the number of labels is used.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks.partition import iid
    >>> iid(np.zeros(10), 3).counts
    array([4, 3, 3], dtype=int32)

    ```
    """
    labels, num_nodes = check_nodes("iid", labels, num_nodes, seed, flat=False)
    return pack(np.array_split(np.random.default_rng(seed).permutation(len(labels)), num_nodes))
