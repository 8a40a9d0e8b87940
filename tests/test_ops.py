"""The public operations are the package's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import _kernels, _types


X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)
W = jnp.array([1.0, 0.0, 0.5, 1.0, 2.0, 1.0])
MEAN = _kernels.weighted_mean(X, W)
SAME = {
    "weighted_mean": (gj.ops.weighted_mean(X, W), MEAN),
    "weighted_variance": (gj.ops.weighted_variance(X, W, 1.0), _kernels.weighted_variance(X, W, MEAN, 1.0)),
    "squared_distances": (gj.ops.squared_distances(X, W), _kernels.squared_distances(X, W)),
    "window_mean": (gj.ops.window_mean(X, W, jnp.asarray(1.0)), _kernels.window_mean(X, W, jnp.asarray(1.0))),
    "row_norms": (gj.ops.row_norms(X, X[0]), _kernels.row_norms(X, X[0])),
}


@pytest.mark.parametrize("name", SAME)
def test_operations_have_the_bits_of_the_package(name):
    np.testing.assert_array_equal(*SAME[name])


@pytest.mark.parametrize("name", ["real_field", "count_field", "static_field"])
def test_knobs_are_those_of_the_package(name):
    options = {"default": 2, "low": 1}
    public, own = getattr(gj.ops, name)(**options), getattr(_types, name)(**options)
    assert public.metadata["knob"] == own.metadata["knob"] and public.default == own.default


def test_a_division_by_nothing_is_zero_and_so_is_its_derivative():
    assert gj.ops.safe_divide(3.0, jnp.array([0.0, -1.0, 2.0])).tolist() == [0, 0, 1.5]
    slope = jax.grad(lambda b: gj.ops.safe_divide(3.0, b).sum())(jnp.array([0.0, 2.0]))
    np.testing.assert_allclose(slope, [0, -0.75])


def test_there_is_an_example_for_every_operation():
    public = {name for name, value in vars(gj.ops).items() if callable(value) and value.__module__ == "ghostjax.ops"}
    assert public == {*SAME, "real_field", "count_field", "static_field", "safe_divide"}
    assert all(">>> " in getattr(gj.ops, name).__doc__ for name in public)
