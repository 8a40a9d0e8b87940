"""Label map: chosen classes of Byzantine nodes, renamed."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from ghostjax._border import shown, whole
from ghostjax._types import as_count, concrete, require
from ghostjax.attacks._base import AbstractAttack, AbstractDataAttack, Before, check_rewrites
from ghostjax.attacks._labels import relabel


class LabelMap(AbstractDataAttack):
    """Byzantine nodes learn chosen classes under other names and otherwise follow the protocol.

        y -> target_k where y = source_k, unchanged elsewhere; all at once, so {2: 7, 7: 2} exchanges two

    `mapping` is `{source: target, ...}` or pairs of them, e.g. `LabelMap({2: 7})`.

    **Knows:** its own identities' data. **Traced:** sources and targets (their number is static). **State:**
    none. Errors: a class that is mapped twice or that the task does not have, an empty map, a batch without integer
    labels `y`.

    Source: Tolpegin et al., Data Poisoning Attacks Against Federated Learning Systems, arXiv:2007.08432.
    """

    source: Int[Array, " m"]
    target: Int[Array, " m"]

    def __init__(self, mapping: Any):
        call = "LabelMap"
        listed = mapping.items() if isinstance(mapping, dict) else mapping
        pairs = list(listed) if isinstance(mapping, dict | list | tuple) else []
        fits = pairs and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs)
        require(fits, call, "mapping", shown(mapping), "name at least one class, e.g. {2: 7}")
        sources, targets = zip(*pairs, strict=True)
        for one in (*sources, *targets):
            if concrete(one):
                whole(one, call, "mapping", low=0)
        require(
            len(set(sources)) == len(sources), "LabelMap", "mapping", mapping, "give every class at most one new name"
        )
        self.source, self.target = as_count(sources), as_count(targets)

    def on(self, task: Any) -> AbstractAttack:
        known = getattr(task, "num_classes", None)
        if known is not None and concrete((self.source, self.target)):
            top = max(int(self.source.max()), int(self.target.max()))
            require(top < known, "LabelMap", "mapping", f"class {top}", f"the task has classes 0 to {known - 1}")
        check_rewrites(self, task)
        return self

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        del state

        def rename(y: Array) -> Array:
            match = y[..., None] == self.source.astype(y.dtype).reshape(*(1,) * y.ndim, -1)
            return jnp.where(match.any(-1), self.target.astype(y.dtype)[match.argmax(-1)], y)

        return relabel("LabelMap", batch, before.byzantine, rename)
