"""The window mean of every receiver of a graph, across its neighbour slots."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ghostjax._kernels import window
from ghostjax._kernels.complete import complete_window
from ghostjax._kernels.fence import batch_as_loop
from ghostjax._kernels.network import excess, rank_sum, tree_reduce, weighted_thresholds, winsorised
from ghostjax._kernels.slots_grad import slots_pullback
from ghostjax._kernels.span import retried
from ghostjax._kernels.weights import all_equal, masses, rank_coefficients, ranks
from ghostjax._kernels.window import NETWORK_ROWS


WEIGHTED_SLOTS = 32
"""Largest number of rows of a network that carries weights. Larger ones take long to compile, and XLA splits some."""
PAIRED_ROWS = 64
"""Largest number of rows of a network with two sums. Larger ones take five times as long as with one sum."""


def window_mean_slots(
    x: Float[Array, "m d"], nbr: Int[Array, "n k"], w: Float[Array, "n k"], trim: Float[Array, " n"]
) -> Float[Array, "n d"]:
    """`window_mean(x[nbr[i]], w[i], trim[i])` for each receiver i; a slot of weight 0 is padding or a lost edge.

    The network runs across slots, `row_j = x[nbr[:, j]]`, for all receivers at once, so nothing of size
    `[n, k, d]` exists. Receivers may have different numbers of neighbours. The fast form needs equal weights within
    each receiver. With more than 128 slots, or more than 32 of unequal weights, receivers are served one after the
    other. If there are as many slots as rows, all receivers with equal weights are served by one network. Derivatives
    are those of `window_mean`, reverse mode only.
    """
    dtype = x.dtype
    wide = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
    return _slots(x.astype(wide), nbr, w.astype(wide), trim.astype(wide)).astype(dtype)


@jax.custom_vjp
def _slots(x, nbr, w, trim):
    return _shared(x, nbr, w, trim)[0] if _complete(x, nbr) else _separate(x, nbr, w, trim)


def _slots_fwd(x, nbr, w, trim):
    if _complete(x, nbr):
        y, *ends = _shared_with_thresholds(x, nbr, w, trim)
    else:
        y, ends = _separate(x, nbr, w, trim), None
    return y, (x, nbr, w, trim, y, ends)


def _slots_bwd(residuals, g):
    x, nbr, w, trim, y, ends = residuals

    def thresholds(start, size):
        # To sort a receiver's few rows again costs less than to keep two numbers per receiver and coordinate.
        if ends is not None:
            return tuple(lax.dynamic_slice_in_dim(end, start, size, 1) for end in ends)
        found = _separate_thresholds(lax.dynamic_slice_in_dim(x, start, size, 1), nbr, w, trim)
        return found.real, found.imag

    dx, dw, dtrim = slots_pullback(x, nbr, w, trim, y, thresholds, g)
    return dx, None, dw, dtrim


_slots.defvjp(_slots_fwd, _slots_bwd)


def _rows(x, nbr, w):
    return [x[nbr[:, j]] for j in range(nbr.shape[1])], w


def _complete(x, nbr):
    """Whether there are as many slots as rows."""
    return nbr.shape[1] == x.shape[0]


def _each(kernel, outputs, x, nbr, w, trim, scale):
    """`kernel` of the rows of each receiver, one receiver at a time."""

    def one(receiver):
        at, *arguments = receiver
        found = kernel(x[at], *arguments, outputs, scale)
        return found[0] if outputs == 1 else lax.complex(*found)

    return lax.map(one, (nbr, w, trim))


@functools.partial(jax.jit, static_argnums=0)
def _equal_weights(outputs, x, nbr, w, trim, scale):
    k = nbr.shape[1]
    if k > (NETWORK_ROWS if outputs == 1 else PAIRED_ROWS):
        return _each(window.equal_weights, outputs, x, nbr, w, trim, scale)
    kept = ranks(w, trim)
    rows, (whole, *ends) = _rows(x, nbr, w), rank_coefficients(kept, k, outputs > 1)
    return rank_sum(*rows, *ends) if ends else rank_sum(*rows, scale * whole) / kept.mass[:, None] / scale


@functools.partial(jax.jit, static_argnums=0)
def _general_weights(outputs, x, nbr, w, trim, scale):
    """By a network that carries weights, if there are few slots."""
    if nbr.shape[1] > WEIGHTED_SLOTS:
        return _each(window.general_weights, outputs, x, nbr, w, trim, scale)
    trim, left, slack = masses(w, trim)
    rows, weights = _rows(x, nbr, w)[0], list(w.T)
    a, b = weighted_thresholds(rows, weights, trim, slack)
    some = (tree_reduce(weights) > 0)[..., None]
    if outputs == 2:
        return lax.complex(jnp.where(some, a, 0), jnp.where(some, b, 0))
    total = tree_reduce([excess(row, v[..., None], a, b, scale) for row, v in zip(rows, weights, strict=True)])
    return jnp.where(some, winsorised(total, a, b, trim[..., None], left[..., None], scale), 0)


def _fenced_separate(outputs):
    """The window means of all receivers (`outputs` 1), or their thresholds as one complex array (2)."""

    def kernel(x, nbr, w, trim):
        x, w = lax.optimization_barrier((x, w))
        forms = [functools.partial(form, outputs) for form in (_equal_weights, _general_weights)]

        def attempt(scale):
            return (lax.cond(all_equal(w), *forms, x, nbr, w, trim, scale),)

        if outputs == 2:
            return attempt(jnp.ones((), x.dtype))[0]
        return retried(attempt, nbr.shape[1], x.dtype)[0]

    def disjoint(x, nbr, w, trim):
        """A batch of graphs is one graph: each graph of the batch is a component of it."""
        b, m, d = x.shape
        n, k = nbr.shape[1:]
        shifted = nbr + m * jnp.arange(b, dtype=nbr.dtype)[:, None, None]
        y = fenced(x.reshape(b * m, d), shifted.reshape(b * n, k), w.reshape(b * n, k), trim.reshape(b * n))
        return y.reshape(b, n, d)

    fenced = batch_as_loop(kernel, disjoint)
    return fenced


_separate = _fenced_separate(1)
_separate_thresholds = _fenced_separate(2)


def _fenced_shared(outputs):
    def kernel(x, nbr, w, trim):
        x, w = lax.optimization_barrier((x, w))

        def attempt(scale):
            return complete_window(x, nbr, w, trim, window.equal_weights, window.general_weights, outputs, scale)

        return retried(attempt, nbr.shape[1], x.dtype)

    fenced = batch_as_loop(kernel, lambda *graphs: lax.map(lambda graph: fenced(*graph), graphs))
    return fenced


_shared = _fenced_shared(1)
_shared_with_thresholds = _fenced_shared(3)
