"""The window mean of every receiver of a graph, across its neighbour slots."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ghostjax._kernels import window
from ghostjax._kernels.complete import complete_window
from ghostjax._kernels.fence import lanes
from ghostjax._kernels.network import excess, rank_sums, tree, weighted_thresholds, winsorised
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
    return _shared(x, nbr, w, trim)[0] if _complete(x, nbr) else _separate(x, nbr, w, trim)


def _slots_fwd(x, nbr, w, trim):
    if _complete(x, nbr):
        y, *ends = _shared_with_thresholds(x, nbr, w, trim)
    else:
        y, ends = _separate(x, nbr, w, trim), None
    return y, (x, nbr, w, trim, y, ends)


def _slots_bwd(residuals, g):
    x, nbr, w, trim, y, ends = residuals
    dx, dw, dtrim = slots_pullback(x, nbr, w, trim, y, ends, g)
    return dx, None, dw, dtrim


_slots.defvjp(_slots_fwd, _slots_bwd)


def _rows(x, nbr, w):
    return [x[nbr[:, j]] for j in range(nbr.shape[1])], w


def _complete(x, nbr):
    """Whether there are as many slots as rows."""
    return nbr.shape[1] == x.shape[0]


def _each(kernel, x, nbr, w, trim):
    """`kernel` of each receiver's own rows, one receiver at a time."""
    return lax.map(lambda r: kernel(x[r[0]], r[1], r[2], 1)[0], (nbr, w, trim))


@jax.jit
def _alike(x, nbr, w, trim):
    k = nbr.shape[1]
    if k > NETWORK_ROWS:
        return _each(window.alike, x, nbr, w, trim)
    kept = ranks(w, trim)
    return rank_sums((x, nbr, w), _rows, rank_coefficients(kept, k, False))[0] / kept.mass[:, None]


@jax.jit
def _mixed(x, nbr, w, trim):
    """By a network that carries weights, where they are few."""
    if nbr.shape[1] > WEIGHTED_SLOTS:
        return _each(window.mixed, x, nbr, w, trim)
    trim, left, slack = masses(w, trim)
    rows, weights = _rows(x, nbr, w)[0], list(w.T)
    a, b = weighted_thresholds(rows, weights, trim, slack)
    total = tree([excess(row, v[..., None], a, b) for row, v in zip(rows, weights, strict=True)])
    y = winsorised(total, a, b, trim[..., None], left[..., None])
    return jnp.where((tree(weights) > 0)[..., None], y, 0)


def _separate_kernel(x, nbr, w, trim):
    x, w = lax.optimization_barrier((x, w))
    return lax.cond(all_alike(w), _alike, _mixed, x, nbr, w, trim)


def _disjoint(x, nbr, w, trim):
    """A batch of graphs is one graph of as many components."""
    b, m, d = x.shape
    n, k = nbr.shape[1:]
    shifted = nbr + m * jnp.arange(b, dtype=nbr.dtype)[:, None, None]
    y = _separate(x.reshape(b * m, d), shifted.reshape(b * n, k), w.reshape(b * n, k), trim.reshape(b * n))
    return y.reshape(b, n, d)


_separate = lanes(_separate_kernel, _disjoint)


def _shared_lanes(outputs):
    def kernel(x, nbr, w, trim):
        x, w = lax.optimization_barrier((x, w))
        return complete_window(x, nbr, w, trim, window.alike, window.mixed, outputs)

    fenced = lanes(kernel, lambda *graphs: lax.map(lambda graph: fenced(*graph), graphs))
    return fenced


_shared = _shared_lanes(1)
_shared_with_thresholds = _shared_lanes(3)
