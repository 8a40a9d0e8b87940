"""Any optax optimizer as a module: same numbers as optax, traced knobs, no trace more than once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ghostjax import ConfigurationError, Optimizer
from ghostjax._optimizer import Schedule


# name: (ours, the same transformation of optax)
TABLE = {
    "sgd": (lambda: Optimizer(optax.sgd, learning_rate=0.1), lambda: optax.sgd(0.1)),
    "heavy ball": (
        lambda: Optimizer(optax.sgd, learning_rate=0.1, momentum=0.9, nesterov=True),
        lambda: optax.sgd(0.1, 0.9, True),
    ),
    "adam": (lambda: Optimizer(optax.adam, learning_rate=0.1, b1=0.8), lambda: optax.adam(0.1, b1=0.8)),
    "adamw": (
        lambda: Optimizer(optax.adamw, learning_rate=0.1, weight_decay=0.3),
        lambda: optax.adamw(0.1, weight_decay=0.3),
    ),
    "schedule": (
        lambda: Optimizer(
            optax.sgd, learning_rate=Schedule(optax.cosine_decay_schedule, init_value=0.1, decay_steps=3)
        ),
        lambda: optax.sgd(optax.cosine_decay_schedule(0.1, 3)),
    ),
    "chain": (
        lambda: Optimizer(
            optax.chain,
            Optimizer(optax.clip_by_global_norm, max_norm=0.5),
            Optimizer(optax.adam, learning_rate=0.1),
        ),
        lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1)),
    ),
    "ready": (lambda: Optimizer(optax.adam(0.1)), lambda: optax.adam(0.1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLE)
def test_equals_optax(name, dtype):
    ours, reference = TABLE[name][0](), TABLE[name][1]()
    with jax.enable_x64(dtype == "float64"):
        start = jnp.array([1.0, -2.0, 3.0], dtype)

        @jax.jit
        def run(optimizer, start):
            def body(carry, _):
                state, theta = carry
                return optimizer.step(state, 2 * theta, theta), None

            return jax.lax.scan(body, (optimizer.init(start), start), None, length=4)[0][1]

        @jax.jit
        def native(start):
            expected, state = start, reference.init(start)
            for _ in range(4):
                updates, state = reference.update(2 * expected, state, expected)
                expected = optax.apply_updates(expected, updates)
            return expected

        theta = run(ours, start)
        with jax.numpy_dtype_promotion("standard"):
            expected = native(start)
    assert theta.dtype == jnp.dtype(dtype)
    # Our knobs are float32 leaves made without x64, so they carry single precision into a float64 run.
    np.testing.assert_allclose(theta, expected, rtol=2e-5)


def test_traced_knobs_share_one_program_and_map():
    @jax.jit
    def run(optimizer, theta):
        return optimizer.step(optimizer.init(theta), theta, theta)[1]

    theta = jnp.ones(3)
    for rate in (0.1, np.float32(0.2), jnp.asarray(0.3), 1):
        np.testing.assert_allclose(run(Optimizer(optax.sgd, learning_rate=rate), theta), 1 - float(rate), rtol=1e-6)
    assert run._cache_size() == 1

    def final(rate):
        schedule = Schedule(optax.exponential_decay, init_value=rate, transition_steps=2, decay_rate=0.5)
        return run(Optimizer(optax.sgd, learning_rate=schedule), theta)[0]

    np.testing.assert_allclose(jax.vmap(final)(jnp.array([0.1, 0.2])), [0.9, 0.8], rtol=1e-6)
    assert jax.grad(final)(0.1) == pytest.approx(-1.0)


def test_integers_that_a_factory_declares_stay_static():
    schedule = Schedule(optax.cosine_decay_schedule, init_value=1, decay_steps=10)
    assert set(schedule.knobs) == {"init_value"} and schedule.options == (("decay_steps", 10),)
    flags = Optimizer(optax.sgd, learning_rate=1, momentum=None, nesterov=False)
    assert set(flags.knobs) == {"learning_rate"}


def test_what_cannot_work_is_refused():
    with pytest.raises(ConfigurationError, match=r"adam: lr=0.1: no such knob; it has learning_rate, b1"):
        Optimizer(optax.adam, lr=0.1)
    with pytest.raises(ConfigurationError, match="learning_rate given, but its numbers are fixed; give the factory"):
        Optimizer(optax.adam(0.1), learning_rate=0.1)
