"""Dissensus: pushes every receiver away from its honest neighbours."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._types import real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Sent, View
from ghostjax.attacks._victims import neighbourhoods


class Dissensus(AbstractStatelessAttack):
    """Byzantine neighbours send each receiver the opposite of its move towards the others.

        m_i = x_i - eps * sum_{j in H} a_ij (x_j - x_i) / b_i

    with a the mixing weights among those present and b_i their Byzantine part. In plain mixing `eps = 1` cancels the
    honest exchange exactly, and a larger eps reverses it. A receiver without Byzantine neighbours gets no such vector
    (its row holds x_i).

    **Knows:** every message and the graph. **Traced:** `eps` (values in use: 1.5, 1, 0.05). **State:** none.
    **Cost:** one product with the mixing matrix. Errors: a protocol without a graph.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[0.0], [2.0], [0.0]]), jnp.array([False, False, True])
    >>> W = jnp.full((3, 3), 1 / 3)
    >>> gj.attacks.Dissensus(1.0)(x, byzantine, mixing=W)[:2, 0]
    Array([-2.,  4.], dtype=float32)

    ```

    Source: He, Karimireddy and Jaggi, Byzantine-Robust Decentralized Learning via ClippedGossip,
    arXiv:2202.01545.
    """

    eps: Float[Array, ""] = real_field(default=1.0)
    knows: ClassVar[Knowledge] = "honest"
    per_receiver: ClassVar[bool] = True

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        x = view.messages
        from_honest, honest, b = neighbourhoods(view, "Dissensus")
        step = self.eps.astype(x.dtype) / jnp.where(b > 0, b, 1)
        push = jnp.where(b > 0, step, 0)[:, None] * within(from_honest - honest[:, None] * x)
        return state, Sent(x, within(x - push))
