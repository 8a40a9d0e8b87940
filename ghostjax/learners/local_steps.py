"""Several steps of any optimizer on every node, then one message: the change of the model."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import shown
from ghostjax._optimizer import Optimizer
from ghostjax._tree import select
from ghostjax._types import as_count, concrete, require, static_field
from ghostjax.learners._base import AbstractLearner, Objective


class LocalSteps(AbstractLearner):
    """Node i takes `steps[i]` steps of `optimizer` from the model it holds, each on a fresh batch, and sends the delta.

        theta_0 = model,   theta_{k+1} = optimizer(theta_k, grad f_i(theta_k; batch k)),   update = theta_0 - theta_K

    The update points against the change, like a gradient, so an outer step of size 1 averages the nodes' models. The
    reported loss is that of the model received, on the first batch. Counts per node model uneven hardware; a node
    with 0 steps sends zero. With `persistent` each node keeps its optimizer's state between rounds; otherwise the state
    is new in each round. (The state is made from zero parameters, so an optimizer that remembers parameters cannot
    persist.)
    `LocalSteps(optimizer, 1, persistent=True)` preconditions each node's gradient by any optimizer.

    The loop runs `max_steps` times under masks, so it is differentiable in reverse and one compiled program serves
    all counts; the time is that of `max_steps`. Counts above it are an error, or cut off where they are traced.

    **Traced:** `steps` (a number or one per node), the optimizer's knobs. **Static:** `max_steps` (the largest count
    unless given), `persistent`.

    ```python
    >>> import optax, ghostjax as gj
    >>> learner = gj.learners.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=0.1), steps=[1, 5, 3])
    >>> learner.max_steps
    5

    ```

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
    arXiv:1602.05629.
    """

    optimizer: Optimizer
    steps: Int[Array, "*n"]
    max_steps: int = static_field(whole=True, low=1)
    persistent: bool = static_field(choices=(True, False))

    def __init__(self, optimizer: Optimizer, steps: Any = 1, *, max_steps: int | None = None, persistent: bool = False):
        self.optimizer = optimizer
        if concrete(steps):
            counts = np.asarray(steps)
            numbers = counts.dtype.kind in "iuf" and counts.size > 0 and bool((counts == np.round(counts)).all())
            require(numbers, "LocalSteps", "steps", shown(steps), "give whole numbers")
        self.steps = as_count(steps)
        self.persistent = persistent
        call = "LocalSteps"
        require(self.steps.ndim <= 1, call, "steps", f"shape {self.steps.shape}", "give a number or one per node")
        if concrete(steps):
            low, high = int(np.min(steps)), int(np.max(steps))
            require(low >= 0, call, "steps", low, "must not be negative")
            require(
                max_steps is None or high <= max_steps,
                call,
                "steps",
                high,
                f"exceeds max_steps={max_steps}, the length of the compiled loop; raise it",
            )
            self.max_steps = max(1, high) if max_steps is None else max_steps
        else:
            require(max_steps is not None, call, "max_steps", None, "traced steps need a static bound; give max_steps")
            assert max_steps is not None
            self.max_steps = max_steps

    def init(self, like: Any) -> PyTree:
        require(
            self.steps.ndim == 0 or self.steps.shape == like.shape[:1],
            "LocalSteps",
            "steps",
            f"array of shape {self.steps.shape}",
            f"give a number or one per node, ({like.shape[0]},)",
        )
        if not self.persistent:
            return ()
        return jax.vmap(self.optimizer.init)(jnp.zeros(like.shape, like.dtype))

    def learn(
        self, state: PyTree, models: Float[Array, "*n d"], objective: Objective
    ) -> tuple[PyTree, Float[Array, "n d"], Float[Array, " n"]]:
        # The first gradient is taken where all nodes still agree, which is cheaper if they share one model.
        losses, gradients = objective(models, 0)
        start = jnp.broadcast_to(models, gradients.shape)
        memory = state if self.persistent else jax.vmap(self.optimizer.init)(start)
        counts = jnp.broadcast_to(self.steps, gradients.shape[:1])

        def advance(draw: Array | int, memory: PyTree, theta: Array, gradients: Array) -> tuple[PyTree, Array]:
            after = jax.vmap(self.optimizer.step)(memory, gradients, theta)
            return jax.vmap(select)(draw < counts, after, (memory, theta))

        memory, theta = advance(0, memory, start, gradients)
        if self.max_steps > 1:

            def body(carry: tuple[PyTree, Array], draw: Array) -> tuple[tuple[PyTree, Array], None]:
                return advance(draw, *carry, objective(carry[1], draw)[1]), None

            (memory, theta), _ = jax.lax.scan(body, (memory, theta), jnp.arange(1, self.max_steps, dtype=jnp.int32))
        return memory if self.persistent else (), start - theta, losses
