"""The same number everywhere."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._types import as_real, real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, same_for_all, Sent, View


class Constant(AbstractStatelessAttack):
    """All Byzantine identities send one number in every coordinate.

        m_j = value

    At 0, the default (`Zero()` says so), it is the free rider that contributes nothing.

    **Knows:** nothing. **Traced:** `value`. **State:** none.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.attacks.Zero()(jnp.array([[1.0], [3.0]]), jnp.array([False, True]))[1]
    Array([0.], dtype=float32)

    ```

    Source: Blanchard et al., Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent,
    arXiv:1703.02757.
    """

    value: Float[Array, ""] = real_field(default=0.0)
    knows: ClassVar[Knowledge] = "nothing"

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        _, d = view.messages.shape
        return state, same_for_all(view, jnp.full((d,), self.value.astype(view.messages.dtype)))


def Zero() -> Constant:
    """All Byzantine identities send zeros."""
    return Constant(as_real(0.0))
