"""Min-max: the farthest point whose distance to every honest row is at most the largest between honest rows."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import squared_distances
from ghostjax.attacks._base import View
from ghostjax.attacks._direction import AbstractLineAttack
from ghostjax.attacks._statistics import honest_unit, safe_sqrt


class MinMax(AbstractLineAttack):
    """All Byzantine identities send the farthest point along a line that is no outlier by distance.

        m = mean_H - gamma p,    the largest gamma with max_i ||m - x_i|| <= max_ij ||x_i - x_j||

    over present honest rows i, j. The largest gamma is the smallest root of one quadratic per row, so it is
    exact (searches by halving stop short of it, or return an infeasible point).

    **Guarantee:** m satisfies its constraint up to rounding; no larger gamma does. **Knows:** every honest
    message of the round. **Static:** `direction` p: "std" (the coordinate standard deviation; blades), "unit"
    (the mean over its norm; flpoison) or "sign" (of the mean), and `ddof` of the standard deviation. **State:**
    none. **Cost:** one Gram product. Errors: another direction or ddof.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [4.0]]), jnp.array([False, False, True])
    >>> gj.attacks.MinMax("unit")(x, byzantine)[2]
    Array([1.], dtype=float32)

    ```

    Source: Shejwalkar and Houmansadr, Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
    Defenses for Federated Learning, NDSS 2021.
    """

    def gamma(self, view: View, mean: Float[Array, " d"], p: Float[Array, " d"]) -> Float[Array, ""]:
        # Row i allows a gamma^2 - 2 b_i gamma + c_i <= D^2 with a = ||p||^2, b_i = p.(mean - x_i),
        # c_i = ||mean - x_i||^2; the mean is in the hull of the rows, so c_i <= D^2 and the root is real.
        # All lengths are in a unit in which no square leaves the float range.
        unit, honest = honest_unit(view), view.honest > 0
        x = unit * view.messages
        centred = x - (unit * mean)[None, :]
        a, b, c = p @ p, -(centred @ p), jnp.square(centred).sum(1)
        pairs = honest[:, None] & honest[None, :]
        width = jnp.where(pairs, squared_distances(x, view.honest), 0).max()
        root = b + safe_sqrt(jnp.square(b) + a * jnp.maximum(width - c, 0))
        gamma = jnp.where(honest, root, jnp.inf).min() / jnp.where(a > 0, a, 1)
        return jnp.where((a > 0) & honest.any(), gamma / unit, 0)
