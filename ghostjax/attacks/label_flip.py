"""Label flip: the labels of Byzantine nodes, mirrored."""

from typing import Any

from jaxtyping import Array, Int, PyTree

from ghostjax._types import ConfigurationError, count_field, require
from ghostjax.attacks._base import AbstractAttack, AbstractDataAttack, Before, check_rewrites
from ghostjax.attacks._labels import relabel


class LabelFlip(AbstractDataAttack):
    """Byzantine nodes learn from mirrored labels and otherwise follow the protocol.

        y -> num_classes - 1 - y

    `num_classes=None` is the number of classes of the task that is attacked.

    **Knows:** its own identities' data. **Traced:** `num_classes`. **State:** none. Errors: another number of classes
    than the task has; a batch without integer labels `y`.

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.Linear(64, 10))
    >>> int(gj.attacks.LabelFlip().on(task).num_classes)
    10

    ```

    Source: Fang et al., Local Model Poisoning Attacks to Byzantine-Robust Federated Learning, arXiv:1911.11815;
    with this map in Karimireddy et al., arXiv:2006.09365.
    """

    num_classes: Int[Array, ""] | None = count_field(default=None, low=1)

    def on(self, task: Any) -> AbstractAttack:
        known, given = getattr(task, "num_classes", None), self.num_classes
        if known is not None and given is not None:
            require(given == known, "LabelFlip", "num_classes", given, f"the task has {known} classes; leave it out")
        attack = LabelFlip(known) if given is None else self
        check_rewrites(attack, task)
        return attack

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        del state

        def mirrored(y: Array) -> Array:
            count = self.num_classes
            if count is None:
                raise ConfigurationError("LabelFlip: num_classes=None: the task does not say how many; give a number")
            return count.astype(y.dtype) - 1 - y

        return relabel("LabelFlip", batch, before.byzantine, mirrored)
