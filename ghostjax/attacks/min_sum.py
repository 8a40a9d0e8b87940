"""Min-sum: the farthest point whose summed squared distances to honest rows are at most those of an honest row."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import row_norms
from ghostjax.attacks._base import View
from ghostjax.attacks._direction import AbstractLineAttack
from ghostjax.attacks._statistics import safe_sqrt


class MinSum(AbstractLineAttack):
    """All Byzantine identities send the farthest point along a line whose distances sum to no more than a row's.

        m = mean_H - gamma p,
        the largest gamma with sum_i w_i ||m - x_i||^2 <= max_i sum_j w_j ||x_i - x_j||^2

    over present honest rows i, j. With W their weight the left side is `W gamma^2 ||p||^2 + W V`, V the
    weighted mean of `||mean_H - x_i||^2`, and the right side `W max_i ||mean_H - x_i||^2 + W V`, so

        gamma = max_i ||mean_H - x_i|| / ||p||:

    exact, and without comparing pairs of rows.

    **Guarantee:** m satisfies its constraint up to rounding; no larger gamma does. **Knows:** every honest
    message of the round. **Static:** `direction` p: "std" (the coordinate standard deviation; blades), "unit"
    (the mean over its norm; flpoison) or "sign" (of the mean), and `ddof` of the standard deviation. **State:**
    none. **Cost:** one pass. Errors: another direction or ddof.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[1.0], [3.0], [4.0]]), jnp.array([False, False, True])
    >>> gj.attacks.MinSum("unit")(x, byzantine)[2]
    Array([1.], dtype=float32)

    ```

    Source: Shejwalkar and Houmansadr, Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
    Defenses for Federated Learning, NDSS 2021.
    """

    def gamma(self, view: View, mean: Float[Array, " d"], p: Float[Array, " d"]) -> Float[Array, ""]:
        far = jnp.where(view.honest > 0, row_norms(view.messages, mean), 0).max()
        a = p @ p
        return jnp.where(a > 0, far / safe_sqrt(jnp.where(a > 0, a, 1)), 0)
