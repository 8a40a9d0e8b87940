"""The window mean of every receiver of a graph, across its neighbour slots."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ghostjax._kernels import window
from ghostjax._kernels.complete import complete_window
from ghostjax._kernels.fence import lanes
from ghostjax._kernels.network import excess, rank_sum, rank_sums, tree, weighted_thresholds, winsorised
from ghostjax._kernels.slots_grad import slots_pullback
from ghostjax._kernels.weights import all_alike, masses, rank_coefficients, ranks
from ghostjax._kernels.window import NETWORK_ROWS


WEIGHTED_SLOTS = 16
"""Largest number of rows of a network that carries weights; XLA splits larger ones."""


def window_mean_slots(
    x: Float[Array, "m d"], nbr: Int[Array, "n k"], w: Float[Array, "n k"], trim: Float[Array, " n"]
) -> Float[Array, "n d"]:
    """`window_mean(x[nbr[i]], w[i], trim[i])` for each receiver i; a slot of weight 0 is padding or a lost edge.

    The network runs across slots, `row_j = x[nbr[:, j]]`, for all receivers at once, so nothing of size
    `[n, k, d]` exists. Receivers may hear different numbers of neighbours; the fast form holds while each of
    them weighs its own neighbours alike. With more than 128 slots, or more than 16 of unlike weights, receivers
    are served one after the other; where there are as many slots as rows, those that weigh all rows alike are served
    once. Derivatives are those of `window_mean`, reverse mode only.
    """
    dtype = x.dtype
    wide = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
    return _slots(x.astype(wide), nbr, w.astype(wide), trim.astype(wide)).astype(dtype)


@jax.custom_vjp
def _slots(x, nbr, w, trim):
    return _forward(x, nbr, w, trim)[0]


def _slots_fwd(x, nbr, w, trim):
    y, low, high = _forward_with_thresholds(x, nbr, w, trim)
    return y, (x, nbr, w, trim, y, low, high)


def _slots_bwd(residuals, g):
    x, nbr, w, trim, y, low, high = residuals
    dx, dw, dtrim = slots_pullback(x, nbr, w, trim, y, low, high, g)
    return dx, None, dw, dtrim


_slots.defvjp(_slots_fwd, _slots_bwd)


def _rows(x, nbr, w):
    return [x[nbr[:, j]] for j in range(nbr.shape[1])], w


def _own_rows(x, at):
    """The rows of one receiver, sliced: a gather of several would be copied."""
    return [lax.dynamic_index_in_dim(x, at[j], keepdims=False) for j in range(at.shape[0])]


def _each(kernel, x, nbr, w, trim, outputs):
    """`kernel` of each receiver's own rows, one receiver at a time."""
    return lax.map(lambda r: kernel(x[r[0]], r[1], r[2], outputs), (nbr, w, trim))


@functools.partial(jax.jit, static_argnums=4)
def _alike(x, nbr, w, trim, outputs):
    k = nbr.shape[1]
    if k > NETWORK_ROWS:
        return _each(window.alike, x, nbr, w, trim, outputs)
    kept = ranks(w, trim)
    coefficients = rank_coefficients(kept, k, outputs > 1)
    if outputs == 1:
        return (rank_sums((x, nbr, w), _rows, coefficients)[0] / kept.mass[:, None],)

    def receiver(own):
        at, wi, coefficients = own
        rows = [row[None, :] for row in _own_rows(x, at)]
        return tuple(rank_sum(rows, wi[None, :], coefficients))

    # Several sums in one kernel sort the rows as often: best while these are in cache, one receiver at a time.
    y, low, high = lax.map(receiver, (nbr, w, jnp.stack(coefficients, 1)))
    return y / kept.mass[:, None], low, high


@functools.partial(jax.jit, static_argnums=4)
def _mixed(x, nbr, w, trim, outputs):
    if nbr.shape[1] > WEIGHTED_SLOTS:
        return _each(window.mixed, x, nbr, w, trim, outputs)
    trim, left, slack = masses(w, trim)
    if outputs == 1:
        rows, _ = _rows(x, nbr, w)
        return (_weighted(rows, list(w.T), trim, left, slack)[0],)

    def receiver(own):
        at, wi, trim, left, slack = own
        return _weighted(_own_rows(x, at), list(wi), trim, left, slack)

    return lax.map(receiver, (nbr, w, trim, left, slack))


def _weighted(rows, weights, trim, left, slack):
    """Mean and thresholds by a network that carries weights."""
    a, b = weighted_thresholds(rows, weights, trim, slack)
    total = tree([excess(row, v[..., None], a, b) for row, v in zip(rows, weights, strict=True)])
    y = winsorised(total, a, b, trim[..., None], left[..., None])
    return tuple(jnp.where((tree(weights) > 0)[..., None], v, 0) for v in (y, a, b))


def _lanes(outputs):
    def kernel(x, nbr, w, trim):
        x, w = lax.optimization_barrier((x, w))
        if nbr.shape[1] == x.shape[0]:
            return complete_window(x, nbr, w, trim, window.alike, window.mixed, outputs)
        return lax.cond(
            all_alike(w), lambda *args: _alike(*args, outputs), lambda *args: _mixed(*args, outputs), x, nbr, w, trim
        )

    def disjoint(x, nbr, w, trim):
        """A batch of graphs is one graph of as many components."""
        b, m, d = x.shape
        n, k = nbr.shape[1:]
        shifted = nbr + m * jnp.arange(b, dtype=nbr.dtype)[:, None, None]
        out = fenced(x.reshape(b * m, d), shifted.reshape(b * n, k), w.reshape(b * n, k), trim.reshape(b * n))
        return jax.tree.map(lambda y: y.reshape(b, n, d), out)

    fenced = lanes(kernel, disjoint)
    return fenced


_forward = _lanes(1)
_forward_with_thresholds = _lanes(3)
