"""What single rules promise beyond the laws: conformance to what other libraries get wrong, derivatives, memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax import aggregators as agg, ConfigurationError
from ghostjax._kernels import squared_distances
from ghostjax.aggregators import _base
from ghostjax.aggregators.krum import krum_scores

from ..programs import memory, text


call = eqx.filter_jit(lambda rule, x, w: rule(x, w))
step = eqx.filter_jit(lambda rule, state, x, w, key=None: rule.step(state, x, w, agg.Context(key=key)))
scores = jax.jit(krum_scores, static_argnums=3)
distances = jax.jit(squared_distances)
coefficients = eqx.filter_jit(lambda rule, dist2, w: rule.coefficients(dist2, w))


def rows(n, d, seed=0, offset=0.0, scale=1.0):
    """Normal rows, in NumPy: what is not compiled as a whole is compiled operation by operation."""
    return (offset + scale * np.random.default_rng(seed).normal(size=(n, d))).astype(jnp.result_type(float))


def put(array, at, value):
    """A copy with another value there."""
    other = array.copy()
    other[at] = value
    return other


def ones(n):
    return np.ones(n, jnp.result_type(float))


def crowd():
    """Eleven identities of which three are far away, on the other side of zero."""
    mean = np.full(20, 10 / np.sqrt(20))
    return mean, np.random.default_rng(0).normal(size=(8, 20))


@pytest.mark.parametrize("smoothing", ["sqrt", "max", "none"])
def test_the_geometric_median_converges_whatever_the_spread(smoothing, x64):
    mean, noise = crowd()
    for spread in (1.0, 0.1, 0.01, 0.001):
        honest = mean + spread * noise
        x = np.concatenate([honest, np.tile(-mean, (3, 1))])
        y = call(agg.GeometricMedian(nu=1e-6, smoothing=smoothing), x, ones(11))
        variance = np.square(honest - honest.mean(0)).sum(1).mean()
        # kappa = 4 (1 + r)^2 with r = 3 / 5; three truncated steps from zero reach 1e6 here.
        assert np.square(np.asarray(y) - honest.mean(0)).sum() <= 10.24 * variance


def test_centered_clipping_says_when_it_clips_nothing():
    x = rows(9, 5, scale=3.0)
    clipped = call(agg.CenteredClipping(), x, ones(9))
    assert np.abs(clipped - x.mean(0)).max() > 0.05
    np.testing.assert_allclose(call(agg.CenteredClipping(tau=100.0), x, ones(9)), x.mean(0), atol=1e-6)


def test_centered_clipping_remembers():
    rule, x, w = agg.CenteredClipping(tau=0.5), rows(6, 3, offset=4.0), ones(6)
    state, y = step(rule, rule.init(x), x, w)
    for _ in range(11):
        state, y = step(rule, state, x, w)
    assert np.linalg.norm(y - x.mean(0)) < np.linalg.norm(call(rule, x, w) - x.mean(0)) / 4
    state, _ = step(rule, state, x, 0 * w)
    np.testing.assert_array_equal(state, y)


EVERY = {
    "mean": agg.Mean,
    "median": agg.Median,
    "trimmed mean": lambda: agg.TrimmedMean(f=1),
    "krum": lambda: agg.Krum(f=1),
    "multi-krum": lambda: agg.MultiKrum(f=1),
    "geometric median": agg.GeometricMedian,
    "weiszfeld": agg.Weiszfeld,
    "centered clipping": agg.CenteredClipping,
    "nnm": lambda: agg.NNM(agg.Mean(), f=1),
    "clipping": lambda: agg.Clipping(agg.Mean()),
    "arc": lambda: agg.ARC(agg.Mean(), f=1),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_bad_row_is_absent_and_calls_repeat_bit_by_bit(name):
    x = rows(9, 4)
    rule, w = EVERY[name](), ones(9)
    for bad in (np.nan, np.inf, -np.inf):
        spoilt = put(x, (4, 2), bad)
        first, again = call(rule, spoilt, w), call(rule, spoilt, w)
        np.testing.assert_array_equal(first, call(rule, x, put(w, 4, 0)))
        np.testing.assert_array_equal(first, again)
        assert np.isfinite(first).all()


def test_scores_are_squared_distances(x64):
    x, w, mass = rows(8, 3), ones(8), np.asarray(2.0)
    single, double = (np.asarray(scores(distances(c * x, w), w, mass, "n-f-1")) for c in (1, 2))
    np.testing.assert_allclose(double, 4 * single, rtol=1e-12)


def test_distances_survive_a_common_offset():
    x = np.random.default_rng(0).normal(size=(30, 10_000)) * 1e-3
    centre = 10 * np.random.default_rng(1).normal(size=10_000)
    moved = (centre[None, :] + x).astype(np.float32)
    exact = np.asarray(moved, np.float64)
    exact = np.sqrt(np.square(exact[:, None] - exact[None]).sum(-1))
    seen = np.sqrt(distances(moved, ones(30)))
    assert (np.diagonal(seen) == 0).all()
    off = ~np.eye(30, dtype=bool)
    assert (np.abs(seen - exact)[off] / exact[off]).max() < 1e-2


@pytest.mark.parametrize("far", [1e4, 1e8, 1e15, 1e25, 1e37])
@pytest.mark.parametrize("name", ["krum", "multi-krum", "nnm"])
def test_a_far_message_does_not_blind_the_distances_of_the_others(name, far):
    x = rows(9, 5, seed=3)
    rule = {
        "krum": agg.Krum(f=2),
        "multi-krum": agg.MultiKrum(f=2),
        "nnm": agg.NNM(agg.TrimmedMean(f=2), f=2),
    }[name]
    near = call(rule, put(x, slice(2), 1e3), ones(9))
    np.testing.assert_allclose(call(rule, put(x, slice(2), far), ones(9)), near, atol=2e-2)


@pytest.mark.parametrize("far", [1e6, 1e15, 1e37])
def test_the_geometric_median_drops_what_rounding_hides(far):
    x, w = rows(9, 5, seed=3), ones(9)
    alone = call(agg.GeometricMedian(), x, put(w, slice(2), 0))
    np.testing.assert_allclose(call(agg.GeometricMedian(), put(x, slice(2), far), w), alone, atol=1e-5)
    near = put(x, slice(2), 1e3)
    with jax.enable_x64(True):
        exact = call(agg.GeometricMedian(), near.astype(float), ones(9))
    np.testing.assert_allclose(call(agg.GeometricMedian(), near, w), exact, atol=5e-3)


def test_impossible_knobs_are_refused():
    for make, words in [
        (lambda: agg.Weiszfeld(steps=0), r"Weiszfeld: steps=0: give a whole number of at least 1"),
        (lambda: agg.CenteredClipping(steps=0), r"CenteredClipping: steps=0: give a whole"),
        (lambda: agg.Bucketing(agg.Mean(), size=0), r"Bucketing: size=0: give a whole"),
        (lambda: agg.Bucketing(agg.Mean())(jnp.ones((4, 2))), r"Bucketing\(x, w\): needs=\['key'\]: call step"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            make()


def test_buckets_of_ordinary_identities_count_one():
    # Seven identities in buckets of two: an absent one leaves three full buckets, and f spoils at most f of them.
    rule, x = agg.Bucketing(agg.TrimmedMean(f=1)), put(rows(7, 3), 6, 1e6)
    for seed in range(10):
        _, y = step(rule, (), x, ones(7), jax.random.key(seed))
        assert np.abs(y).max() < 10
    assert rule.margin(jnp.ones(7)) == 2


# Derivatives.


def differences(f, z, h=1e-6):
    """Central differences of a scalar function of an array."""
    z = np.asarray(z, np.float64)
    out = np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        step = np.zeros_like(z)
        step[index] = h
        out[index] = (float(f(z + step)) - float(f(z - step))) / (2 * h)
    return out


SMOOTH = {
    "mean": lambda: agg.Mean(),
    "geometric median": lambda: agg.GeometricMedian(nu=0.2),
    "geometric median, max": lambda: agg.GeometricMedian(nu=0.2, smoothing="max"),
    "geometric median, exact": lambda: agg.GeometricMedian(smoothing="none"),
    "weiszfeld": lambda: agg.Weiszfeld(steps=2),
    "centered clipping": lambda: agg.CenteredClipping(tau=1.3, steps=3),
    "nnm": lambda: agg.NNM(agg.Mean(), f=1.3),
    "clipping": lambda: agg.Clipping(agg.Mean(), c=1.3),
    "multi-krum": lambda: agg.MultiKrum(f=1.3),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (i % 2)) for i, name in enumerate(SMOOTH)]
)
def test_derivatives_are_those_of_differences(name, x64):
    rule, x = SMOOTH[name](), rows(6, 3, seed=5)
    w, c = np.array([1.0, 0.7, 1.31, 0.4, 1.13, 0.83]), np.array([0.3, -1.2, 0.7])
    # One program for values and derivatives.
    both = jax.jit(jax.value_and_grad(lambda x, w: c @ rule(x, w), argnums=(0, 1)))
    _, (dx, dw) = both(x, w)
    np.testing.assert_allclose(dx, differences(lambda z: both(z, w)[0], x), atol=2e-7)
    np.testing.assert_allclose(dw, differences(lambda z: both(x, z)[0], w), atol=2e-7)


def test_the_derivative_of_the_geometric_median_is_implicit(x64):
    nu, x, w, c = 0.3, rows(7, 4, seed=2), np.linspace(0.5, 1.7, 7), np.array([1.0, -0.5, 0.2, 2.0])
    rule = agg.GeometricMedian(nu=nu)
    dx, dw = map(np.asarray, jax.jit(jax.grad(lambda x, w: c @ rule(x, w), argnums=(0, 1)))(x, w))
    z = np.asarray(call(rule, x, w))
    diff = np.asarray(x) - z
    r = np.sqrt(np.square(diff).sum(1) + nu**2)
    u, b = diff / r[:, None], np.asarray(w) / r
    hessian = sum(bi * (np.eye(4) - np.outer(ui, ui)) for bi, ui in zip(b, u, strict=True))
    y = np.linalg.solve(hessian, np.asarray(c))
    np.testing.assert_allclose(dw, diff @ y / r, atol=1e-9)
    np.testing.assert_allclose(dx, b[:, None] * (y[None] - u * (u @ y)[:, None]), atol=1e-9)
    # Weights in proportion change nothing, so the derivatives add up to nothing.
    assert abs(float(dw @ w)) < 1e-9


def test_the_derivative_of_the_mean(x64):
    x, w = rows(5, 3), np.linspace(0.5, 1.5, 5)
    jacobian = jax.jit(jax.jacrev(lambda w: call(agg.Mean(), x, w)))(w)
    np.testing.assert_allclose(jacobian, (x - np.asarray(call(agg.Mean(), x, w))).T / w.sum(), atol=1e-14)


@pytest.mark.parametrize(
    "name", ["geometric median", "weiszfeld", "centered clipping", "nnm", "clipping", "multi-krum"]
)
def test_derivatives_stay_finite_where_rows_coincide(name):
    rule = SMOOTH[name]()
    gradient = jax.jit(jax.grad(lambda x, w: rule(x, w).sum(), argnums=(0, 1)))
    for x in (0 * rows(5, 3), 0 * rows(5, 3) + 1, put(rows(5, 3), 1, 0)):
        dx, dw = gradient(x, put(ones(5), 2, 0))
        assert np.isfinite(dx).all() and np.isfinite(dw).all()


# Memory.


def used_by(rule, n, d):
    shape = jax.ShapeDtypeStruct((n, d), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.float32)
    aggregate = lambda x, w: rule.step(rule.init(x), x, w, agg.Context())[1]
    return memory(jax.jit(aggregate).lower(*shape).compile())


QUICK = ("mean", "trimmed mean", "krum", "nnm trimmed mean")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in [*EVERY, "nnm trimmed mean"]],
)
def test_memory_stays_within_the_promise(name):
    n, d = 64, 2410
    rule = agg.NNM(agg.TrimmedMean(f=8), f=8) if name == "nnm trimmed mean" else EVERY[name]()
    used = used_by(rule, n, d)
    copies = 4 if isinstance(rule, agg.NNM) else 3
    assert used.temp_size_in_bytes + used.argument_size_in_bytes <= 4 * (copies * n * d + 2 * n * n)


def test_mixing_holds_no_neighbourhoods():
    n, d = 128, 4096
    used = used_by(agg.NNM(agg.Mean(), f=8), n, d)
    assert used.temp_size_in_bytes <= 4 * (3 * n * d + 2 * n * n) < 4 * n * (n - 8) * d / 10


def test_long_messages_are_not_copied_unless_some_are_not_finite():
    # 1.3 million numbers, of which a copy fits no cache. `_on_present` is the broken twin: it copies them at each call.
    x = np.random.default_rng(0).normal(size=(64, 20_000)).astype(np.float32)
    spoilt = x.copy()
    spoilt[3, 7] = np.nan
    w = jnp.ones(64)
    for rows, weights in ((x, w), (spoilt, w.at[3].set(0))):
        expected = _base._on_present(agg.Mean(), jnp.asarray(rows), weights)
        np.testing.assert_allclose(agg.Mean()(jnp.asarray(rows), w), expected, rtol=1e-6)

    def made(call):
        """What the main computation makes that is as large as the messages."""
        program = text(jax.jit(call).lower(agg.Mean(), x, w).compile())
        lines = [line for line in program.split("ENTRY ")[1].splitlines() if "= f32[64,20000]" in line]
        return [line for line in lines if " parameter(" not in line]

    assert not made(_base._on_large)
    assert made(_base._on_present)
    x, direct = jnp.asarray(x), lambda w: agg.Mean().step((), x, w, agg.Context())[1]
    slope, expected = (jax.grad(lambda w, f=f: jnp.sin(f(w)).sum())(w) for f in (lambda w: agg.Mean()(x, w), direct))
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("units,chosen", [(1, [0]), (1000, [2])])
@pytest.mark.parametrize("rule", [agg.Krum(f=2), agg.MultiKrum(f=2, m=1)])
def test_krum_takes_the_lowest_of_the_scores_that_rounding_alone_tells_apart(rule, units, chosen):
    # Two pairs, as NNM makes them, of which the first is `units` of rounding the farther apart. The smallest score, the
    # broken twin, is the second pair's in both cases.
    far = 1 + units * np.finfo(np.float32).eps
    dist2 = np.full((4, 4), 100.0, np.float32)
    dist2[0, 1] = dist2[1, 0] = far
    dist2[2, 3] = dist2[3, 2] = 1
    np.fill_diagonal(dist2, 0)
    assert np.argmin(scores(dist2, ones(4), np.float32(2), rule.neighbours)) == 2
    assert np.flatnonzero(coefficients(rule, dist2, ones(4))).tolist() == chosen
