"""Every task: shapes, precision, keys, one compilation; and what each states about itself."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax import ConfigurationError
from ghostjax.tasks import models as M, partition as P, squared_error
from ghostjax.tasks._draw import draw_slots

from ..programs import kept


def small(**kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), np.arange(40) % 3
    return gj.tasks.from_arrays(
        x, y, M.MLP((5, 4, 3)), P.extreme(y, 6), test=(x[:7], y[:7]), **{"batch_size": 4, **kwargs}
    )


TABLE = {
    "arrays": small,
    "arrays weighted": lambda: small(weights=np.linspace(0, 2, 40)),
    "digits": lambda: gj.tasks.digits(6, batch_size=4, model=M.MLP((64, 5, 10))),
    "quadratic": lambda: gj.tasks.quadratic(6, 5, heterogeneity=2.0, spread=0.5, noise=0.3),
    "logistic": lambda: gj.tasks.logistic(6, 5, examples=9, batch_size=4),
}


def play(task, key, node_key):
    params = task.init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    batch = task.sample(key)
    losses, gradients = jax.vmap(lambda b: jax.value_and_grad(task.loss)(params, b, node_key), in_axes=0)(batch)
    return losses, gradients, task.evaluate(params), batch


@pytest.mark.parametrize("name", TABLE)
def test_battery(name):
    task = TABLE[name]()
    assert task.num_nodes == 6
    run = jax.jit(lambda *args: play(*args))
    losses, gradients, goal, batch = run(task, jax.random.key(1), jax.random.key(2))
    again = run(task, jax.random.key(1), jax.random.key(2))
    other = run(TABLE[name](), jax.random.key(3), jax.random.key(2))
    assert kept(run) == 1
    assert losses.shape == (6,) and jnp.isfinite(losses).all()
    assert all(leaf.shape[0] == 6 for leaf in jax.tree.leaves(batch))
    assert all(leaf.shape[0] == 6 and jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert goal["loss"].shape == () and {leaf.dtype for leaf in goal.values()} == {jnp.dtype("float32")}
    np.testing.assert_array_equal(losses, again[0])
    assert (losses != other[0]).any()


@pytest.mark.parametrize("name", TABLE)
def test_float64_draws_the_same_examples(name):
    with jax.enable_x64(False):
        single = TABLE[name]().sample(jax.random.key(1))
    with jax.enable_x64(True):
        task = TABLE[name]()
        losses, gradients, goal, _ = jax.eval_shape(play, task, jax.random.key(1), jax.random.key(2))
        double = task.sample(jax.random.key(1))
    assert {leaf.dtype for leaf in jax.tree.leaves((losses, gradients, goal))} == {jnp.dtype("float64")}
    if name != "quadratic":  # its noise is normal, and drawn in its own precision
        np.testing.assert_allclose(single.x, double.x, rtol=1e-6)
        np.testing.assert_array_equal(single.y, double.y)


@pytest.mark.parametrize("name", ["arrays", "digits"])
def test_nodes_draw_their_own_examples_and_all_of_them(name):
    task = TABLE[name]()
    rows = np.asarray(task.x)
    seen = jax.jit(jax.vmap(lambda k: task.sample(k).x))(jax.random.split(jax.random.key(0), 60))
    for node, count in enumerate(task.counts):
        own = {rows[j].tobytes() for j in np.asarray(task.indices[node, :count])}
        drawn = {row.tobytes() for row in np.asarray(seen[:, node]).reshape(-1, rows.shape[1])}
        assert drawn <= own
        if name == "arrays":  # 240 draws of at most 7 examples miss one with probability below 1e-15
            assert drawn == own


def test_slots_are_uniform_and_below_the_count():
    counts = jnp.array([1, 2, 3, 100, 65535, 65536, 65537, 10**6, 2**31 - 1])
    slots = np.asarray(draw_slots(jax.random.key(0), counts, 20000))
    assert (slots >= 0).all() and (slots < np.asarray(counts)[:, None]).all()
    # Six standard errors of the mean of 20000 uniform numbers.
    np.testing.assert_allclose((slots + 0.5).mean(1) / np.asarray(counts), 0.5, atol=6 * 0.289 / 20000**0.5)
    frequency = np.bincount(slots[3], minlength=100) / 20000
    assert abs(frequency - 0.01).max() < 6 * (0.01 / 20000) ** 0.5
    bits = np.asarray(jax.random.bits(jax.random.key(0), (9, 20000), jnp.uint32)).astype(object)
    exact = np.array([[(int(b) * int(c)) >> 32 for b in row[:200]] for row, c in zip(bits, counts, strict=True)])
    np.testing.assert_array_equal(exact, slots[:, :200])


def test_cross_entropy_equals_optax():
    outputs = 30 * jax.random.normal(jax.random.key(0), (20, 4))
    labels = jnp.arange(20) % 4
    reference = optax.softmax_cross_entropy_with_integer_labels
    np.testing.assert_allclose(
        gj.tasks.cross_entropy(outputs, labels), reference(outputs, labels), rtol=1e-5, atol=1e-5
    )
    ours, theirs = (jax.grad(lambda o, f=f: f(o, labels).sum())(outputs) for f in (gj.tasks.cross_entropy, reference))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_local_objective_may_differ_from_the_stated_goal():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    parts = P.iid(np.zeros(12), 3)
    model = M.Linear(3, 2)

    def absolute(outputs, targets):
        return jnp.abs(outputs - targets).sum(-1)

    def make(**kwargs):
        return gj.tasks.from_arrays(x, y, model, parts, gj.tasks.squared_error, batch_size=2, **kwargs)

    plain, local = make(), make(local_criterion=absolute)
    params = model.init(jax.random.key(0))
    batch = plain.sample(jax.random.key(1))
    one = jax.tree.map(lambda leaf: leaf[0], batch)
    assert plain.evaluate(params)["loss"] == local.evaluate(params)["loss"] == pytest.approx(0.5 * (y**2).sum(1).mean())
    assert "accuracy" not in plain.evaluate(params)
    assert local.loss(params, one, jax.random.key(2)) == pytest.approx(float(jnp.abs(one.y).sum(-1).mean()))

    weighted = make(weights=np.arange(12.0))
    sampled = weighted.sample(jax.random.key(1))
    position = [
        [np.flatnonzero((x.astype(np.float32) == row).all(1))[0] for row in node] for node in np.asarray(sampled.x)
    ]
    np.testing.assert_array_equal(sampled.weight, np.asarray(position, np.float32))
    one = jax.tree.map(lambda leaf: leaf[0], sampled)
    by_hand = (np.asarray(one.weight) * 0.5 * np.square(np.asarray(one.y)).sum(1)).mean()
    assert weighted.loss(params, one, jax.random.key(2)) == pytest.approx(by_hand)
    assert weighted.evaluate(params)["loss"] == plain.evaluate(params)["loss"]
    by_slot = make(weights=np.arange(12.0)[parts.indices])
    np.testing.assert_array_equal(by_slot.sample(jax.random.key(1)).weight, sampled.weight)


def test_evaluation_in_pieces_equals_the_whole():
    whole, pieces = small(), small(eval_batch=3)
    params = whole.init(jax.random.key(0))
    a, b = jax.jit(lambda p: (whole.evaluate(p), pieces.evaluate(p)))(params)
    assert a["accuracy"] == pytest.approx(float(b["accuracy"])) and a["loss"] == pytest.approx(
        float(b["loss"]), rel=1e-6
    )


def test_bytes_are_scaled_when_drawn():
    x = np.random.default_rng(0).integers(0, 256, (8, 2, 2, 3), np.uint8)
    y = np.arange(8)
    shift, scale = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    task = gj.tasks.from_arrays(x, y, M.Linear(12, 8), P.iid(y, 2), shift=shift, scale=scale, batch_size=3)
    assert task.x.dtype == jnp.uint8
    batch = task.sample(jax.random.key(0))
    np.testing.assert_allclose(batch.x, (x[np.asarray(batch.y)] / 255 - shift) / scale, rtol=1e-5, atol=1e-6)


def test_describe_reports_the_partition():
    task = small()
    assert task.describe().histogram.sum() == 40
    np.testing.assert_array_equal(task.describe().sizes, task.counts)
    floats = gj.tasks.from_arrays(np.zeros((4, 2)), np.zeros(4), M.Linear(2, 1), lambda y: P.iid(y, 2), squared_error)
    with pytest.raises(ConfigurationError, match="a label histogram needs one integer label"):
        floats.describe()


@pytest.mark.parametrize("spread", [0.0, 0.7])
def test_quadratic_states_its_optimum_and_heterogeneity(spread, x64):
    task = gj.tasks.quadratic(7, 4, heterogeneity=3.0, condition=50.0, spread=spread, radius=2.0, seed=4)
    at = task.gradients(task.optimum)
    np.testing.assert_allclose(at.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(jnp.square(at).sum(1).mean(), 3.0, rtol=1e-12)
    goal = task.evaluate(task.init(jax.random.key(0)))
    assert goal["distance"] == pytest.approx(2.0)
    mean = task.curvature.mean(0)
    assert float(mean.max() / mean.min()) == pytest.approx(50.0)
    assert task.evaluate(task.optimum) == {"loss": 0.0, "distance": 0.0}
    # The stated goal is the mean of local objectives, up to its minimum.
    batch = task.sample(jax.random.key(0))

    def average(theta):
        return jax.vmap(lambda b: task.loss(theta, b, jax.random.key(1)))(batch).mean()

    theta = jnp.arange(4.0)
    np.testing.assert_allclose(average(theta) - average(task.optimum), task.evaluate(theta)["loss"], rtol=1e-12)
    np.testing.assert_allclose(jax.grad(average)(theta), task.gradients(theta).mean(0), rtol=1e-12)


def test_quadratic_noise_and_traced_knobs():
    task = gj.tasks.quadratic(400, 9, noise=2.0)
    noise = task.sample(jax.random.key(0)).noise
    # Squared norms have mean 4 and standard deviation 4 sqrt(2/9); six standard errors over 400 nodes.
    assert abs(float(jnp.square(noise).sum(1).mean()) - 4) < 6 * 4 * (2 / 9) ** 0.5 / 20

    @jax.jit
    def zeta(value):
        made = gj.tasks.quadratic(5, 3)
        made = type(made)(made.curvature, made.directions, made.optimum, heterogeneity=value, noise=0.0)
        return jnp.square(made.gradients(made.optimum)).sum(1).mean()

    for value in (0.5, 1.0, 2.0):
        assert zeta(jnp.float32(value)) == pytest.approx(value, rel=1e-5)
    assert kept(zeta) == 1


def test_logistic_states_its_optimum_and_heterogeneity(x64):
    task = gj.tasks.logistic(5, 3, examples=20, spread=2.0, ridge=0.05)

    def local(theta, x, y):
        return (jax.nn.softplus(x @ theta) - y * (x @ theta)).mean() + 0.025 * theta @ theta

    gradients = jax.vmap(jax.grad(local), in_axes=(None, 0, 0))(task.optimum, task.x, task.y)
    np.testing.assert_allclose(gradients.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(jnp.square(gradients).sum(1).mean(), task.heterogeneity, rtol=1e-10)
    values = jax.vmap(local, in_axes=(None, 0, 0))(jnp.ones(3), task.x, task.y)
    goal = task.evaluate(jnp.ones(3), "train")
    np.testing.assert_allclose(values.mean() - task.minima["train"], goal["loss"], rtol=1e-10)
    assert goal["loss"] > 0 and abs(float(task.evaluate(task.optimum, "train")["loss"])) < 1e-14
    # Fresh examples of the same teachers have a minimum of their own, near which the optimum of the others lies.
    assert 0 < task.evaluate(task.optimum)["loss"] < goal["loss"]
    batch = jax.tree.map(lambda leaf: leaf[0], task.sample(jax.random.key(0)))
    np.testing.assert_allclose(
        task.loss(jnp.ones(3), batch, jax.random.key(1)), local(jnp.ones(3), batch.x, batch.y), rtol=1e-12
    )


def test_quadratic_training_reaches_the_optimum():
    task = gj.tasks.quadratic(5, 3, heterogeneity=4.0, condition=2.0)
    run = gj.simulate(
        gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), learner=gj.learners.Momentum(beta=0.0)), 200
    )
    assert run.record["loss"][-1] < 1e-6 < run.record["loss"][0]


@pytest.mark.slow
def test_nodes_one_after_the_other_equal_nodes_as_one_batch():
    import dataclasses

    task = gj.tasks.digits(3, alpha=5.0, batch_size=4, model=M.CNN((8, 8, 1), (M.Conv(2, 3, pool=True),), (10,)))
    assert task.sequential and not small().sequential
    server = gj.protocols.Server(gj.aggregators.Mean())
    for learner in (gj.learners.Gradient(), gj.learners.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=0.1), 2)):
        runs = [
            gj.simulate(gj.Simulation(one, server, learner=learner, metrics=()), 2)
            for one in (task, dataclasses.replace(task, sequential=False))
        ]
        states = [run.state for run in runs if run.state is not None]
        np.testing.assert_allclose(*(state.protocol.theta for state in states), rtol=1e-5, atol=1e-6)


def made(x=np.zeros((3, 1)), y=np.arange(3) % 2, model=M.Linear(1, 2), **kwargs):
    return gj.tasks.from_arrays(x, y, model, P.pack([np.array([0]), np.array([1])]), **kwargs)


def test_one_class_alone_is_a_task():
    task = made(y=np.zeros(3, int))
    assert task.describe().histogram.tolist() == [[1], [1]]


REFUSED = {
    "empty node": (
        lambda: gj.tasks.from_arrays(
            np.zeros((3, 1)), np.zeros(3), M.Linear(1, 1), P.pack([np.arange(3), np.zeros(0, int)])
        ),
        r"from_arrays: partition=nodes \[1\] without examples: use a larger alpha",
    ),
    "beyond": (
        lambda: gj.tasks.from_arrays(np.zeros((3, 1)), np.zeros(3), M.Linear(1, 1), P.pack([np.array([3])])),
        "partition=indices 3 to 3: x has 3 examples",
    ),
    "targets": (
        lambda: gj.tasks.from_arrays(np.zeros((3, 1)), np.zeros(2), M.Linear(1, 1), P.pack([np.array([1])])),
        "y=2 targets: needs one per example, 3",
    ),
    "test": (
        lambda: small(weights=np.zeros(5)),
        "weights=array of shape .5,.: give one per example, .40,., or one per node and slot",
    ),
    "batch": (lambda: small(batch_size=0), "batch_size=0"),
    "nan": (lambda: made(x=np.array([[1.0], [np.nan], [np.inf]])), "x=2 rows with nan or inf: drop or fill them"),
    "nan goal": (lambda: made(test=(np.full((2, 1), np.nan), np.zeros(2, int))), "test=2 rows with nan or inf"),
    "nothing": (lambda: made(x=np.zeros((0, 1)), y=np.zeros(0, int)), "x=no examples: give at least one per node"),
    "input": (lambda: made(model=M.Linear(2, 2)), r"model=Linear: cannot take examples of shape \(1,\)"),
    "classes": (lambda: made(y=np.array([0, 1, 2])), "y=labels 0 to 2: the model has 2 outputs; number classes from 0"),
    "class -1": (lambda: made(y=np.array([0, 1, -1])), "y=labels -1 to 1: the model has 2 outputs"),
    "class of the goal": (lambda: made(test=(np.zeros((1, 1)), np.array([7]))), "test=labels 7 to 7: the model has 2"),
    "count": (
        lambda: gj.tasks.digits(4, partition=lambda labels: P.iid(labels, 3)),
        "digits: partition=of 3 nodes: num_nodes=4; give a partition of that many",
    ),
    "one node": (lambda: gj.tasks.quadratic(1), "heterogeneity=1.0: one node cannot differ"),
    "spread": (lambda: gj.tasks.quadratic(3, spread=1.0), "spread=1.0"),
    "ridge": (lambda: gj.tasks.logistic(3, ridge=0.0), "ridge=0.0"),
    "alpha": (lambda: gj.tasks.digits(2000), "num_nodes=2000: only 1200 examples"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ConfigurationError, match=message):
        call()
