"""The window mean of every receiver in a graph with a slot for every row: equal receivers share one network."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ghostjax._kernels.weights import all_equal, SLACK


Kernel = Callable[[Array, Array, Array, int, Array], tuple[Array, ...]]


def complete_window(
    x: Float[Array, "n d"],
    nbr: Int[Array, "n n"],
    w: Float[Array, "n n"],
    trim: Float[Array, " n"],
    equal_weights: Kernel,
    general_weights: Kernel,
    outputs: int,
    scale: Float[Array, ""],
) -> tuple[Float[Array, "n d"], ...]:
    """The first `outputs` of `equal_weights` or `general_weights`, for n receivers of n slots each.

    Sums are those of numbers times `scale`.

    The leader is the receiver with the largest mass. A receiver with the same weights as the leader, up to rounding,
    takes its result. In a complete graph of equal edges all receivers do, and one network runs. The others run their
    networks one after the other; a Byzantine node that gives its own message weight 0 is one of them.
    """
    n, d = x.shape
    everybody = jnp.arange(n)
    dense = jnp.zeros((n, n), w.dtype).at[everybody[:, None], nbr].add(w)
    leader = dense.sum(1).argmax()
    slack = SLACK * jnp.finfo(w.dtype).eps * jnp.stack([dense[leader].max(), dense[leader].sum()])
    same = (jnp.abs(dense - dense[leader][None, :]) <= slack[0]).all(1) & (jnp.abs(trim - trim[leader]) <= slack[1])

    def serve(i: Array) -> tuple[Array, ...]:
        kernels = [
            lambda x, w, t, kernel=kernel: kernel(x, w, t, outputs, scale)
            for kernel in (equal_weights, general_weights)
        ]
        return lax.cond(all_equal(dense[i]), *kernels, x, dense[i], trim[i])

    def advance(step: Array, found: tuple[Array, ...]) -> tuple[Array, ...]:
        # The leader comes first. One call of the kernels serves it and those unlike it: two would compile twice.
        i = (leader + step) % n
        rows = lax.cond(same[i] & (step > 0), lambda: tuple(y[leader] for y in found), lambda: serve(i))
        return tuple(y.at[i].set(row) for y, row in zip(found, rows, strict=True))

    return lax.fori_loop(0, n, advance, tuple(jnp.zeros((n, d), x.dtype) for _ in range(outputs)))
