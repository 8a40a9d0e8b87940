"""The window mean against its definition: values, laws, batching and derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import present, window_mean

from .kernel_oracle import KINDS, window_oracle


compiled = jax.jit(window_mean)


def draw(n, d=23, seed=0, kind="ones"):
    rng = np.random.default_rng([seed, n])
    return rng.standard_normal((n, d)).astype(np.float32), KINDS[kind](rng, n).astype(np.float32)


def trims(w):
    total, top = float(w.sum()), float(w.max())
    whole = np.floor(0.2 * total / top) * top if top else 0.0
    return [0.0, whole, 0.37 * total, total / 2, 1e9]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 5, 17, 130])
def test_equals_the_definition(n, kind):
    x, w = draw(n, kind=kind)
    for trim in trims(w):
        np.testing.assert_allclose(compiled(x, w, jnp.float32(trim)), window_oracle(x, w, trim), rtol=1e-5, atol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 16, 31, 64, 96, 97, 128, 129, 200, 256])
def test_equals_the_definition_for_large_networks(n, kind):
    test_equals_the_definition(n, kind)


@pytest.mark.parametrize("kind", ["ones", "real"])
@pytest.mark.parametrize("n", [130])
def test_columns_beyond_one_tile(n, kind):
    x, w = draw(n, d=300, kind=kind)
    np.testing.assert_allclose(compiled(x, w, jnp.float32(2)), window_oracle(x, w, 2), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("n", [5, 130])
def test_ties_and_signed_zeros(n):
    rng = np.random.default_rng(n)
    x = rng.choice(np.array([-1.0, -0.0, 0.0, 1.0], np.float32), (n, 23))
    for w in (np.ones(n, np.float32), rng.uniform(0.5, 1.5, n).astype(np.float32)):
        for trim in (1.0, 0.3 * w.sum(), w.sum()):
            expected = window_oracle(x, w, trim)
            np.testing.assert_allclose(compiled(x, w, jnp.float32(trim)), expected, rtol=1e-5, atol=1e-6)


def test_counting_tells_neighbours_and_extremes_apart():
    # Values that differ in their last bit only, next to the largest there are: every digit of a key decides somewhere.
    n, top = 130, np.finfo(np.float32).max
    rng = np.random.default_rng(0)
    near = np.float32(1.5) + np.float32(2.0**-23) * rng.permuted(np.tile(np.arange(n), (3, 1)), axis=1).T
    wide = rng.choice(np.array([-1.0, 1.0]), (n, 3)) * 10.0 ** rng.uniform(-30, 30, (n, 3))
    ends = np.where(np.arange(n)[:, None] % 3 == np.arange(3)[None, :], top, -top)
    x = np.concatenate([near, wide, ends], axis=1).astype(np.float32)
    for rank in (0, 20, 64):
        median = compiled(x, np.ones(n, np.float32), jnp.float32(64.5))
        np.testing.assert_array_equal(median[:3], np.float32(np.median(x[:, :3].astype(float), 0)))
        y = compiled(x, np.ones(n, np.float32), jnp.float32(rank))[:3]
        np.testing.assert_allclose(y, window_oracle(x[:, :3], np.ones(n), rank), rtol=1e-7)
    sides = window_oracle(x[:, 3:], np.ones(n), 64.5)
    np.testing.assert_allclose(compiled(x, np.ones(n, np.float32), jnp.float32(64.5))[3:], sides, rtol=1e-6)


@pytest.mark.parametrize("n", [5, 130])
def test_float64_is_exact(n, x64):
    rng = np.random.default_rng(n)
    x = 1e8 + rng.standard_normal((n, 7))
    for w in (np.ones(n), rng.uniform(0.5, 1.5, n)):
        for trim in (1.0, 1.5, 500.0):
            y = compiled(jnp.asarray(x), jnp.asarray(w), jnp.asarray(trim))
            assert y.dtype == jnp.float64
            np.testing.assert_allclose(y - 1e8, window_oracle(x, w, trim) - 1e8, atol=1e-6)


@pytest.mark.parametrize("n", [17, 130])
@pytest.mark.parametrize("kind", ["ones", "real"])
def test_absent_rows_hold_anything(n, kind):
    x, w = draw(n, kind=kind)
    bad, gone = x.copy(), w.copy()
    for row, value in zip((0, 1, 2), (np.inf, -np.inf, np.nan), strict=True):
        bad[row], gone[row] = value, 0
    np.testing.assert_allclose(
        compiled(bad, gone, jnp.float32(1)), window_oracle(x[3:], w[3:], 1), rtol=1e-5, atol=3e-6
    )
    clean, weights, lost = present(jnp.asarray(bad), jnp.asarray(w))
    np.testing.assert_allclose(
        compiled(clean, weights, 1.0 * jnp.ones(())), window_oracle(x[3:], w[3:], 1), rtol=1e-5, atol=3e-6
    )
    np.testing.assert_array_equal(lost, np.where(np.arange(n) < 3, w, 0))


@pytest.mark.parametrize(("n", "m"), [(10, 3), (130, 3), (1000, 300)])
def test_masses_equal_but_for_rounding_count_as_equal(n, m):
    # 0.1 + 0.1 + 0.1 and 0.3 differ in float32; a sliver of an outlier's weight would be worth 1e23.
    x, _ = draw(n)
    for end in (1e30, -1e30):
        x[:m] = end
        for w in (np.full(n, 0.1, np.float32), np.r_[np.full(n - 1, 0.1), 0.2].astype(np.float32)):
            assert np.abs(compiled(x, w, jnp.float32(0.1 * m))).max() < 5


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    x, w = draw(9)
    x = jnp.asarray(x, dtype)
    y = compiled(x, jnp.asarray(w, dtype), jnp.asarray(2, dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, jnp.asarray(window_oracle(x.astype(jnp.float32), w, 2), jnp.float32).astype(dtype))


@pytest.mark.parametrize("n", [6])
def test_vmap_equals_a_loop(n):
    x, real = draw(n, kind="real")
    ones = np.ones(n, np.float32)
    xs, ws, fs = jnp.stack([x, 2 * x, x - 1]), jnp.stack([ones, real, 0 * ones]), jnp.asarray([1.0, 0.5, 9e9])
    for axes in ((None, 0, None), (0, None, 0)):
        args = [a if axis == 0 else a[0] for a, axis in zip((xs, ws, fs), axes, strict=True)]
        y = jax.jit(jax.vmap(window_mean, axes))(*args)
        for i in range(3):
            own = [a[i] if axis == 0 else a for a, axis in zip(args, axes, strict=True)]
            np.testing.assert_allclose(y[i], compiled(*own), rtol=1e-6, atol=1e-6)


def test_vmap_of_vmap_and_scan():
    x, w = draw(6)
    f = jnp.asarray([[0.0, 1.0], [1.5, 3.0]])
    y = jax.vmap(jax.vmap(lambda f: window_mean(jnp.asarray(x), jnp.asarray(w), f)))(f)
    for i in np.ndindex(2, 2):
        np.testing.assert_allclose(np.asarray(y)[i], window_oracle(x, w, float(f[i])), rtol=1e-5, atol=1e-6)
    steps = jax.lax.scan(
        lambda c, f: (c - window_mean(c, jnp.asarray(w), f)[None, :], None), jnp.asarray(x), f.reshape(-1)
    )[0]
    loop = x.astype(float)
    for trim in np.asarray(f).reshape(-1):
        loop = loop - window_oracle(loop, w, float(trim))
    np.testing.assert_allclose(steps, loop, atol=1e-5)


def test_one_trace_serves_all_trims_and_weights():
    traces = []

    @jax.jit
    def fn(x, w, f):
        traces.append(1)
        return window_mean(x, w, f)

    x, w = draw(8)
    for f, scale in ((0.0, 1.0), (1.5, 0.5), (9.0, 2.0)):
        fn(x, w * np.float32(scale), jnp.float32(f))
    assert len(traces) == 1


@pytest.mark.parametrize("n", [6])
@pytest.mark.parametrize("kind", ["fractional", "real", "mean"])
def test_derivative_is_the_limit_of_differences(n, kind, x64):
    rng = np.random.default_rng(n)
    x, g = jnp.asarray(rng.standard_normal((n, 3))), jnp.asarray(rng.standard_normal(3))
    w = jnp.asarray(np.ones(n) if kind == "fractional" else rng.uniform(0.5, 1.5, n))
    f = jnp.asarray(0.0 if kind == "mean" else 1.37)
    fn = jax.jit(lambda x, w, f: window_mean(x, w, f) @ g)
    gradient = jax.jit(jax.grad(fn, (0, 1, 2)))(x, w, f)
    for direction in range(3):
        dx, dw = rng.standard_normal((n, 3)), rng.standard_normal(n)
        df = 0.0 if kind == "mean" else float(direction)
        step = 1e-6
        difference = (
            fn(x + step * dx, w + step * dw, f + step * df) - fn(x - step * dx, w - step * dw, f - step * df)
        ) / (2 * step)
        slope = (gradient[0] * dx).sum() + gradient[1] @ dw + gradient[2] * df
        np.testing.assert_allclose(difference, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n", [9])
def test_derivative_in_w_gives_exact_removal(n, x64):
    # TM - TM without i = (clip(x_i, a, b) - TM) / (n - 1 - 2 f), and the derivative has n - 2 f for the divisor.
    rng = np.random.default_rng(n)
    x, w, f = jnp.asarray(rng.standard_normal((n, 1))), jnp.ones(n), jnp.asarray(2.0)
    whole = window_mean(x, w, f)[0]
    slope = jax.jit(jax.grad(lambda w: window_mean(x, w, f)[0]))(w)
    for i in range(n):
        without = window_oracle(np.delete(x, i, 0), np.ones(n - 1), 2)[0]
        np.testing.assert_allclose(whole - without, slope[i] * (n - 4) / (n - 5), atol=1e-12)


@pytest.mark.parametrize("real", [False, True])
def test_derivative_of_the_median(real, x64):
    for n in (5, 6):
        x = jnp.asarray(np.arange(n * 1.0)[::-1, None].copy())
        w = jnp.asarray(np.ones(n) + 0.01 * np.arange(n) * (real and n == 5))
        dx, dw, df = jax.jit(jax.grad(lambda *a: window_mean(*a)[0], (0, 1, 2)))(x, w, w.sum() / 2)
        np.testing.assert_allclose(dx[:, 0], [0, 0, 1, 0, 0] if n == 5 else [0, 0, 0.5, 0.5, 0, 0])
        assert df == 0
        # Removing one of six rows moves the median from 2.5 to 2 or 3, exactly.
        np.testing.assert_allclose(dw, np.zeros(5) if n == 5 else [0.5, 0.5, 0.5, -0.5, -0.5, -0.5])


@pytest.mark.parametrize("n", [6])
def test_tied_border_values_share_the_derivative(n, x64):
    x = jnp.concatenate([jnp.zeros((3, 1)), jnp.arange(1.0, n - 2)[:, None]])
    dx = jax.jit(jax.grad(lambda x: window_mean(x, jnp.ones(n), jnp.asarray(1.0))[0]))(x)[:, 0]
    np.testing.assert_allclose(dx, np.r_[[2 / 3] * 3, np.ones(n - 4), 0] / (n - 2))


def test_nobody_present_has_no_derivative():
    gradient = jax.jit(jax.grad(lambda *a: window_mean(*a).sum(), (0, 1, 2)))(
        jnp.ones((4, 2)), jnp.zeros(4), jnp.ones(())
    )
    assert all(not np.any(part) for part in gradient)


def test_oracle_catches_a_twin_that_ignores_weights():
    x, w = draw(9, kind="real")
    wrong = functools.partial(window_mean, w=jnp.ones(9))
    assert np.abs(wrong(jnp.asarray(x), trim=jnp.ones(())) - window_oracle(x, w, 1)).max() > 1e-2
