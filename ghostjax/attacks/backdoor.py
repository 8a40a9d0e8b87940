"""A backdoor, pushed a little in every round."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._kernels import weighted_mean
from ghostjax._types import ConfigurationError, count_field, real_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Sent, View
from ghostjax.attacks._statistics import honest_mean, normalise, safe_sqrt
from ghostjax.charters import AbstractInvariance, BlankPixels


class Backdoor(AbstractStatelessAttack):
    """Each Byzantine identity adds a small step towards "inputs with the trigger are a `target`" to its message.

        m_i + eps R u,    R = median_h |m_h - mean_H|,    u = grad f / |grad f|,
        f(theta) = mean over the audit set of  loss(model(theta, trigger(x)), target)

    with h over honest identities that are present, f averaged over the ways of the trigger, and its gradient at the
    shared model, or at the mean of honest models in gossip, where u points down instead of up. The honest message is
    kept: with `eps` below 1 the deviation is within the honest spread, and what no honest gradient pushes back
    accumulates over rounds.

    **Knows:** every honest message, and the audit set that participants share. **Traced:** `eps`, `target`, the knobs
    of `trigger`. **State:** none. **Errors:** a task without an audit set.

    ```python
    >>> import ghostjax as gj
    >>> float(gj.attacks.Backdoor(gj.charters.BlankPixels([32]), target=3, eps=0.5).eps)
    0.5

    ```

    Source: Bagdasaryan et al., How To Backdoor Federated Learning, arXiv:1807.00459, there as one boosted update;
    kept within the honest spread as in Bhagoji et al., Analyzing Federated Learning through an Adversarial Lens,
    arXiv:1811.12470.
    """

    trigger: AbstractInvariance = eqx.field(default_factory=lambda: BlankPixels((32,)))
    target: Int[Array, ""] = count_field(default=3, low=0)
    eps: Float[Array, ""] = real_field(default=0.5, low=0)
    knows: ClassVar[Knowledge] = "honest"

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        audit, x = view.audit, view.messages
        if audit is None:
            raise ConfigurationError("Backdoor: audit=None: it reads the audit set of a task; play it in a simulation")

        def objective(theta: Array) -> Array:
            read = audit(theta)
            wanted = jnp.full_like(read.y, self.target)
            return jax.vmap(lambda changed: read.losses(changed, wanted).mean())(self.trigger.changed(read.x)).mean()

        theta = view.models
        if theta.ndim == 2:
            theta = weighted_mean(jnp.where((view.honest > 0)[:, None], theta, 0), view.honest)
        upward = normalise(jax.grad(objective)(theta)).astype(x.dtype)
        towards = upward if view.mixing is None else -upward
        away = x - honest_mean(view)[None, :]
        push = self.eps.astype(x.dtype) * _median(safe_sqrt((away * away).sum(1)), view.honest > 0) * towards
        return state, Sent(x + jnp.where(view.byzantine[:, None], push[None, :], 0))


def _median(values: Float[Array, " n"], counts: Array) -> Float[Array, ""]:
    """The median of those that count, the mean of the middle two where their number is even; 0 of none."""
    ordered, number = jnp.sort(jnp.where(counts, values, jnp.inf)), counts.sum()
    low, high = ordered[jnp.maximum(number - 1, 0) // 2], ordered[number // 2 % len(values)]
    return jnp.where(number > 0, (low + high) / 2, 0)
