"""A little is enough: a shift that hides in the honest spread."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import weighted_mean, weighted_variance
from ghostjax._types import real_field, require, static_field
from ghostjax.attacks._base import AbstractMessageAttack, Knowledge, same_for_all, Sent, View


def z_max(n: Array | float, f: Array | float) -> Float[Array, ""]:
    """The largest shift that the supporting majority still hides.

        z = Phi^-1((n - f - s) / (n - f)),    s = floor(n / 2 + 1) - f

    with Phi the standard normal distribution function, n identities and f Byzantine ones.
    """
    n, f = jnp.asarray(n, jnp.result_type(float)), jnp.asarray(f, jnp.result_type(float))
    supporters = jnp.floor(n / 2 + 1) - f
    return ndtri((n - f - supporters) / (n - f))


class ALIE(AbstractMessageAttack):
    """All Byzantine identities send the honest mean shifted by z honest standard deviations per coordinate.

        m = mean_H + sign * z * std_H

    **Knows:** every honest message of the round. **Traced:** `z`; nan (the default) takes `z_max` of the mass
    present and Byzantine. **Static:** `sign` (+1 or -1), `ddof` of the standard deviation: libraries differ
    in both (byzfl: +1, ddof 1, z = 1.5; the ClippedGossip code: -1, ddof 1, z_max). **State:** none.

    Source: Baruch et al., A Little Is Enough, arXiv:1902.06156.
    """

    z: Float[Array, ""] = real_field(default=jnp.nan)
    sign: Literal[1, -1] = static_field(default=-1)
    ddof: int = static_field(default=1)
    knows: ClassVar[Knowledge] = "honest"

    def __check_init__(self):
        require(self.sign in (1, -1), "ALIE", "sign", self.sign, "must be +1 or -1")
        require(self.ddof in (0, 1), "ALIE", "ddof", self.ddof, "must be 0 or 1")

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def step(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        honest, x = view.honest, view.messages
        mean = weighted_mean(x, honest)
        std = jnp.sqrt(weighted_variance(x, honest, mean, self.ddof))
        total, mass = view.weights.sum(), (view.weights - honest).sum()
        z = jnp.where(jnp.isnan(self.z), z_max(total, mass), self.z).astype(x.dtype)
        return state, same_for_all(view, mean + self.sign * z * std)
