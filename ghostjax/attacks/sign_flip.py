"""Sign flip: the opposite of the honest message."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._types import real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Sent, View
from ghostjax.attacks.ipm import IPM


class SignFlip(AbstractStatelessAttack):
    """Each Byzantine identity sends the opposite of its own honest message.

        m_i = -scale * x_i

    **Knows:** its own identities' messages. **Traced:** `scale`. **State:** none.

    Other libraries use the name for the opposite of the honest *mean*, sent by every Byzantine identity. That needs all
    honest messages; here it is `SignFlip.of_mean()`.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [4.0]]), jnp.array([False, False, True])
    >>> gj.attacks.SignFlip()(x, byzantine)[2], gj.attacks.SignFlip.of_mean()(x, byzantine)[2]
    (Array([-4.], dtype=float32), Array([-2.], dtype=float32))

    ```

    Source: Li et al., RSA: Byzantine-Robust Stochastic Aggregation Methods, arXiv:1811.03761.
    """

    scale: Float[Array, ""] = real_field(default=1.0)
    knows: ClassVar[Knowledge] = "own"

    @classmethod
    def of_mean(cls, scale: Any = 1.0) -> IPM:
        """The mean form, `m = -scale * mean_H`: inner product manipulation with `tau = scale`."""
        return IPM(scale)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        x = view.messages
        return state, Sent(jnp.where(view.byzantine[:, None], within(-self.scale.astype(x.dtype) * x), x))
