"""Mimic: copies of one honest identity."""

from typing import ClassVar

from jaxtyping import Array, Int, PyTree

from ghostjax._types import count_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Law, same_for_all, Sent, View
from ghostjax.attacks._victims import honest_from


class Mimic(AbstractStatelessAttack):
    """All Byzantine identities copy the message of one honest identity.

        m = x_target

    Each message is a true one, but on heterogeneous data one identity then counts f + 1 times, and rules that drop
    outliers drop honest minorities.

    **Knows:** the honest messages of the round. **Traced:** `target`, an identity's index; where that identity
    is Byzantine or absent, the next honest and present one (cyclically) is copied. **State:** none. Not
    permutation equivariant: an index has a meaning here.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [4.0]]), jnp.array([False, False, True])
    >>> gj.attacks.Mimic(target=1)(x, byzantine)[2]
    Array([3.], dtype=float32)

    ```

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing,
    arXiv:2006.09365.
    """

    target: Int[Array, ""] = count_field(default=0, low=0)
    knows: ClassVar[Knowledge] = "honest"
    exempt_laws: ClassVar[frozenset[Law]] = frozenset({"permutation"})

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        return state, same_for_all(view, honest_from(view, self.target))
