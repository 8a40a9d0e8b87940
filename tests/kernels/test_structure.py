"""What the compiled programs of the kernels look like: fences, no sort, nothing large.

A bare kernel always looks well; the test is the kernel beside a consumer that broadcasts its result.
"""

import re

import jax
import jax.numpy as jnp
import pytest

from ghostjax._kernels import network, window, window_mean


D = 512


def text(fn, *args):
    return jax.jit(fn).lower(*args).compile().as_text()


def operations(fn, *args):
    """The floating-point minima and maxima in the compiled program."""
    return len(re.findall(r"= f32\[[\d,]*\]\S* (?:minimum|maximum)\(", text(fn, *args)))


def arguments(n):
    return jnp.zeros((n, D)), jnp.ones(n), jnp.ones(())


def unfenced(x, w, f):
    """The broken twin: the same network without a computation of its own."""
    return window.alike(x, w, f, 1)[0]


def beside(kernel):
    return lambda x, w, f: jnp.square(x - kernel(x, w, f)[None, :]).sum(1)


def scanned(kernel):
    return lambda x, w, f: jax.lax.scan(lambda c, _: (c - kernel(c, w, f)[None, :], None), x, None, length=10)[0]


def mapped(kernel):
    return lambda x, w, f: jax.vmap(lambda s: kernel(x, w, f * s))(jnp.linspace(0.5, 1.0, 8))


def constant(kernel):
    return lambda x, w, f: x - kernel(x, jnp.ones(x.shape[0]), f)[None, :]


@pytest.mark.parametrize("context", [beside, scanned, mapped, constant])
def test_kernel_is_compiled_once_whatever_surrounds_it(context):
    args = arguments(24)
    bare = operations(window_mean, *args)
    assert bare >= 2 * len(network.comparators(24)) - 48
    assert operations(context(window_mean), *args) <= 1.1 * bare


def test_gradient_holds_one_more_network():
    args = arguments(24)
    assert operations(jax.grad(lambda *a: window_mean(*a).sum()), *args) <= 2.2 * operations(window_mean, *args) + 50


def test_branches_hide_the_kernel_from_its_consumer():
    # The twin has no branch of its own, so its network lies in the computation that holds the consumer.
    assert " conditional(" in text(beside(window_mean), *arguments(24))
    assert " conditional(" in text(constant(window_mean), *arguments(24))
    assert " conditional(" not in text(beside(unfenced), *arguments(24))


@pytest.mark.parametrize("n", [16, 40, 130])
def test_no_sort_and_nothing_large(n):
    program = text(beside(window_mean), *arguments(n))
    assert not re.search(r"\bsort\(", program)
    sizes = [eval("*".join(shape.split(","))) for shape in re.findall(r"\b(?:f|s|u|pred)\d*\[([\d,]+)\]", program)]
    assert max(sizes) <= 4 * n * D


def test_the_twin_that_sorts_is_caught():
    program = text(lambda x, w, f: x - jnp.sort(x, axis=0).mean(0)[None, :], *arguments(16))
    assert re.search(r"\bsort\(", program)


@pytest.mark.parametrize(
    "n", [8, 20, pytest.param(64, marks=pytest.mark.slow), pytest.param(128, marks=pytest.mark.slow)]
)
def test_network_is_one_kernel_of_columns(n):
    """Fusions that give a column: the network, its consumer, and what bisection needs; a split network has dozens."""
    x, w, f = arguments(n)

    def fusions(fn):
        return len(re.findall(rf"= f32\[{D}\]\S* fusion\(", text(fn, x, w, f)))

    assert fusions(lambda x, w, f: unfenced(*jax.lax.optimization_barrier((x, w, f)))) <= 6
    assert fusions(beside(window_mean)) <= 16
