"""Every learner: shapes, precision, one compilation; momentum and local steps against formulas by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import TypeCheckError

import ghostjax as gj
from ghostjax import ConfigurationError, Optimizer
from ghostjax.learners import Gradient, LocalSteps, Momentum

from ..programs import kept


N, D = 4, 3
CENTRES = jnp.asarray(np.random.default_rng(0).standard_normal((N, D)), jnp.float32)


def objective(models, draw):
    """f_i(theta) = 1/2 ||theta - c_i - draw||^2 in the dtype of the models."""
    away = jnp.broadcast_to(models, (N, D)) - CENTRES.astype(models.dtype) - jnp.asarray(draw, models.dtype)
    return 0.5 * jnp.square(away).sum(1), away


def gradients(theta, draw=0):
    return np.asarray(theta) - np.asarray(CENTRES) - draw


SGD = Optimizer(optax.sgd, learning_rate=0.1)

# name: (make from a knob, three values of the knob)
TABLE = {
    "Gradient": (lambda _: Gradient(), (0, 1, 2)),
    "Momentum": (lambda beta: Momentum(beta), (0.0, 0.5, 0.9)),
    "Momentum sum": (lambda beta: Momentum(beta, "sum"), (0.0, 0.5, 0.9)),
    "LocalSteps": (lambda k: LocalSteps(SGD, k, max_steps=4), (1, 2, 4)),
    "LocalSteps per node": (lambda k: LocalSteps(SGD, [k, 0, 1, 4]), (1, 2, 4)),
    "LocalSteps adam": (lambda lr: LocalSteps(Optimizer(optax.adam, learning_rate=lr), 2), (0.1, 0.2, 0.3)),
    "LocalSteps persistent": (
        lambda lr: LocalSteps(Optimizer(optax.adam, learning_rate=lr), 2, persistent=True),
        (0.1, 0.2, 0.3),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLE)
def test_battery(name, dtype):
    make, values = TABLE[name]

    def play(learner, shared, own):
        state = learner.init(jax.ShapeDtypeStruct((N, D), shared.dtype))
        state, first, losses = learner.learn(state, shared, objective)
        after, second, _ = learner.learn(state, own, objective)
        assert jax.tree.structure(after) == jax.tree.structure(state)
        assert [(a.shape, a.dtype) for a in jax.tree.leaves(after)] == [
            (a.shape, a.dtype) for a in jax.tree.leaves(state)
        ]
        return first, second, losses

    run = jax.jit(play)
    with jax.enable_x64(dtype == "float64"):
        shared = jnp.ones(D, dtype)
        own = jnp.arange(float(N * D), dtype=dtype).reshape(N, D)
        results = [run(make(value), shared, own) for value in values]
    assert kept(run) == 1
    for first, second, losses in results:
        assert first.shape == second.shape == (N, D) and losses.shape == (N,)
        assert {first.dtype, second.dtype, losses.dtype} == {jnp.dtype(dtype)}
        np.testing.assert_allclose(losses, 0.5 * np.square(gradients(shared)).sum(1), rtol=1e-5)
    if name != "Gradient":
        assert (results[0][1] != results[2][1]).any()


@pytest.mark.parametrize(("convention", "scale"), [("average", 0.3), ("sum", 1.0)])
def test_momentum_by_hand(convention, scale):
    learner = Momentum(0.7, convention)
    state, expected = learner.init(jnp.zeros((N, D))), np.zeros((N, D))
    for t in range(3):
        theta = jnp.full(D, float(t))
        state, update, _ = learner.learn(state, theta, objective)
        expected = 0.7 * expected + scale * gradients(theta)
        np.testing.assert_allclose(update, expected, rtol=1e-5, atol=1e-6)


def test_the_conventions_differ_and_an_unknown_one_is_refused():
    one, other = (Momentum(0.7, c).learn(jnp.zeros((N, D)), jnp.ones(D), objective)[1] for c in ("average", "sum"))
    np.testing.assert_allclose(one, 0.3 * other, rtol=1e-6)
    # The type checker of the test run may see it first.
    with pytest.raises((ConfigurationError, TypeCheckError), match=r"'?average'?.*'?sum'?"):
        Momentum(0.7, "mean")


def test_gradient_is_momentum_without_memory():
    _, update, losses = Gradient().learn((), jnp.ones(D), objective)
    _, same, _ = Momentum(0.0).learn(jnp.zeros((N, D)), jnp.ones(D), objective)
    np.testing.assert_array_equal(update, same)
    np.testing.assert_array_equal(update, objective(jnp.ones(D), 0)[1])
    np.testing.assert_array_equal(losses, objective(jnp.ones(D), 0)[0])


def test_one_local_step_of_sgd_is_the_scaled_gradient():
    _, update, _ = LocalSteps(SGD, 1).learn((), jnp.ones(D), objective)
    np.testing.assert_allclose(update, 0.1 * gradients(np.ones(D)), rtol=1e-5, atol=1e-6)


def by_hand(counts, start):
    theta = np.broadcast_to(np.asarray(start, np.float64), (N, D)).copy()
    for draw in range(max(counts)):
        step = theta - 0.1 * (theta - np.asarray(CENTRES) - draw)
        theta = np.where((draw < np.array(counts))[:, None], step, theta)
    return start - theta


@pytest.mark.parametrize("counts", [(3, 3, 3, 3), (1, 0, 4, 2)])
def test_local_steps_by_hand_each_on_its_own_draw(counts):
    _, update, _ = LocalSteps(SGD, counts, max_steps=5).learn((), jnp.ones(D), objective)
    np.testing.assert_allclose(update, by_hand(counts, np.ones(D)), rtol=1e-5, atol=1e-6)
    # The twin that lets every node take all steps is caught.
    if len(set(counts)) > 1:
        _, wrong, _ = LocalSteps(SGD, max(counts)).learn((), jnp.ones(D), objective)
        assert not np.allclose(wrong, by_hand(counts, np.ones(D)), rtol=1e-5, atol=1e-6)


def test_local_steps_memory():
    adam = Optimizer(optax.adam, learning_rate=0.1)
    kept, fresh = LocalSteps(adam, 2, persistent=True), LocalSteps(adam, 2)
    start = jnp.ones(D)
    state, first, _ = kept.learn(kept.init(jnp.zeros((N, D))), start, objective)
    _, alone, _ = fresh.learn((), start, objective)
    np.testing.assert_allclose(first, alone, rtol=1e-6)
    _, second, _ = kept.learn(state, start, objective)
    assert not np.allclose(second, alone)
    # Twice two steps with memory are four steps of one optimizer on draws 0, 1, 0, 1.
    transform, theta = optax.adam(0.1), jnp.broadcast_to(start, (N, D))
    memory = jax.vmap(transform.init)(theta)
    for draw in (0, 1, 0, 1):
        if draw == 0:
            theta = jnp.broadcast_to(start, (N, D))
        with jax.numpy_dtype_promotion("standard"):
            updates, memory = jax.vmap(transform.update)(objective(theta, draw)[1], memory)
        theta = theta + jnp.asarray(updates)
    np.testing.assert_allclose(second, jnp.broadcast_to(start, (N, D)) - theta, rtol=1e-5, atol=1e-6)


def test_local_steps_are_differentiable_in_reverse():
    def total(lr, start):
        learner = LocalSteps(Optimizer(optax.sgd, learning_rate=lr), [1, 0, 3, 2])
        return learner.learn((), start, objective)[1].sum()

    lr, start = jnp.float32(0.1), jnp.ones(D)
    slope = jax.jit(jax.grad(total))(lr, start)
    numeric = (total(lr + 1e-2, start) - total(lr - 1e-2, start)) / 2e-2
    assert slope == pytest.approx(float(numeric), rel=1e-2)
    np.testing.assert_allclose(
        jax.jit(jax.grad(total, argnums=1))(lr, start), sum(1 - 0.9**k for k in (1, 0, 3, 2)), rtol=1e-4
    )


def test_local_steps_in_a_training_use_fresh_batches_and_traced_counts():
    task = gj.tasks.quadratic(N, D, heterogeneity=1.0, condition=2.0)
    server = gj.protocols.Server(gj.aggregators.Mean(), Optimizer(optax.sgd, learning_rate=1.0))

    def final(sim):
        _, record = gj.rollout(sim, jax.random.key(0), jnp.ones((20, N)))
        return record["distance"][-1]

    run = jax.jit(final)
    few, many = (
        run(gj.Simulation(task, server, learner=LocalSteps(SGD, [count] * N, max_steps=6))) for count in (1, 6)
    )
    assert kept(run) == 1
    assert many < few < 1


REFUSED = {
    "negative": (lambda: LocalSteps(SGD, -1), "steps=-1"),
    "above": (lambda: LocalSteps(SGD, [2, 9], max_steps=5), "steps=9: exceeds max_steps=5"),
    "matrix": (lambda: LocalSteps(SGD, [[1, 2]]), r"steps=shape \(1, 2\)"),
    "nodes": (lambda: LocalSteps(SGD, [1, 2]).init(jnp.zeros((N, D))), r"one per node, \(4,\)"),
    "no bound": (lambda: jax.jit(lambda k: LocalSteps(SGD, k).max_steps)(2), "max_steps=None: traced steps need"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ConfigurationError, match=message):
        call()
