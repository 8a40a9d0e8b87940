"""Label flip: the labels of Byzantine nodes, mirrored."""

from jaxtyping import Array, Bool, Int, PyTree

from ghostjax._types import count_field, Key
from ghostjax.attacks._base import AbstractDataAttack
from ghostjax.attacks._labels import relabel


class LabelFlip(AbstractDataAttack):
    """Byzantine nodes learn from mirrored labels and otherwise follow the protocol.

        y -> num_classes - 1 - y

    **Knows:** its own identities' data. **Traced:** `num_classes`. **State:** none. Errors: a batch without
    integer labels `y`, where there is nothing to flip.

    Source: Fang et al., Local Model Poisoning Attacks to Byzantine-Robust Federated Learning, arXiv:1911.11815;
    with this map in Karimireddy et al., arXiv:2006.09365.
    """

    num_classes: Int[Array, ""] = count_field(default=10)

    def poison(self, batch: PyTree, byzantine: Bool[Array, " n"], key: Key) -> PyTree:
        del key
        return relabel("LabelFlip", batch, byzantine, lambda y: self.num_classes.astype(y.dtype) - 1 - y)
