"""Rules against values computed with 50 digits and confirmed independently (`tests/golden`)."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax import aggregators as agg
from ghostjax._kernels import nearest_mixing, present, squared_distances
from ghostjax.aggregators.bucketing import bucket_means


GOLDEN = Path(__file__).parents[1] / "golden"
MAKE = {
    "mean": lambda p: agg.Mean(),
    "median": lambda p: agg.Median(),
    "trimmed_mean": lambda p: agg.TrimmedMean(f=p["f"]),
    "krum": lambda p: agg.Krum(f=p["f"], neighbours=p["neighbours"]),
    "multi_krum": lambda p: agg.MultiKrum(f=p["f"], m=p["m"], neighbours=p["neighbours"]),
    "geometric_median": lambda p: agg.GeometricMedian(nu=p["nu"], smoothing=p["smoothing"]),
    "centered_clipping": lambda p: agg.CenteredClipping(tau=p["tau"], steps=p["L"]),
}
BEFORE = {
    "nnm": lambda rule, p: agg.NNM(rule, f=p["f"]),
    "arc": lambda rule, p: agg.ARC(rule, f=p["f"]),
    "clipping": lambda rule, p: agg.Clipping(rule, c=p["c"]),
}


def cases(*files):
    found = [case for name in files for case in json.loads((GOLDEN / f"{name}.json").read_text())["cases"]]
    return {case["id"]: case for case in found}


def ours(case):
    """Whether the library has the rule: it has the midpoint median only."""
    return case["name"] in MAKE and case["params"].get("convention", "midpoint") == "midpoint"


RULES = {name: case for name, case in cases("aggregators", "weighted", "compositions").items() if ours(case)}
BEFOREHAND = cases("preaggregators")
SIZE = (max(len(case["x"]) for case in RULES.values()), max(len(case["x"][0]) for case in RULES.values()))


def read(case, dtype):
    return np.array([[float(v) for v in row] for row in case["x"]], dtype), np.array(case["w"], dtype)


def exact(case, precision):
    """Whether the input and the decisions of a case survive rounding to `precision`."""
    fragile = "full-mantissa" in case["tags"] or (case["gap"] is not None and case["gap"] < 1e-3)
    return precision == "float64" or not fragile


def close(case, y, precision):
    x, w = read(case, precision)
    rows = np.asarray(x, float)[np.isfinite(x).all(1) & (w > 0)]
    expected = np.asarray(case["expected"], float)
    tolerance = 1e-9 * min(np.abs(expected).max(), np.ptp(rows, axis=0).max())
    if precision == "float32":
        tolerance = 2e-5 * np.abs(rows).max()
    assert y.dtype == precision
    np.testing.assert_allclose(np.asarray(y, float), expected, rtol=0, atol=tolerance)


def precisions(table):
    return [(name, p) for name, case in table.items() for p in ("float64", "float32") if exact(case, p)]


def pad(x, w, size):
    """The same rows among absent ones that hold nonsense, and columns of zeros: one compilation serves all shapes."""
    n, d = size if size else x.shape
    rows = np.full((n, d), np.nan, x.dtype)
    rows[: len(x)] = 0
    rows[: len(x), : x.shape[1]] = x
    return rows, np.pad(w, (0, n - len(w)))


buckets = eqx.filter_jit(bucket_means)


@eqx.filter_jit
def run(rule, start, x, w):
    if start is None:
        return rule(x, w)
    x, w, _ = present(x, w)
    return rule.step(start, x, w, agg.Context())[1]


def instances():
    """Every case padded and as it is, in both precisions; the quick suite has one compilation per rule."""
    for name, precision in precisions(RULES):
        single = [pytest.mark.slow] * (precision == "float32")
        yield pytest.param(name, precision, True, id=f"{name}-{precision}", marks=single)
        yield pytest.param(name, precision, False, id=f"{name}-{precision}-plain", marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "precision", "padded"), list(instances()))
def test_rule(name, precision, padded):
    case = RULES[name]
    size = SIZE if padded else None
    with jax.enable_x64(precision == "float64"):
        x, w = pad(*read(case, precision), size)
        rule = MAKE[case["name"]](case["params"])
        start = case["params"].get("v0")
        for step in reversed(case.get("pre", [])):
            if step["name"] == "bucketing":
                assert step is case["pre"][0]
                order = np.argsort(np.array(step["params"]["perm"]))
                x, w = pad(*map(np.asarray, buckets(*read(case, precision), order, step["params"]["s"])), size)
            else:
                rule = BEFORE[step["name"]](rule, step["params"])
        if start is not None:
            start = np.pad(np.array(start, precision), (0, x.shape[1] - len(start)))
        y = np.asarray(run(rule, start, x, w))
        assert not y[len(case["x"][0]) :].any()
        close(case, y[: len(case["x"][0])], precision)


class Rows(agg.AbstractAggregator):
    """Keeps the rows that reach it: its state is what a wrapper made of the messages."""

    def init(self, like):
        return jnp.zeros(like.shape, like.dtype)

    def step(self, state, x, w, ctx):
        return x, x[0]


@eqx.filter_jit
def handed_on(wrapper, x, w):
    return wrapper.step(wrapper.init(x), x, w, agg.Context())


@pytest.mark.parametrize(("name", "precision"), precisions(BEFOREHAND))
def test_what_a_wrapper_hands_on(name, precision):
    case = BEFOREHAND[name]
    with jax.enable_x64(precision == "float64"):
        x, w = read(case, precision)
        params = case["params"]
        if case["name"] == "bucketing":
            rows, weights = buckets(x, w, np.argsort(np.array(params["perm"])), params["s"])
            np.testing.assert_array_equal(weights, np.ones(len(rows)))
        else:
            wrapper = BEFORE[case["name"]](Rows(), params)
            rows, _ = handed_on(wrapper, x, w)
        close(case, rows, precision)


def test_mixing_is_a_mean_of_the_nearest_mass(x64):
    x, w = read(BEFOREHAND["nnm-n8d3-heavy"], "float64")
    mixing = np.asarray(jax.jit(lambda x, w: nearest_mixing(squared_distances(x, w), w, w.sum() - 2))(x, w))
    np.testing.assert_allclose(mixing.sum(0), np.ones(len(x)), rtol=0, atol=1e-15)
    assert ((mixing > 0).sum(0) == len(x) - 2).all()


# Eight rows in the plane with f = 2, rounded to six digits; byzfl 0.0.11 gives the same where it has the convention.
X = [(1.1, -4.8), (0.9, 0.3), (-1.8, 5.0), (5.1, -1.3), (4.7, -5.2), (1.9, 3.3), (-2.4, 1.9), (-3.1, 6.3)]
VECTORS = {
    "mean": (lambda: agg.Mean(), (0.8, 0.6875)),
    "median": (lambda: agg.Median(), (1.0, 1.1)),
    "trimmed mean": (lambda: agg.TrimmedMean(f=2), (0.525, 1.05)),
    "krum, n-f-1": (lambda: agg.Krum(f=2), X[1]),
    "krum, n-f-2": (lambda: agg.Krum(f=2, neighbours="n-f-2"), X[2]),
    "multi-krum, n-f-1": (lambda: agg.MultiKrum(f=2, m=6), (0.8, 0.733333)),
    "multi-krum, n-f-2": (lambda: agg.MultiKrum(f=2, m=6, neighbours="n-f-2"), (0.1, 2.583333)),
    "three weiszfeld steps": (lambda: agg.Weiszfeld(nu=0.1, steps=3), (0.843996, 0.580754)),
    "eight weiszfeld steps": (lambda: agg.Weiszfeld(nu=0.1, steps=8), (0.881535, 0.426856)),
    "geometric median": (lambda: agg.GeometricMedian(smoothing="none"), X[1]),
    "clipping, tau 1": (lambda: agg.CenteredClipping(tau=1.0), (0.212203, 0.207733)),
    "clipping, tau 1, three steps": (lambda: agg.CenteredClipping(tau=1.0, steps=3), (0.477787, 0.486364)),
    "clipping, tau 5, five steps": (lambda: agg.CenteredClipping(tau=5.0, steps=5), (0.769875, 0.818466)),
    "clipping, tau 100": (lambda: agg.CenteredClipping(tau=100.0), (0.8, 0.6875)),
    "trimmed mean after nnm": (lambda: agg.NNM(agg.TrimmedMean(f=2), f=2), (0.720833, 1.0875)),
    "mean after clipping": (lambda: agg.Clipping(agg.Mean(), c=2.0), (0.311905, 0.377965)),
    "mean after arc": (lambda: agg.ARC(agg.Mean(), f=2), (0.752838, 0.646220)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_reference_vector(name, x64):
    make, expected = VECTORS[name]
    y = np.asarray(run(make(), None, *pad(np.array(X), np.ones(8), SIZE)))
    np.testing.assert_allclose(y[:2], expected, rtol=0, atol=6e-7)
    assert not y[2:].any()


def test_nearest_neighbour_means_of_the_reference_vector(x64):
    rows, _ = handed_on(agg.NNM(Rows(), f=2), np.array(X), np.ones(8))
    left, middle, right, other = (1.883333, -0.966667), (0.8, 0.733333), (0.1, 2.583333), (-0.566667, 2.0)
    np.testing.assert_allclose(rows, [left, middle, right, left, left, right, other, right], rtol=0, atol=6e-7)
