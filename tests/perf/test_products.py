"""The fast forms of a dense layer and of the finiteness check say the same as the plain ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import dense_product, present


SHAPES = [(5, 4, 3), (5, 3, 4), (2, 1, 1), (7, 6, 6)]


def factors(b, i, o, dtype):
    rng = np.random.default_rng(b)
    return [rng.normal(size=shape).astype(dtype) for shape in ((2, b, i), (i, o), (2, b, i), (i, o))]


def total(product, x, w):
    return jnp.sin(jax.vmap(product, in_axes=(0, None))(x, w)).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_product_is_a_product_in_both_modes_and_twice(shape, x64):
    builds = (
        lambda f, x, w, dx, dw: f(x, w),
        lambda f, x, w, dx, dw: jax.grad(f, (0, 1))(x, w),
        lambda f, x, w, dx, dw: jax.jvp(f, (x, w), (dx, dw)),
        lambda f, x, w, dx, dw: jax.jvp(lambda w: f(x, w), (w,), (dw,)),
        lambda f, x, w, dx, dw: jax.jvp(jax.grad(f, (0, 1)), (x, w), (dx, dw)),
        lambda f, x, w, dx, dw: jax.grad(lambda w: jnp.square(jax.grad(f)(x, w)).sum())(w),
    )

    def every(product, *arguments):
        return [build(lambda x, w: total(product, x, w), *arguments) for build in builds]

    arguments = factors(*shape, np.float64)
    fast, plain = (jax.jit(functools.partial(every, product))(*arguments) for product in (dense_product, jnp.matmul))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), fast, plain)


@pytest.mark.parametrize("shape", SHAPES)
def test_per_node_weight_gradients(shape):
    x, w, _, _ = factors(*shape, np.float32)
    per_node = jax.jit(jax.vmap(jax.grad(lambda w, x: jnp.sin(dense_product(x, w)).sum()), in_axes=(None, 0)))
    expected = [x[k].T @ np.cos(x[k] @ w) for k in range(2)]
    np.testing.assert_allclose(per_node(w, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (3, 2), (4, 300), (70, 5)])
@pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_row_is_present_exactly_when_it_is_finite(dtype, shape, compiled):
    border = jax.jit(present) if compiled else present
    extreme = jnp.finfo(dtype)
    x, w = np.full(shape, extreme.max, dtype), np.ones(shape[0], dtype)
    x[-1, -1] = extreme.tiny
    np.testing.assert_array_equal(border(x, w)[0], x)
    for bad in (np.nan, np.inf, -np.inf):
        spoilt, zeroed, absent = x.copy(), x.copy(), w.copy()
        spoilt[-1, 0], zeroed[-1], absent[-1] = bad, 0, 0
        rows, weights, lost = border(spoilt, w)
        np.testing.assert_array_equal(rows, zeroed)
        np.testing.assert_array_equal(weights, absent)
        np.testing.assert_array_equal(lost, 1 - absent)
