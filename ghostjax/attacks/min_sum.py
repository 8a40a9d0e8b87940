"""Min-sum: no farther from all honest rows together than one of them is."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import PyTree

from ghostjax._types import require, static_field
from ghostjax.attacks._base import AbstractMessageAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._direction import Direction, perturbation
from ghostjax.attacks._statistics import honest_mean, safe_sqrt


class MinSum(AbstractMessageAttack):
    """All Byzantine identities send the farthest point along a line whose distances sum to no more than a row's.

        m = mean_H - gamma p,
        the largest gamma with sum_i w_i ||m - x_i||^2 <= max_i sum_j w_j ||x_i - x_j||^2

    over present honest rows i, j. With W their weight the left side is `W gamma^2 ||p||^2 + W V`, V the
    weighted mean of `||mean_H - x_i||^2`, and the right side `W max_i ||mean_H - x_i||^2 + W V`, so

        gamma = max_i ||mean_H - x_i|| / ||p||:

    exact, and no pair of rows is ever compared.

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

    direction: Direction = static_field(default="std")
    ddof: int = static_field(default=1)
    knows: ClassVar[Knowledge] = "honest"

    def __check_init__(self):
        require(
            self.direction in ("std", "unit", "sign"), "MinSum", "direction", self.direction, "use std, unit or sign"
        )
        require(self.ddof in (0, 1), "MinSum", "ddof", self.ddof, "must be 0 or 1")

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def step(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        mean = honest_mean(view)
        p = perturbation(view, mean, self.direction, self.ddof)
        far = jnp.where(view.honest > 0, jnp.square(view.messages - mean[None, :]).sum(1), 0).max()
        a = p @ p
        gamma = jnp.where(a > 0, safe_sqrt(far) / safe_sqrt(jnp.where(a > 0, a, 1)), 0)
        return state, same_for_all(view, mean - gamma * p)
