"""The Gram product in column tiles: the same numbers, the same derivatives, no centred copy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import gram

from ..programs import scratch


N = 6


def rows(d, dtype=np.float32):
    rng = np.random.default_rng(d)
    return (rng.normal(size=(N, d)) + 100).astype(dtype), (rng.normal(size=d) + 100).astype(dtype)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(gram, "TILE", 8 * N)


@pytest.mark.parametrize("d", [9, 16, 21])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_are_the_whole(small_tiles, d, dtype):
    with jax.enable_x64(dtype == np.float64):
        x, centre = rows(d, dtype)
        cotangent = np.random.default_rng(0).normal(size=(N, N)).astype(dtype)

        @jax.jit
        def both(x, centre, cotangent):
            products = [jax.vjp(f, x, centre) for f in (gram._large, gram._product)]
            return [(value, *pull(cotangent)) for value, pull in products]

        (got, *derivatives), (expected, *whole) = jax.tree.map(np.asarray, both(x, centre, cotangent))
        tolerance = 50 * np.finfo(dtype).eps
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
        for a, b in zip(derivatives, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=10 * tolerance * np.abs(b).max())


def test_a_batch_is_a_loop(small_tiles):
    x, centre = rows(21)
    batch, single = np.stack([x, 2 * x]), jax.jit(lambda *a: gram.centred_gram(*a))
    got = jax.jit(jax.vmap(gram.centred_gram, (0, None)))(batch, centre)
    np.testing.assert_allclose(got, [single(one, centre) for one in batch], rtol=1e-5)


def temporary(kernel, x, centre):
    return scratch(jax.jit(kernel).lower(x, centre).compile())


def test_no_centred_copy_of_what_is_larger_than_a_tile():
    x, centre = jnp.zeros((64, 100_000)), jnp.zeros(100_000)
    assert temporary(gram.centred_gram, x, centre) <= 1.1 * 4 * gram.TILE
    assert temporary(gram._product, x, centre) >= x.nbytes
