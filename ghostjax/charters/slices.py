"""A part of the examples must not be given up for the others."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._border import whole
from ghostjax._types import require, static_field
from ghostjax.charters._base import AbstractCharter, Audit, jacobian, listed, Probed


class Slices(AbstractCharter):
    """Examples of one label must stay as good as the others, for each of `labels`.

        probes_f = mean loss over audit examples of label labels[f],    controls_f = mean loss over all others

    A label that no audit example has says nothing: its losses are 0. Honest holders of the label push back, hence an
    attack on a slice is healed in part. With few examples of a label its accuracy moves in large steps; the loss does
    not.

    **Static:** `labels`. **Errors:** no label, one that is no whole number, targets that are no labels `[N]`.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> audit = gj.charters.Audit(jnp.zeros((3, 1)), jnp.array([8, 8, 1]), lambda x, y: jnp.array([1.0, 3.0, 5.0]))
    >>> probed = gj.charters.Slices([8]).read(audit)
    >>> probed.probes.tolist(), probed.controls.tolist()
    ([2.0], [5.0])

    ```
    """

    labels: tuple[int, ...] = static_field(converter=listed)

    def __check_init__(self):
        require(len(self.labels) > 0, "Slices", "labels", "none", "name at least one label")
        for label in self.labels:
            whole(label, "Slices", "labels", low=0)

    @property
    def num_families(self) -> int:
        return len(self.labels)

    def read(self, audit: Audit) -> Probed:
        fits = audit.y.ndim == 1 and jnp.issubdtype(audit.y.dtype, jnp.integer)
        require(fits, "Slices", "labels", f"targets of shape {audit.y.shape}", "the task needs one label per example")
        losses = audit.losses(audit.x, audit.y)
        chosen = audit.y[None, :] == jnp.asarray(self.labels, audit.y.dtype)[:, None]
        return Probed(_mean(losses, chosen), _mean(losses, ~chosen))

    def slopes(
        self, audit: Callable[[Array], Audit], theta: Float[Array, " d"]
    ) -> tuple[Float[Array, " f"], Float[Array, "f d"]]:
        return jacobian(self.read, audit, theta)


def _mean(losses: Array, chosen: Array) -> Array:
    return jnp.where(chosen, losses[None, :], 0).sum(1) / jnp.maximum(chosen.sum(1), 1).astype(losses.dtype)
