"""The split that the data came with: writers, users, hospitals."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.tasks.partition._base import labels_of, pack, Partition


def by_id(ids: np.ndarray, *, min_size: int = 1) -> Partition:
    """One node per distinct id, in sorted order of ids, with the examples of that id.

    Ids with fewer than `min_size` examples are left out; otherwise every index is held exactly once. Errors: no
    id has that many.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks.partition import by_id
    >>> by_id(np.array(["b", "a", "b"])).groups
    [array([1], dtype=int32), array([0, 2], dtype=int32)]

    ```
    """
    ids = labels_of("by_id", ids, "ids")
    min_size = whole(min_size, "by_id", "min_size", low=0)
    _, first = np.unique(ids, return_inverse=True)
    order = np.argsort(first, kind="stable")
    counts = np.bincount(first)
    groups = [group for group in np.split(order, np.cumsum(counts)[:-1]) if len(group) >= max(1, min_size)]
    require(groups, "by_id", "min_size", min_size, f"the largest of {len(counts)} ids has {counts.max(initial=0)}")
    return pack(groups)
