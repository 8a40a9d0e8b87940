"""Attacks along a direction away from the honest mean, as far as a constraint allows."""

from abc import abstractmethod
from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import ORDINARY, power_near, within
from ghostjax._types import static_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean, honest_std, normalise


Direction = Literal["std", "unit", "sign"]


class AbstractLineAttack(AbstractStatelessAttack):
    """All Byzantine identities send `mean_H - gamma p`.

    **Static:** `direction` p: "std" (the coordinate standard deviation; blades), "unit" (the mean over its norm;
    flpoison) or "sign" (of the mean), and `ddof` of the standard deviation. Errors: another direction or ddof.
    """

    direction: Direction = static_field(default="std", choices=("std", "unit", "sign"))
    ddof: int = static_field(default=1, choices=(0, 1))
    knows: ClassVar[Knowledge] = "honest"

    @abstractmethod
    def gamma(self, view: View, mean: Float[Array, " d"], p: Float[Array, " d"]) -> Float[Array, ""]:
        """The largest feasible gamma; 0 if p is zero. No square of p leaves the float range."""

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        """The farthest feasible point along the direction, from all Byzantine identities."""
        mean = honest_mean(view)
        if self.direction == "std":
            p = honest_std(view, mean, self.ddof)
        else:
            p = normalise(mean) if self.direction == "unit" else jnp.sign(mean)
        # Only the direction of p counts.
        p = p * power_near(jnp.abs(p).max(initial=0), ORDINARY)
        return state, same_for_all(view, within(mean - within(self.gamma(view, mean, p)) * p))
