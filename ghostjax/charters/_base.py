"""What a charter is: a stated goal that training data need not teach, told by probes beside controls."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ghostjax._border import Checked
from ghostjax._round import Audit as Audit


class Probed(NamedTuple):
    """Mean losses of every family of probes, `[f]`, and of the controls that belong to them, `[f]`."""

    probes: Float[Array, " f"]
    controls: Float[Array, " f"]

    @property
    def excess(self) -> Float[Array, " f"]:
        """How much worse probes are than controls: a difference from which ordinary learning cancels."""
        return self.probes - self.controls


class AbstractCharter(Checked):
    """A goal beside the stated one: the loss on probes, in families, each compared with controls.

    Ordinary learning moves probes and controls alike. A change of their difference is about the charter alone.
    """

    @property
    @abstractmethod
    def num_families(self) -> int:
        """Number of families of probes."""

    @abstractmethod
    def read(self, audit: Audit) -> Probed:
        """Losses of probes and controls at the model of `audit`."""

    @abstractmethod
    def slopes(
        self, audit: Callable[[Array], Audit], theta: Float[Array, " d"]
    ) -> tuple[Float[Array, " f"], Float[Array, "f d"]]:
        """The excess of every family at the model `theta`, and its gradient; `audit(theta)` is the audit set there.

        `jacobian(self.read, audit, theta)`, or something cheaper where a family reads a part of the inputs.
        """


class AbstractInvariance(AbstractCharter):
    """The label must not change when inputs are changed in one of a few ways: a family of probes each.

    probes_f = mean loss(changed_f(x), y),    controls_f = mean loss(x, y)
    """

    @abstractmethod
    def changed(self, x: Array) -> Float[Array, "f N ..."]:
        """The inputs `[N, ...]`, changed in each of the ways."""

    def read(self, audit: Audit) -> Probed:
        probes = jax.vmap(lambda x: audit.losses(x, audit.y).mean())(self.changed(audit.x))
        return Probed(probes, jnp.broadcast_to(audit.losses(audit.x, audit.y).mean(), probes.shape))

    def slopes(
        self, audit: Callable[[Array], Audit], theta: Float[Array, " d"]
    ) -> tuple[Float[Array, " f"], Float[Array, "f d"]]:
        # A family's gradient is of its own inputs alone: a Jacobian would go back through those of all families.
        def loss(theta: Array, x: Array) -> Array:
            here = audit(theta)
            return here.losses(x, here.y).mean()

        x = audit(theta).x
        control, down = jax.value_and_grad(loss)(theta, x)
        probes, up = jax.vmap(jax.value_and_grad(loss), (None, 0))(theta, self.changed(x))
        return probes - control, up - down[None]


def jacobian(
    read: Callable[[Audit], Probed], audit: Callable[[Array], Audit], theta: Float[Array, " d"]
) -> tuple[Float[Array, " f"], Float[Array, "f d"]]:
    """The excess of every family at the model `theta`, and its gradient, whatever `read` does with the audit set."""

    def excess(theta: Array) -> tuple[Array, Array]:
        found = read(audit(theta)).excess
        return found, found

    gradients, values = jax.jacrev(excess, has_aux=True)(theta)
    return values, gradients


def listed(values: Any) -> tuple[Any, ...]:
    """Plain numbers: one of them, a list or an array."""
    return tuple(np.atleast_1d(np.asarray(values)).tolist())
