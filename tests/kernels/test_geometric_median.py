"""The geometric median: few steps on hard inputs, the minimum that it claims, and its derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import geometric_median, median_coefficients, squared_distances
from ghostjax._kernels.geometric_median import solve
from ghostjax._kernels.median_rows import over_rows

from ..programs import scratch


N, D = 12, 5


def hard():
    """Inputs on which fixed-point iterations crawl, as `[N, D]` each."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, D))
    line = rng.normal(size=(N, 1)) * np.ones((1, D))
    row = x.copy()
    row[0] = np.median(x, axis=0) + 0.05
    return {
        "ordinary": x,
        "one": np.tile(x[:1], (N, 1)),
        "two": np.where(np.arange(N)[:, None] < 5, x[:1], x[1:2]),
        "three": x[np.arange(N) % 3],
        "consensus, far attackers": 1e-3 * x + 3.0 * (np.arange(N) < 5)[:, None],
        "consensus, farther attackers": 1e-4 * x + 3.0 * (np.arange(N) < 3)[:, None],
        "line": line,
        "near a line": line + 1e-2 * x,
        "near a row": row,
        "half in one point": np.where(np.arange(N)[:, None] < 6, x[:1], x),
        "half near one point": np.where(np.arange(N)[:, None] < 6, x[:1] + 1e-4 * x, x),
        "two balanced clusters": x + 10.0 * np.where(np.arange(N) < 6, 1, -1)[:, None],
        "six decades": x * 10.0 ** rng.uniform(-3, 3, size=(N, 1)),
    }


def plain(dist2, w, nu, smoothing):
    """The broken twin: Weiszfeld's step until the shares rest."""
    a = w / w.sum()
    for step in range(200):
        r2 = np.maximum(dist2 @ a - 0.5 * a @ dist2 @ a, 1e-300)
        s = {"sqrt": np.sqrt(r2 + nu**2), "max": np.sqrt(np.maximum(r2, nu**2)), "none": np.sqrt(r2)}[smoothing]
        after = w / s / (w / s).sum()
        if np.abs(after - a).sum() <= 16 * np.finfo(float).eps:
            return step
        a = after
    return 200


def gap(x, z, nu, smoothing):
    """A bound on how far the cost at z is above the minimum, as a share of it: the pull left times the way there."""
    diff = x - z
    r = np.sqrt(np.square(diff).sum(1))
    s = {"sqrt": np.hypot(r, nu), "max": np.maximum(r, nu), "none": r}[smoothing]
    here = s <= 1e-12 * r.max()
    pull = np.linalg.norm((diff[~here] / s[~here, None]).sum(0))
    return max(pull - here.sum(), 0) * r.max() / s.sum() if r.max() > 0 else 0


dense = jax.jit(lambda x, w, nu, smoothing: solve(squared_distances(x, w), w, nu, smoothing), static_argnums=3)
sparse = jax.jit(over_rows, static_argnums=3)


@pytest.mark.parametrize(
    ("smoothing", "nu"),
    [
        ("sqrt", 1e-3),
        ("max", 1e-2),
        ("none", 0.0),
    ],
)
@pytest.mark.slow
def test_few_steps_on_hard_inputs(smoothing, nu, x64):
    w, crawl = jnp.ones(N), 0
    for name, x in hard().items():
        a, _, steps = dense(jnp.asarray(x), w, jnp.asarray(nu), smoothing)
        z, _, _, reads = sparse(jnp.asarray(x), w, jnp.asarray(nu), smoothing)
        assert steps <= 20 and reads <= 60, (name, steps, reads)
        # All distances know those among near rows to the rounding of the far ones; distances from z do not.
        assert gap(x, np.asarray(a) @ x, nu, smoothing) < 1e-8, name
        assert gap(x, np.asarray(z), nu, smoothing) < 1e-10, name
        assert (a >= 0).all() and abs(a.sum() - 1) < 1e-14
        crawl = max(crawl, plain(np.square(x[:, None] - x[None]).sum(2), np.ones(N), nu, smoothing))
    assert crawl > 100


@pytest.mark.parametrize(("smoothing", "nu"), [pytest.param("sqrt", 1e-3, marks=pytest.mark.slow), ("none", 0.0)])
def test_both_forms_in_single_precision(smoothing, nu):
    w = np.ones(N, np.float32)
    for name, x in hard().items():
        x = x.astype(np.float32)
        cost = lambda z, x=x: np.sqrt(np.square(x.astype(float) - z).sum(1) + nu**2).sum()
        with jax.enable_x64(True):
            z, *_ = sparse(jnp.asarray(x, float), jnp.ones(N), jnp.asarray(nu), smoothing)
        a, _, steps = dense(jnp.asarray(x), jnp.asarray(w), jnp.asarray(nu, jnp.float32), smoothing)
        rows, _, _, reads = sparse(jnp.asarray(x), jnp.asarray(w), jnp.asarray(nu, jnp.float32), smoothing)
        assert steps <= 40 and reads <= 60, (name, steps, reads)
        best = cost(np.asarray(z)) + N * np.finfo(np.float32).eps * np.abs(x).max()
        assert cost(np.asarray(a, float) @ x) <= best * (1 + 1e-5), name
        assert cost(np.asarray(rows, float)) <= best * (1 + 1e-6), name


def test_rows_beyond_the_largest_square_leave_the_others_alone():
    x = np.asarray(hard()["ordinary"], np.float32)
    w, nu = jnp.ones(N), jnp.asarray(1e-3)
    for far in (1e10, 1e25, 1e37):
        z, *_ = sparse(jnp.asarray(x).at[:3].set(far), w, nu, "sqrt")
        # The pull of three is a bounded one, of a direction: here that of the diagonal.
        expected, *_ = sparse(jnp.asarray(x).at[:3].set(1e5), w, nu, "sqrt")
        alone, *_ = sparse(jnp.asarray(x), w.at[:3].set(0), nu, "sqrt")
        off = min(float(jnp.abs(z - other).max()) for other in (expected, alone))
        assert off < 1e-3, far
    hidden, *_ = sparse(jnp.asarray(x).at[:3].set(1e37), w.at[:3].set(0), nu, "sqrt")
    np.testing.assert_allclose(hidden, alone, atol=1e-6)


def unrolled(x, w, nu, smoothing, steps=300):
    z = w @ x / w.sum()

    def move(z, _):
        r2 = jnp.square(x - z[None, :]).sum(1)
        s = {"sqrt": jnp.sqrt(r2 + nu**2), "max": jnp.sqrt(jnp.maximum(r2, nu**2)), "none": jnp.sqrt(r2)}[smoothing]
        return (w / s) @ x / (w / s).sum(), None

    return jax.lax.scan(move, z, None, length=steps)[0]


def forms():
    """The three ways to the median: a name and a function of x, w, nu and the smoothing."""

    def slots(x, w, nu, smoothing):
        return median_coefficients(squared_distances(x, w), w, nu, smoothing) @ x

    return {"rows": geometric_median, "slots": slots}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("smoothing", "nu"),
    [
        ("sqrt", 0.3),
        pytest.param("max", 0.8, marks=pytest.mark.slow),
        pytest.param("none", 0.1, marks=pytest.mark.slow),
    ],
)
def test_derivative_is_that_of_the_iteration(smoothing, nu, many, x64, monkeypatch):
    if many:
        monkeypatch.setattr("ghostjax._kernels.median_rows.DENSE", 0)
    x = jnp.asarray(hard()["ordinary"])
    w, c = jnp.linspace(0.5, 1.7, N), jnp.linspace(-1.0, 2.0, D)
    gradient = lambda f: jax.jit(jax.grad(lambda *a: c @ f(*a, smoothing), argnums=(0, 1, 2)))
    expected = gradient(unrolled)(x, w, jnp.asarray(nu))
    for f in forms().values():
        for found, true in zip(gradient(f)(x, w, jnp.asarray(nu)), expected, strict=True):
            np.testing.assert_allclose(found, true, atol=1e-11)
        if many:
            break
    # One step of the iteration, differentiated, is another thing: the check tells them apart.
    short = gradient(lambda *a: unrolled(*a, steps=1))(x, w, jnp.asarray(nu))
    assert jnp.abs(short[1] - expected[1]).max() > 1e-3


@pytest.mark.parametrize("many", [pytest.param(False, marks=pytest.mark.slow), True])
def test_derivatives_add_up_to_an_exact_removal(many, x64, monkeypatch):
    if many:
        monkeypatch.setattr("ghostjax._kernels.median_rows.DENSE", 0)
    x, c = jnp.asarray(hard()["ordinary"]), jnp.linspace(-1.0, 2.0, D)
    value = jax.jit(lambda w: c @ geometric_median(x, w, jnp.asarray(0.3), "sqrt"))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    on_path = jnp.ones((16, N)).at[:, 2].set((nodes + 1) / 2)
    integral = weights / 2 @ jax.jit(jax.vmap(jax.grad(value)))(on_path)[:, 2]
    removed = value(jnp.ones(N)) - value(jnp.ones(N).at[2].set(0))
    assert abs(integral - removed) < 1e-12 < 1e-2 * abs(removed)


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True])
def test_a_median_that_is_a_row_follows_that_row(many, x64, monkeypatch):
    if many:
        monkeypatch.setattr("ghostjax._kernels.median_rows.DENSE", 0)
    x = jnp.asarray(hard()["ordinary"]).at[:7].set(1.5)
    value = lambda x, w: geometric_median(x, w, jnp.asarray(0.0), "none")
    np.testing.assert_array_equal(value(x, jnp.ones(N)), x[0])
    d_x, d_w = jax.jit(jax.jacrev(value, argnums=(0, 1)))(x, jnp.ones(N))
    np.testing.assert_allclose(d_x.sum(1), np.eye(D), atol=1e-12)
    assert not d_w.any() and not d_x[:, 7:].any()


@pytest.mark.parametrize("many", [pytest.param(False, marks=pytest.mark.slow), True])
def test_absent_and_no_rows(many, x64, monkeypatch):
    if many:
        monkeypatch.setattr("ghostjax._kernels.median_rows.DENSE", 0)
    x, nu = jnp.asarray(hard()["ordinary"]), jnp.asarray(0.1)
    w = jnp.ones(N).at[3:].set(0)
    f = jax.jit(lambda x, w: geometric_median(x, w, nu, "sqrt"))
    np.testing.assert_allclose(f(x, w), f(x.at[3:].set(1e200), w), atol=1e-13)
    np.testing.assert_array_equal(f(x, 0 * w), np.zeros(D))
    np.testing.assert_allclose(f(x, w.at[1:].set(0)), x[0], atol=1e-12)
    gradient = jax.jit(jax.grad(lambda x, w: f(x, w).sum(), argnums=(0, 1)))
    assert all(np.isfinite(leaf).all() for leaf in gradient(x, 0 * w))


@pytest.mark.slow
def test_batched_medians_of_many_rows_are_those_of_single_runs(monkeypatch):
    monkeypatch.setattr("ghostjax._kernels.median_rows.DENSE", 0)
    x = jnp.stack([jnp.asarray(v, jnp.float32) for v in hard().values()])
    f = lambda x: geometric_median(x, jnp.ones(N), jnp.asarray(1e-3), "sqrt")
    both, single = jax.jit(jax.vmap(f))(x), jax.jit(f)
    for median, row in zip(both, x, strict=True):
        scale = jnp.median(jnp.linalg.norm(row - median[None, :], axis=1))
        np.testing.assert_allclose(median, single(row), atol=max(1e-4 * float(scale), 1e-6))


@pytest.mark.slow
def test_many_rows_hold_no_square_of_their_number():
    n, d = 600, 16
    shapes = jax.ShapeDtypeStruct((n, d), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.float32)
    held = lambda f: scratch(jax.jit(f).lower(*shapes).compile())
    value = lambda f: lambda x, w: f(x, w, jnp.asarray(1e-3), "sqrt").sum()
    assert held(jax.grad(value(forms()["rows"]), argnums=(0, 1))) < 4 * n * n / 2 < held(value(forms()["slots"]))
