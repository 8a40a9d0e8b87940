"""Line search: any attack at the magnitude that is worst for the defence in this round."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._kernels import ORDINARY, power_near, row_norms, weighted_mean, within
from ghostjax._types import concrete, real_field, require, static_field
from ghostjax.attacks._base import AbstractAttack, AbstractSingleAttack, Before, Knowledge, Sent, View
from ghostjax.attacks._statistics import honest_mean, safe_sqrt


POINTS = 8
"""Candidates per refinement: each narrows the bracket by 2 / (POINTS + 1)."""
SLACK = 64
"""Objectives closer than this many units of rounding count as equal."""


def deviation(result: Float[Array, "*n d"], view: View) -> Float[Array, ""]:
    """The distance of the defence's result to the honest mean, `||y - mean_H||`; in gossip the root mean square over
    honest receivers."""
    away = row_norms(result.reshape(-1, result.shape[-1]), honest_mean(view))
    if result.ndim == 1:
        return away[0]
    unit = power_near(away.max(), ORDINARY)
    return safe_sqrt(weighted_mean(jnp.square(unit * away)[:, None], view.honest)[0]) / unit


class LineSearch(AbstractSingleAttack):
    """Sends the messages of `attack`, moved along their lines through the honest mean to the defence's worst point.

        m_i(t) = mean_H + t (s_i - mean_H),    t = argmax over {0} and +-[low, high] of objective(respond(m(t)))

    with s the rows of `attack`. The magnitudes are a logarithmic grid of `grid` points on either side (only on the
    positive side unless `signed`). Then the bracket around the best one is narrowed `refinements` times with 8
    candidates each. Both sides and the grid matter: the objective drops suddenly where the defence stops accepting the
    rows, and a search that doubles and halves a step fails there.

    `LineSearch(ALIE(z=1))` is the optimised ALIE, t being z; `LineSearch(IPM(tau=0))` the optimised IPM, t
    being `1 + tau`. `attack` may be any that sends the same to every receiver, another wrapper included.

    If several magnitudes are equally bad up to rounding, as beyond a clipping radius, the lowest is sent.

    **Guarantee:** at least as bad for the defence, by `objective`, as every magnitude on the grid, up to
    rounding. **Knows:** the defence, with its memory and its randomness of this round, and every honest message.
    **Traced:** `low`, `high` and the knobs of `attack`. **Static:** `grid`, `refinements`, `signed`, and
    `objective(result, view)`, by default the distance between the result and the honest mean. **State:** that of
    `attack`. **Cost:** `evaluations` calls of the defence a round, one after the other, in the memory of one. The
    chosen t is held constant in derivatives. Errors: an attack that sends every receiver its own vector, `low` not in
    (0, high], a grid below 2.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> x, byzantine = jnp.array([[0.0], [1.0], [2.0], [9.0]]), jnp.array([False, False, False, True])
    >>> strong = gj.attacks.LineSearch(gj.attacks.ALIE(z=1.0), high=20.0)
    >>> abs(strong(x, byzantine, rule=gj.aggregators.Mean())[3, 0] - 1)
    Array(20., dtype=float32)

    ```

    Source: the optimised attacks of Allouah et al., Fixing by Mixing: A Recipe for Optimal Byzantine ML under
    Heterogeneity, arXiv:2302.01772.
    """

    attack: AbstractAttack
    low: Float[Array, ""] = real_field(default=1e-2, low=0)
    high: Float[Array, ""] = real_field(default=1e2, low=0)
    grid: int = static_field(default=64, whole=True, low=2)
    refinements: int = static_field(default=4, whole=True, low=0)
    signed: bool = static_field(default=True, choices=(True, False))
    objective: Callable[[Array, View], Array] = static_field(default=deviation)
    knows: ClassVar[Knowledge] = "defence"

    def __check_init__(self):
        name = type(self.attack).__name__
        require(
            not self.attack.per_receiver,
            "LineSearch",
            "attack",
            name,
            "it sends every receiver its own vector; search its knob with a sweep instead",
        )
        if concrete((self.low, self.high)):
            ordered = ((self.low > 0) & (self.low <= self.high)).all()
            require(ordered, "LineSearch", "low", self.low, f"must lie in (0, high], and high is {self.high!s}")

    @property
    def evaluations(self) -> int:
        """Calls of the defence per round."""
        return (2 if self.signed else 1) * self.grid + 1 + POINTS * self.refinements

    def on(self, task: Any) -> AbstractAttack:
        return eqx.tree_at(lambda search: search.attack, self, self.attack.on(task))

    def init(self, like: Any) -> PyTree:
        return self.attack.init(like)

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        return self.attack.poison(state, batch, before)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        state, sent = self.attack.corrupt(state, view)
        centre = honest_mean(view)[None, :]
        direction = within(sent.by_sender - centre)

        def gain(t: Array) -> Array:
            value = self.objective(view.respond(within(centre + t * direction)), view)
            return jax.lax.stop_gradient(jnp.where(jnp.isfinite(value), value, -jnp.inf))

        return state, Sent(within(centre + self._search(gain, centre.dtype) * direction))

    def _search(self, gain: Callable[[Array], Array], dtype: Any) -> Float[Array, ""]:
        low, high = jnp.log(self.low.astype(dtype)), jnp.log(self.high.astype(dtype))
        side = jnp.exp(low + (high - low) * jnp.linspace(0, 1, self.grid, dtype=dtype))
        points = jnp.concatenate(
            [-side[::-1], jnp.zeros(1, dtype), side] if self.signed else [jnp.zeros(1, dtype), side]
        )
        values = jax.lax.map(gain, points)
        top = _first_of_largest(values)
        best, bracket = (points[top], values[top]), (points[top - 1], points[jnp.minimum(top + 1, len(points) - 1)])
        # Index -1 would wrap around to the other end of the grid.
        bracket = (jnp.where(top > 0, bracket[0], points[0]), bracket[1])

        def refine(carry, _):
            (t, value), (left, right) = carry
            width = (right - left) / (POINTS + 1)
            inner = left + width * jnp.arange(1, POINTS + 1, dtype=dtype)
            values = jax.lax.map(gain, inner)
            top = _first_of_largest(values)
            better = values[top] - value > _slack(values[top])
            t = jnp.where(better, inner[top], t)
            value = jnp.where(better, values[top], value)
            return ((t, value), (jnp.maximum(left, t - width), jnp.minimum(right, t + width))), None

        ((t, _), _), _ = jax.lax.scan(refine, (best, bracket), None, length=self.refinements)
        return t


def _slack(value: Float[Array, ""]) -> Float[Array, ""]:
    return SLACK * jnp.finfo(value.dtype).eps * jnp.abs(value)


def _first_of_largest(values: Float[Array, " m"]) -> Int[Array, ""]:
    """The first of the values that equal the largest up to rounding, since rounding differs between compilations."""
    largest = values.max()
    return jnp.argmax((values >= largest - _slack(largest)) & (values > -jnp.inf))
