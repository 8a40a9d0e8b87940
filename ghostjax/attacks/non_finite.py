"""Messages that are not numbers."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._types import concrete, real_field, require
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, same_for_all, Sent, View


class NonFinite(AbstractStatelessAttack):
    """All Byzantine identities send inf, -inf or nan in every coordinate.

    The round counts such rows as absent and records the weight that they lost. So the attack only makes its identities
    leave; code without that check would break.

    **Knows:** nothing. **Traced:** `value` (nan, inf or -inf). **State:** none. **Exempt from:** *finite*, on purpose.
    Errors: a finite value.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> sent = gj.attacks.NonFinite(jnp.inf)(jnp.array([[1.0], [3.0]]), jnp.array([False, True]))
    >>> sent[1], gj.aggregators.Mean()(sent)
    (Array([inf], dtype=float32), Array([1.], dtype=float32))

    ```
    """

    value: Float[Array, ""] = real_field(default=jnp.nan, nan=True, inf=True)
    knows: ClassVar[Knowledge] = "nothing"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"finite"})

    def __check_init__(self):
        if concrete(self.value):
            finite = jnp.isfinite(self.value).any()
            require(~finite, "NonFinite", "value", self.value, "must be nan, inf or -inf; Constant sends numbers")

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        _, d = view.messages.shape
        return state, same_for_all(view, jnp.full((d,), self.value.astype(view.messages.dtype)))
