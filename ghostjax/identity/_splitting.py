"""The gain of a principal that splits its stake over several identities."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._border import number, whole
from ghostjax._types import as_real, require


def split_gain(phi: Callable[[Array], Array], stake: Any, k: int) -> float:
    """How many times more a principal counts after it split `stake` equally over `k` identities.

        k phi(stake / k) / phi(stake)

    `phi` says what a stake counts for: a function, or that of an identity layer, `Capped([...], cap=2.0).phi`. It
    multiplies the odds of the principal, its weight over that of all others. In closed form:

        layer         gain
        Stake         1
        SquareRoot    sqrt(k)
        Capped        k min(stake / k, cap) / min(stake, cap), at most stake / cap
        Equal         k

    Stake is the only neutral one: every concave phi with phi(0) = 0 never loses by splitting.

    **Errors:** a stake that is not above 0, fewer than 1 identity, a stake that counts for nothing.

    ```python
    >>> import ghostjax as gj
    >>> gj.identity.split_gain(gj.identity.Capped([1.0, 1.0], cap=2.0).phi, stake=8.0, k=2)
    2.0

    ```

    Source: for neutrality, Cauchy's functional equation; the gain sqrt(k) is in Buterin, Hitzig and Weyl, A Flexible
    Design for Funding Public Goods, arXiv:1809.06421.
    """
    whole(k, "split_gain", "k", low=1)
    number(stake, "split_gain", "stake", 0)
    require(stake > 0, "split_gain", "stake", stake, "give a stake above 0")
    before, after = float(phi(as_real(stake))), float(phi(as_real(jnp.asarray(stake) / k)))
    require(before > 0, "split_gain", "phi", f"{before:g} at stake {stake}", "such a stake counts for nothing")
    return k * after / before
