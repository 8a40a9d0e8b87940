"""The Byzantine mass that a rule assumes."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Mass(eqx.Module):
    """`F = f + share * W`: a mass in identities and a fraction of the mass W present.

    With `minority`, a rule that assumes nothing (F = 0) tolerates any minority. **Traced:** `f`, `share`.

    ```python
    >>> import jax.numpy as jnp
    >>> from ghostjax.aggregators.guarantees import Mass
    >>> float(Mass(f=1, share=0.25)(jnp.asarray(8.0)))
    3.0

    ```
    """

    f: Any = 0.0
    share: Any = 0.0
    minority: bool = eqx.field(static=True, default=False)

    def __call__(self, total: Float[Array, "*m"]) -> Float[Array, "*m"]:
        """F when mass `total` is present."""
        f, share = (jnp.asarray(knob).astype(total.dtype) for knob in (self.f, self.share))
        return f + share * total

    def margin(self, total: Float[Array, "*m"]) -> Float[Array, "*m"]:
        """`W - 2 F`: the mass by which the honest outweigh the Byzantine, as assumed."""
        return total - 2 * self(total)

    def tolerated(self, total: Float[Array, "*m"]) -> Float[Array, "*m"]:
        """F, or half of the mass present if F = 0 means any minority."""
        mass = self(total)
        return jnp.where(mass > 0, mass, total / 2) if self.minority else mass
