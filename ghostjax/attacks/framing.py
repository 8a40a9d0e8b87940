"""Framing: copies of an honest identity, moved a little."""

from typing import ClassVar

from jaxtyping import Array, Float, Int, PyTree

from ghostjax._kernels import within
from ghostjax._types import count_field, real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean, honest_std
from ghostjax.attacks._victims import honest_from


class Framing(AbstractStatelessAttack):
    """All Byzantine identities send the message of a victim, less `push` honest standard deviations per coordinate.

        m = x_victim - push std_H

    The harm is that of the push, and of a victim that counts f + 1 times. A defence that takes similar messages for
    those of one principal accuses the victim with its copies. With a push of 0 it is `Mimic`.

    **Knows:** every honest message of the round. **Traced:** `victim`, an identity's index; where that identity is
    Byzantine or absent, the next honest and present one (cyclically) is framed; `push`. **State:** none. Not
    permutation equivariant: an index has a meaning here.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [5.0], [9.0]]), jnp.array([False, False, False, True])
    >>> gj.attacks.Framing(victim=1, push=0.5)(x, byzantine)[3]
    Array([2.], dtype=float32)

    ```

    Source: a copy is the mimic of Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via
    Bucketing, arXiv:2006.09365; the defence that it turns against the victim is that of Fung, Yoon and Beschastnikh,
    Mitigating Sybils in Federated Learning Poisoning, arXiv:1808.04866.
    """

    victim: Int[Array, ""] = count_field(default=0, low=0)
    push: Float[Array, ""] = real_field(default=0.3)
    knows: ClassVar[Knowledge] = "honest"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        std = honest_std(view, honest_mean(view), 1)
        framed = within(honest_from(view, self.victim) - self.push.astype(std.dtype) * std)
        return state, same_for_all(view, framed)
