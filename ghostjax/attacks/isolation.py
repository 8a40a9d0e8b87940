"""Isolation: chooses the result of plain mixing at each receiver."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._types import as_real, real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Sent, View
from ghostjax.attacks._victims import neighbourhoods


class Isolation(AbstractStatelessAttack):
    """Byzantine neighbours send each receiver the vector that makes its weighted average a chosen point.

        m_i = (hold * x_i - sum_{j in H} a_ij x_j) / b_i

    with a the mixing weights among those present (the receiver's own included) and b_i their Byzantine part:
    plain mixing then returns exactly `hold * x_i`. With `hold = 1` honest nodes learn as if alone; with 0
    (`Isolation.zero_sum()`) their models are erased. A receiver without Byzantine neighbours gets no such vector
    (its row holds x_i).

    **Knows:** every message and the graph. **Traced:** `hold`. **State:** none. **Cost:** one product with the
    mixing matrix. Errors: a protocol without a graph. Its form at a server, where the mean of all messages
    becomes zero, is `IPM(tau=(n - f) / f)`.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[0.0], [2.0], [0.0]]), jnp.array([False, False, True])
    >>> W = jnp.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
    >>> gj.attacks.Isolation()(x, byzantine, mixing=W)[:2, 0]
    Array([-2.,  4.], dtype=float32)

    ```

    Source: Wu et al., Byzantine-Resilient Decentralized Stochastic Optimization with Robust Aggregation Rules,
    arXiv:2206.04568.
    """

    hold: Float[Array, ""] = real_field(default=1.0)
    knows: ClassVar[Knowledge] = "honest"
    per_receiver: ClassVar[bool] = True

    @classmethod
    def zero_sum(cls) -> "Isolation":
        """Every receiver's weighted average becomes zero."""
        return cls(as_real(0.0))

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        x = view.messages
        from_honest, _, b = neighbourhoods(view, "Isolation")
        some = (b > 0)[:, None]
        sent = (self.hold.astype(x.dtype) * x - from_honest) / jnp.where(some, b[:, None], 1)
        return state, Sent(x, jnp.where(some, within(sent), x))
