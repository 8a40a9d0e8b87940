"""What the compiled programs of the kernels look like: fences, no sort, nothing large.

A bare kernel always looks well; the test is the kernel beside a consumer that broadcasts its result.
"""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ghostjax._kernels import network, window, window_mean

from .. import programs


pytestmark = pytest.mark.structure
D = 512
COMPARISONS = 127
"""Of Batcher's network of 24 rows."""


def text(fn, *args):
    return programs.text(jax.jit(fn).lower(*args).compile())


def operations(fn, *args):
    """Comparisons per column that the compiled program executes, loops counted once.

    A computation repeats each of its operations for every element of its largest intermediate array: a network fused
    with a consumer of shape `[n, D]` runs once per row.
    """
    total = 0.0
    for computation in text(fn, *args).split("\n\n"):
        count = len(re.findall(r"= pred\[[\d,]*\]\S* compare\(.*direction=LT", computation))
        shapes = re.findall(r"= f32\[([\d,]+)\]\S* (?!parameter|get-tuple-element)", computation)
        sizes = [math.prod(int(length) for length in shape.split(",")) for shape in shapes]
        total += count * max(sizes, default=0) / D
    return total


def arguments(n):
    return jnp.zeros((n, D)), jnp.ones(n), jnp.ones(())


def unfenced(x, w, f):
    """The broken twin: the same network without a computation of its own."""
    return window.equal_weights(x, w, f, 1)[0]


def difference(kernel):
    return lambda x, w, f: x - kernel(x, w, f)[None, :]


def beside(kernel):
    return lambda x, w, f: jnp.square(x - kernel(x, w, f)[None, :]).sum(1)


def scanned(kernel):
    return lambda x, w, f: jax.lax.scan(lambda c, _: (c - kernel(c, w, f)[None, :], None), x, None, length=10)[0]


def mapped(kernel):
    return lambda x, w, f: jax.vmap(lambda s: kernel(x, w, f * s))(jnp.linspace(0.5, 1.0, 8))


def constant(kernel):
    return lambda x, w, f: x - kernel(x, jnp.ones(x.shape[0]), f)[None, :]


@pytest.mark.parametrize("context", [difference, beside, scanned, mapped, constant])
def test_kernel_is_compiled_once_whatever_surrounds_it(context):
    args = arguments(24)
    bare = operations(window_mean, *args)
    assert bare >= COMPARISONS - 24
    assert operations(context(window_mean), *args) <= 1.1 * bare


def test_the_unfenced_twin_is_caught():
    # XLA repeats its network for each of the rows that read its result.
    def twin(x, w, f):
        return network.rank_sum(list(x), w, w)

    args = arguments(8)
    assert operations(difference(window_mean), *args) <= 1.1 * operations(window_mean, *args)
    assert operations(difference(twin), *args) > 4 * operations(twin, *args)


def test_comparisons_are_single_instructions(monkeypatch):
    # XLA's minima and maxima keep nan, in seven instructions each; the twin sorts with them.
    kernel: Any = window.equal_weights

    def extremes():
        kernel.clear_cache()
        compiled = text(lambda *own: unfenced(*own), *arguments(24))
        return len(re.findall(rf"= f32\[[\d,]*{D}\]\S* (?:minimum|maximum)\(", compiled))

    assert not extremes()
    monkeypatch.setattr(network, "SELECTED_ROWS", 8)
    assert extremes() >= 2 * COMPARISONS - 48
    monkeypatch.undo()
    kernel.clear_cache()


def test_network_is_written_down_once_per_half():
    # 543 comparisons of 64 rows; one merge of each length holds 31 + 15 + 7 + 3 + 1 + 1 of its own.
    program = jax.jit(lambda x: network.sort_rows(list(x))[5]).lower(jnp.zeros((64, D))).as_text()
    assert program.count("stablehlo.compare") <= 64


def test_gradient_holds_no_more_than_three_networks():
    args = arguments(24)
    assert operations(jax.grad(lambda *a: window_mean(*a).sum()), *args) <= 3 * operations(window_mean, *args) + 25


def test_branches_hide_the_kernel_from_its_consumer():
    # The twin has no branch of its own, so its network lies in the computation that holds the consumer.
    assert " conditional(" in text(beside(window_mean), *arguments(8))
    assert " conditional(" in text(constant(window_mean), *arguments(8))
    assert " conditional(" not in text(beside(unfenced), *arguments(8))


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
    "n",
    [
        8,
        pytest.param(20, marks=pytest.mark.slow),
        pytest.param(64, marks=pytest.mark.slow),
        pytest.param(128, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("f", [0, 1, "n // 5", "n // 2 - 1"])
def test_network_is_one_kernel_of_columns(n, f):
    """Fusions that give a column: the network, its consumer, and what bisection needs; a split network has dozens."""
    x, w, _ = arguments(n)
    trim = float({"n // 5": n // 5, "n // 2 - 1": n // 2 - 1}.get(f, f))

    def fusions(fn):
        return len(re.findall(rf"= f32\[{D}\]\S* fusion\(", text(fn, x, w)))

    assert fusions(lambda x, w: unfenced(*jax.lax.optimization_barrier((x, w)), jnp.full((), trim))) <= 6
    assert fusions(lambda x, w: beside(window_mean)(x, w, jnp.full((), trim))) <= 16
