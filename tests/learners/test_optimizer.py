"""Any optax optimizer as a module: same numbers as optax, traced knobs, no trace more than once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax import ConfigurationError, Optimizer
from ghostjax._optimizer import Schedule
from ghostjax._tree import Ravel

from ..programs import kept


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
            expected: Any = start
            state = reference.init(start)
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
    assert kept(run) == 1

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


TREE = {"a": jnp.arange(6.0).reshape(2, 3) - 2, "b": jnp.array([0.5, -3.0])}
RAVEL = Ravel(TREE)


def by_shape(params):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


ALIKE = {
    "sgd": Optimizer(optax.sgd, learning_rate=0.1, momentum=0.9, nesterov=True),
    "adam": Optimizer(optax.adam, learning_rate=0.1),
    "adamw": Optimizer(optax.adamw, learning_rate=0.1),
    "schedule": Optimizer(
        optax.radam, learning_rate=Schedule(optax.exponential_decay, init_value=0.1, transition_steps=2, decay_rate=0.5)
    ),
    "clip": Optimizer(optax.chain, Optimizer(optax.clip, max_delta=1.0), Optimizer(optax.rmsprop, learning_rate=0.1)),
    "ready": Optimizer(optax.lion(0.1)),
}
BY_LAYER = {
    "lamb": (Optimizer(optax.lamb, learning_rate=0.1), lambda: optax.lamb(0.1)),
    "lars": (Optimizer(optax.lars, learning_rate=0.1), lambda: optax.lars(0.1)),
    "adafactor": (
        Optimizer(optax.adafactor, learning_rate=0.1, min_dim_size_to_factor=2),
        lambda: optax.adafactor(0.1, min_dim_size_to_factor=2),
    ),
    "novograd": (Optimizer(optax.novograd(0.1)), lambda: optax.novograd(0.1)),
    "mask": (
        Optimizer(optax.adamw, learning_rate=0.1, weight_decay=0.5, mask=by_shape),
        lambda: optax.adamw(0.1, weight_decay=0.5, mask=by_shape),
    ),
    "masked": (
        Optimizer(optax.masked(optax.sgd(0.1), {"a": True, "b": False})),
        lambda: optax.masked(optax.sgd(0.1), {"a": True, "b": False}),
    ),
    "norm": (
        Optimizer(
            optax.chain, Optimizer(optax.clip_by_block_rms, threshold=1.0), Optimizer(optax.sgd, learning_rate=0.1)
        ),
        lambda: optax.chain(optax.clip_by_block_rms(1.0), optax.sgd(0.1)),
    ),
}


@pytest.mark.parametrize("name", [*ALIKE, *BY_LAYER])
def test_only_what_treats_all_numbers_alike_gets_the_flat_vector(name):
    optimizer = ALIKE[name] if name in ALIKE else BY_LAYER[name][0]
    assert (optimizer.for_model(RAVEL).ravel is None) == (name in ALIKE)


def test_layers_of_one_axis_are_layers_still():
    vectors = Ravel({"a": jnp.zeros(3), "b": jnp.zeros(2)})
    assert Optimizer(optax.lamb, learning_rate=0.1).for_model(vectors).ravel == vectors
    assert Optimizer(optax.adam, learning_rate=0.1).for_model(vectors).ravel is None


@pytest.mark.parametrize("name", BY_LAYER)
def test_what_acts_by_layer_equals_optax_on_the_tree(name):
    ours, reference = BY_LAYER[name][0].for_model(RAVEL), BY_LAYER[name][1]()

    @jax.jit
    def run(tree):
        theta, expected = RAVEL.ravel(tree), tree
        memory, state = ours.init(theta), reference.init(tree)
        for _ in range(2):
            memory, theta = ours.step(memory, 2 * theta, theta)
            updates, state = reference.update(jax.tree.map(lambda leaf: 2 * leaf, expected), state, expected)
            expected = optax.apply_updates(expected, updates)
        return theta, RAVEL.ravel(expected)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(*run(TREE), rtol=1e-5)


X = np.random.default_rng(0).standard_normal((12, 3))
TASK = gj.tasks.from_arrays(
    X, np.arange(12) % 2, gj.tasks.models.Linear(3, 2), lambda y: gj.tasks.partition.iid(y, 3), batch_size=2
)
FROZEN = Optimizer(
    optax.multi_transform({"train": optax.sgd(0.1), "freeze": optax.set_to_zero()}, {"w": "train", "b": "freeze"})
)


@pytest.mark.parametrize("where", ["server", "gossip", "local", "persistent"])
def test_a_frozen_layer_stays_wherever_an_optimizer_acts(where):
    plain = Optimizer(optax.sgd, learning_rate=1.0)
    mean = gj.aggregators.Mean()
    learner = {
        "local": gj.learners.LocalSteps(FROZEN, 2),
        "persistent": gj.learners.LocalSteps(Optimizer(optax.lamb, learning_rate=0.1), 1, persistent=True),
    }.get(where, gj.learners.Gradient())
    outer = FROZEN if where in ("server", "gossip") else plain
    graph = gj.topologies.ring(3)
    protocol = gj.protocols.Gossip(mean, graph, outer) if where == "gossip" else gj.protocols.Server(mean, outer)
    simulation = gj.Simulation(TASK, protocol, learner=learner)
    key = jax.random.key(0)
    state, _ = jax.jit(lambda s: s.step(s.init(key), jnp.ones(3), key))(simulation)
    models = simulation.protocol.models(state.protocol)
    params = (jax.vmap(simulation.ravel.unravel) if where == "gossip" else simulation.ravel.unravel)(models)
    assert (params["w"] != 0).any()
    assert (params["b"] == 0).all() or where == "persistent"
    if where == "persistent":  # a memory by layer, of every node
        assert {leaf.shape for leaf in jax.tree.leaves(state.learner)} == {(3,), (3, 2), (3, 3, 2)}


def test_an_optimizer_of_another_model_is_refused_before_anything_compiles():
    for factory in (
        optax.multi_transform({"train": optax.sgd(0.1)}, {"w": "train", "c": "train"}),
        optax.polyak_sgd(),
    ):
        server = gj.protocols.Server(gj.aggregators.Mean(), Optimizer(factory))
        with pytest.raises(ConfigurationError, match=r"Optimizer: factory=.*: cannot take the parameters"):
            gj.Simulation(TASK, server)
