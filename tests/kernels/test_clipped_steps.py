"""The steps of centered clipping: their derivative against plain autodiff and against exact removal, and its memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import clipped_steps

from ..programs import scratch


def unrolled(x, share, tau, v, steps):
    """The definition, one difference at a time."""
    for _ in range(steps):
        diff = x - v[None, :]
        v = v + (share * jnp.minimum(1, tau / jnp.linalg.norm(diff, axis=1))) @ diff
    return v


def data(n=7, d=4, offset=0.0):
    rng = np.random.default_rng(3)
    x, share = offset + rng.normal(size=(n, d)), rng.dirichlet(np.ones(n))
    return x, share, np.asarray(1.3), offset + rng.normal(size=d)


@functools.cache
def gradient(f, steps):
    c = np.array([1.0, -0.4, 0.3, 2.0])
    return jax.jit(jax.grad(lambda *a: c @ f(*a, steps), argnums=(0, 1, 2, 3)))


def gradients(f, *arguments, steps):
    return gradient(f, steps)(*arguments)


@functools.cache
def compiled(f, steps):
    return jax.jit(lambda *a: f(*a, steps))


def distance(found, expected):
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_derivative_is_that_of_the_definition(steps, offset, x64):
    arguments = data(offset=offset)
    found, expected = (compiled(f, steps)(*arguments) for f in (clipped_steps, unrolled))
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    expected = gradients(unrolled, *arguments, steps=steps)
    assert distance(gradients(clipped_steps, *arguments, steps=steps), expected) < 1e-12 * max(1, offset)


def test_a_derivative_with_fixed_scales_is_seen(x64):
    arguments = data()

    def fixed(x, share, tau, v, steps):
        for _ in range(steps):
            diff = x - v[None, :]
            scale = jnp.minimum(1, tau / jax.lax.stop_gradient(jnp.linalg.norm(diff, axis=1)))
            v = v + (share * scale) @ diff
        return v

    assert distance(gradients(fixed, *arguments, steps=2), gradients(unrolled, *arguments, steps=2)) > 1e-2


@pytest.mark.parametrize("steps", [1, 3])
def test_derivatives_add_up_to_an_exact_removal(steps, x64):
    # The integral of the derivative while one weight goes from 1 to 0 is what the removal changes.
    x, _, tau, start = data()
    c = np.array([1.0, -0.4, 0.3, 2.0])
    value = jax.jit(lambda w: c @ clipped_steps(x, w / w.sum(), tau, start, steps))
    nodes, weights = np.polynomial.legendre.leggauss(48)
    on_path, without = np.ones((48, 7)), np.ones(7)
    on_path[:, 2], without[2] = (nodes + 1) / 2, 0
    integral = weights / 2 @ np.asarray(jax.jit(jax.vmap(jax.grad(value)))(on_path))[:, 2]
    removed = value(np.ones(7)) - value(without)
    # One step is smooth in the weights; with more, a row may begin to be clipped on the way.
    assert abs(integral - removed) < (1e-12 if steps == 1 else 1e-4) < 1e-2 * abs(removed)


def kept(f, steps, n=32, d=3000):
    """Scratch of the gradient in units of one message matrix."""
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n, d), (n,), (), (d,))]
    gradient = jax.jit(jax.grad(lambda *a: f(*a, steps).sum(), argnums=(0, 1)))
    return scratch(gradient.lower(*shapes).compile()) / (4 * n * d)


def test_the_derivative_keeps_no_differences():
    assert kept(clipped_steps, 8) < 1.5
    assert kept(lambda *a: unrolled(*a), 8) > 3
