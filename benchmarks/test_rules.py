"""Time of each aggregation rule: `pytest benchmarks/test_rules.py --benchmark-enable`.

Wall time is pytest-benchmark's; `extra_info["cpu_ms"]` is the CPU time of one call, the figure to compare on a
busy machine. Coordinate rules appear beside NumPy's vectorised sort of the same matrix.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax import aggregators


SHAPES = [(64, 10_000), (256, 100_000), (1024, 100_000)]
RULES = {
    "mean": lambda f: aggregators.Mean(),
    "median": lambda f: aggregators.Median(),
    "trimmed_mean": lambda f: aggregators.TrimmedMean(f=f),
    "krum": lambda f: aggregators.Krum(f=f),
    "multi_krum": lambda f: aggregators.MultiKrum(f=f),
    "geometric_median": lambda f: aggregators.GeometricMedian(),
    "centered_clipping": lambda f: aggregators.CenteredClipping(tau=1.0),
    "nnm_trimmed_mean": lambda f: aggregators.NNM(aggregators.TrimmedMean(f=f), f=f),
}


def matrix(shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def measure(benchmark, call):
    call()
    start = time.process_time()
    call()
    benchmark.extra_info["cpu_ms"] = 1e3 * (time.process_time() - start)
    benchmark.pedantic(call, rounds=3, iterations=1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("name", RULES)
def test_rule(benchmark, name, shape):
    rule, x, w = RULES[name](shape[0] // 5), jnp.asarray(matrix(shape)), jnp.ones(shape[0])
    state, ctx = rule.init(x), aggregators.Context(key=jax.random.key(0), anchor=jnp.zeros(shape[1]))
    step = jax.jit(lambda rule, state, x, w: rule.step(state, x, w, ctx)[1])
    measure(benchmark, lambda: step(rule, state, x, w).block_until_ready())
    assert np.isfinite(step(rule, state, x, w)).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_numpy_sort(benchmark, shape):
    x, f = matrix(shape), shape[0] // 5
    measure(benchmark, lambda: np.sort(x, axis=0)[f:-f].mean(0))
