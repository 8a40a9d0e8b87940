"""The split that the data came with: writers, users, hospitals."""

import numpy as np

from ghostjax._types import require
from ghostjax.tasks.partition._base import pack, Partition


def by_id(ids: np.ndarray, *, min_size: int = 1) -> Partition:
    """One node per distinct id, in sorted order of ids, holding the examples that carry it.

    Ids with fewer than `min_size` examples are left out; otherwise every index is held exactly once. Errors: no
    id has that many.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks.partition import by_id
    >>> by_id(np.array(["b", "a", "b"])).groups
    [array([1], dtype=int32), array([0, 2], dtype=int32)]

    ```
    """
    ids = np.asarray(ids)
    require(ids.ndim == 1, "by_id", "ids", f"array of shape {ids.shape}", "give one id per example, [N]")
    _, first = np.unique(ids, return_inverse=True)
    order = np.argsort(first, kind="stable")
    counts = np.bincount(first)
    groups = [group for group in np.split(order, np.cumsum(counts)[:-1]) if len(group) >= max(1, min_size)]
    require(groups, "by_id", "min_size", min_size, f"the largest of {len(counts)} ids has {counts.max(initial=0)}")
    return pack(groups)
