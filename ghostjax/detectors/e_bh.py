"""Many identities, tested at once."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from ghostjax._border import number
from ghostjax._types import as_real, concrete


def e_bh(evidence: Any, level: float = 0.05) -> Bool[Array, " n"]:
    """The identities named at false-discovery rate `level`, from the log of an e-value each (the e-BH procedure).

        k* = max {k : the k largest e-values are all at least n / (level k)},    named: those k*

    **Guarantee:** if every e-value of an identity that did nothing has mean at most 1, the expected share of these
    among the named is at most `level`, whatever the dependence between identities. Evidence of `EProcess` qualifies at
    any stopping time, under that test's own conditions; that of a calibrated detector does not.

    ```python
    >>> import ghostjax as gj
    >>> gj.detectors.e_bh([9.0, 0.1, 6.0, 0.0]).tolist()
    [True, False, True, False]

    ```

    Source: Wang and Ramdas, False discovery rate control with e-values, arXiv:2009.02824.
    """
    if concrete(level):
        number(level, "e_bh", "level", 0, 1)
    values = as_real(evidence)
    count = values.shape[0]
    order = jnp.argsort(-values, stable=True)
    rank = jnp.arange(1, count + 1)
    reaches = values[order] >= jnp.log(count / (level * rank.astype(values.dtype)))
    largest = jnp.where(reaches, rank, 0).max(initial=0)
    return jnp.zeros(count, bool).at[order].set(rank <= largest)
