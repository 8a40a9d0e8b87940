"""Inner product manipulation: against the honest mean."""

from typing import Any, ClassVar

from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._types import real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean


class IPM(AbstractStatelessAttack):
    """All Byzantine identities send the honest mean, reversed and scaled.

        m = -tau * mean_H

    With a small `tau` it looks like an honest row to rules that compare distances, and can still make the inner product
    of aggregate and honest mean negative. At `tau = 1` it is the sign flip of the mean. At `tau = (n - f) / f` the mean
    of all messages is exactly zero.

    **Knows:** every honest message of the round. **Traced:** `tau`. **State:** none. Also called empire or
    fall of empires, where some write `(1 - t) mean_H`: that is `tau = t - 1` (`IPM.foe`). Values in use: byzfl
    2, the ClippedGossip code and flpoison 0.1, blades 1, and 0.1 and 100 in its benchmarks.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [4.0]]), jnp.array([False, False, True])
    >>> gj.attacks.IPM(tau=0.5)(x, byzantine)[2]
    Array([-1.], dtype=float32)

    ```

    Source: Xie et al., Fall of Empires: Breaking Byzantine-tolerant SGD by Inner Product Manipulation,
    arXiv:1903.03936.
    """

    tau: Float[Array, ""] = real_field(default=0.1)
    knows: ClassVar[Knowledge] = "honest"

    @classmethod
    def foe(cls, t: Any) -> "IPM":
        """The form `m = (1 - t) mean_H`."""
        return cls(t - 1)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        mean = honest_mean(view)
        return state, same_for_all(view, within(-self.tau.astype(mean.dtype) * mean))
