"""The fast forms of a dense layer and of the finiteness check say the same as the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import dense_product, present


SHAPES = [(5, 4, 3), (5, 3, 4), (2, 1, 1), (7, 6, 6)]


def factors(b, i, o):
    a, c, e, f = jax.random.split(jax.random.key(b), 4)
    x, w = jax.random.normal(a, (2, b, i)), jax.random.normal(c, (i, o))
    return x, w, jax.random.normal(e, x.shape), jax.random.normal(f, w.shape)


def total(product, x, w):
    return jnp.sin(jax.vmap(product, in_axes=(0, None))(x, w)).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_product_is_a_product_in_both_modes_and_twice(shape, x64):
    x, w, dx, dw = factors(*shape)
    plain, fast = (lambda x, w, p=p: total(p, x, w) for p in (jnp.matmul, dense_product))
    for build in (
        lambda f: f(x, w),
        lambda f: jax.grad(f, (0, 1))(x, w),
        lambda f: jax.jvp(f, (x, w), (dx, dw)),
        lambda f: jax.jvp(lambda w: f(x, w), (w,), (dw,)),
        lambda f: jax.jvp(jax.grad(f, (0, 1)), (x, w), (dx, dw)),
        lambda f: jax.grad(lambda w: jnp.square(jax.grad(f)(x, w)).sum())(w),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), build(fast), build(plain))


@pytest.mark.parametrize("shape", SHAPES)
def test_per_node_weight_gradients(shape):
    x, w, _, _ = factors(*shape)
    per_node = jax.jit(jax.vmap(jax.grad(lambda w, x: jnp.sin(dense_product(x, w)).sum()), in_axes=(None, 0)))
    expected = jnp.stack([x[k].T @ jnp.cos(x[k] @ w) for k in range(2)])
    np.testing.assert_allclose(per_node(w, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (3, 2), (4, 300), (70, 5)])
@pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_row_is_present_exactly_when_it_is_finite(dtype, shape, compiled):
    border = jax.jit(present) if compiled else present
    extreme = jnp.finfo(dtype)
    x = jnp.full(shape, extreme.max, dtype).at[-1, -1].set(extreme.tiny)
    w = jnp.ones(shape[0], dtype)
    np.testing.assert_array_equal(border(x, w)[0], x)
    for bad in (jnp.nan, jnp.inf, -jnp.inf):
        rows, weights, lost = border(x.at[-1, 0].set(bad), w)
        np.testing.assert_array_equal(rows, x.at[-1].set(0))
        np.testing.assert_array_equal(weights, w.at[-1].set(0))
        np.testing.assert_array_equal(lost, 1 - weights)
