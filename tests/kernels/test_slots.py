"""The window mean across neighbour slots equals the window mean of each receiver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import slots, slots_grad, window_mean, window_mean_slots

from ..programs import scratch
from .kernel_oracle import KINDS, window_oracle


def graph(k, kind, seed=0, n=6, m=11, d=5):
    rng = np.random.default_rng([seed, k])
    w = np.stack([KINDS[kind](rng, k) for _ in range(n)])
    if kind == "constant":
        w *= np.arange(1, n + 1)[:, None]  # another constant at every receiver
    x, nbr, trim = rng.standard_normal((m, d)), rng.integers(0, m, (n, k)), 0.25 * w.sum(1)
    return x.astype(np.float32), nbr.astype(np.int32), w.astype(np.float32), trim.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 5, 20])
def test_equals_each_receiver(k, kind):
    x, nbr, w, trim = graph(k, kind)
    fn = jax.jit(window_mean_slots)
    for f in (trim, 0 * trim, w.sum(1)):
        expected = [window_oracle(x[nbr[i]], w[i], f[i]) for i in range(len(w))]
        np.testing.assert_allclose(fn(x, nbr, w, f), expected, rtol=1e-5, atol=3e-6)


def gradients_agree(k, kinds):
    """One compilation serves every kind of weights."""
    each = jax.vmap(lambda x, at, w, f: window_mean(x[at], w, f), (None, 0, 0, 0))
    gradient = lambda f: jax.jit(jax.grad(lambda *a: jnp.square(f(*a)).sum(), (0, 2, 3)))
    wanted, found = gradient(each), gradient(lambda *a: window_mean_slots(*a))
    for kind in kinds:
        for a, b in zip(wanted(*graph(k, kind)), found(*graph(k, kind)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=kind)


@pytest.mark.parametrize("tile", [3, 8192])  # of 5 columns: two tiles that overlap, and one
def test_gradient_equals_each_receiver(tile, monkeypatch):
    monkeypatch.setattr(slots_grad, "TILE", tile)
    gradients_agree(5, ["ones", "present", "real"])


def test_gradient_of_many_slots_equals_each_receiver(monkeypatch):
    """More slots than a network of two sums or of weights takes, or than are summed without a loop."""
    for module, name in ((slots, "PAIRED_ROWS"), (slots, "WEIGHTED_SLOTS"), (slots_grad, "UNROLLED")):
        monkeypatch.setattr(module, name, 3)
    gradients_agree(6, ["ones", "real"])  # a number of slots of its own: kernels are traced once per shape


def test_vmap_equals_a_loop():
    x, nbr, w, trim = graph(5, "real")
    xs, fs, single = np.stack([x, -x]), np.stack([trim, 2 * trim]), jax.jit(window_mean_slots)
    y = jax.jit(jax.vmap(window_mean_slots, (0, None, None, 0)))(xs, nbr, w, fs)
    for i in range(2):
        np.testing.assert_allclose(y[i], single(xs[i], nbr, w, fs[i]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["ones", "real"])
def test_nothing_as_large_as_the_neighbourhoods(kind):
    n, d, k = 64, 512, 9
    args = (jnp.zeros((n, d)), jnp.zeros((n, k), jnp.int32), jnp.ones((n, k)), jnp.ones(n))
    memory = scratch(jax.jit(window_mean_slots).lower(*args).compile())
    assert memory < 2 * 4 * n * d, kind
