"""A little is enough: a shift that hides in the honest spread."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import mass_unit, within
from ghostjax._types import concrete, real_field, static_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean, honest_std


def z_max(n: Array | float, f: Array | float) -> Float[Array, ""]:
    """The largest shift that the supporting majority still hides.

        z = Phi^-1((n - f - s) / (n - f)),    s = floor(n / 2 + 1) - f

    with Phi the standard normal distribution function, n identities and f Byzantine ones. z is negative if f is so
    small that more than half of the honest identities would have to support the shift. If none would have to (f above
    n / 2), or all of them, the formula is infinite; the argument of Phi^-1 is then kept half an identity away from 0
    and 1. z is zero without honest identities.
    """
    n, f = jnp.asarray(n, jnp.result_type(float)), jnp.asarray(f, jnp.result_type(float))
    honest = n - f
    half = jnp.minimum(honest, 1) / 2
    hidden = jnp.clip(n - jnp.floor(n / 2 + 1), half, honest - half)
    some = honest > 0
    return jnp.where(some, ndtri(jnp.where(some, hidden / jnp.where(some, honest, 1), 0.5)), 0)


class ALIE(AbstractStatelessAttack):
    """All Byzantine identities send the honest mean shifted by z honest standard deviations per coordinate.

        m = mean_H + sign * z * std_H

    **Knows:** every honest message of the round. **Traced:** `z`; nan (the default) takes `z_max` of the mass present
    and of the Byzantine mass. If that is 0 or negative (as for 2 Byzantine of 10) this is no attack, and a simulation
    warns. **Static:** `sign` (+1 or -1), and `ddof` of the standard deviation, in the unit of the weights. If the
    honest weights sum to at most `ddof`, as stake shares do, the standard deviation is 0. **State:** none.

    Libraries differ in all three, so their numbers differ. The presets name the convention:

        preset            z       sign   ddof
        ALIE()            z_max    -1     1     also `ALIE.epfml()`, the code of ClippedGossip
        ALIE.byzfl()      1.5      +1     1
        ALIE.flpoison()   z_max    +1     0
        ALIE.blades()     z_max    +1     1

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[0.0], [1.0], [2.0], [9.0]]), jnp.array([False, False, False, True])
    >>> gj.attacks.ALIE.byzfl()(x, byzantine)[3]
    Array([2.5], dtype=float32)

    ```

    Errors: a sign other than +1 and -1, a ddof other than 0 and 1.

    Source: Baruch et al., A Little Is Enough, arXiv:1902.06156.
    """

    z: Float[Array, ""] = real_field(default=jnp.nan, nan=True)
    sign: Literal[1, -1] = static_field(default=-1, choices=(1, -1))
    ddof: int = static_field(default=1, choices=(0, 1))
    knows: ClassVar[Knowledge] = "honest"

    def doubt(self, num_nodes: int, num_byzantine: int) -> str | None:
        """Why `z_max` makes no attack: it is 0 or negative."""
        if not concrete(self.z) or not bool(jnp.isnan(self.z).all()):
            return None
        z = float(z_max(num_nodes, num_byzantine))
        if z > 0 or num_byzantine == 0:
            return None
        return (
            f"z_max is {z:.2g} of {num_nodes} identities, {num_byzantine} of them Byzantine; give z= a number above 0"
        )

    @classmethod
    def epfml(cls) -> "ALIE":
        """`mean - z_max std`, ddof 1."""
        return cls(sign=-1, ddof=1)

    @classmethod
    def byzfl(cls, z: Any = 1.5) -> "ALIE":
        """`mean + 1.5 std`, ddof 1, for all n and f."""
        return cls(z, sign=1, ddof=1)

    @classmethod
    def flpoison(cls) -> "ALIE":
        """`mean + z_max std`, ddof 0."""
        return cls(sign=1, ddof=0)

    @classmethod
    def blades(cls) -> "ALIE":
        """`mean + z_max std`, ddof 1."""
        return cls(sign=1, ddof=1)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        mean = honest_mean(view)
        std = honest_std(view, mean, self.ddof)
        unit = mass_unit(view.weights)
        total, mass = (unit * view.weights).sum(), (unit * (view.weights - view.honest)).sum()
        z = jnp.where(jnp.isnan(self.z), z_max(total, mass).astype(mean.dtype), self.z.astype(mean.dtype))
        return state, same_for_all(view, within(mean + self.sign * z * std))
