"""Labels and targets of any form are taken for what is meant, or refused in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.tasks import models as M, partition as P, squared_error


X = np.random.default_rng(0).standard_normal((12, 3))
Y = np.arange(12) % 2
PARAMS = {"w": jnp.asarray(np.random.default_rng(1).standard_normal((3, 2)), jnp.float32), "b": jnp.zeros(2)}
pytestmark = pytest.mark.usefixtures("as_users_run")


def made(y=Y, model=None, *args, x=X, **options):
    return gj.tasks.from_arrays(x, y, model or M.Linear(3, 2), P.iid(np.arange(12), 3), *args, batch_size=2, **options)


def test_labels_of_any_form_are_classes():
    expected = made()
    for y in (Y[:, None], Y.astype(bool), Y.astype(float), Y.astype(np.int64), Y.tolist(), Y.astype(np.uint8)):
        task = made(y, validation=(X[:5], np.asarray(y)[:5]))
        assert task.y.shape == (12,) and jnp.issubdtype(task.y.dtype, jnp.integer)
        np.testing.assert_array_equal(task.y, expected.y)
        np.testing.assert_array_equal(task.validation.y, expected.y[:5])
    assert made(Y.astype(bool)).num_classes == 2


def test_targets_belong_to_outputs_one_to_one():
    t = 2 * X[:, 0]
    model, params = M.Linear(3, 1), {"w": PARAMS["w"][:, :1], "b": jnp.zeros(1)}
    losses = [made(y, model, squared_error).evaluate(params)["loss"] for y in (t, t[:, None])]
    by_hand = 0.5 * np.square(X.astype(np.float32) @ np.asarray(params["w"])[:, 0] - t).mean()
    assert losses[0] == losses[1] == pytest.approx(by_hand, rel=1e-5)
    assert "accuracy" not in made(Y, model, squared_error).evaluate(params)
    assert made(Y, model, squared_error).num_classes is None


def embed(key):
    return {"e": jax.random.normal(key, (11, 5)), "o": jnp.ones((5, 11)) / 7}


def score(params, x, key):
    return params["e"][x] @ params["o"]


def token_loss(outputs, targets):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean(-1)


def test_sequences_of_classes_count_over_all_positions():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 11, (12, 7)), rng.integers(0, 11, (12, 7))
    model = M.Plain(embed, score)
    own, ours = (made(y, model, c, x=x, eval_batch=5) for c in (token_loss, gj.tasks.cross_entropy))
    params = own.init(jax.random.key(0))
    a, b = own.evaluate(params), ours.evaluate(params)
    outputs = np.asarray(score(params, x, None))
    assert a["accuracy"] == pytest.approx((outputs.argmax(-1) == y).mean()) and b["accuracy"] == a["accuracy"]
    assert b["loss"] == pytest.approx(float(a["loss"]), rel=1e-5)
    assert ours.num_classes == 11


def batch_mean(outputs, labels):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()


def crossed(outputs, targets):
    return jnp.square(outputs - targets[None, :]).mean(-1)


def centred(outputs, labels):
    return gj.tasks.cross_entropy(outputs - outputs.mean(0, keepdims=True), labels)


REFUSED = {
    "text": (lambda: made(np.array(["cat", "dog"])[Y]), "from_arrays: y=values of dtype <U3: number the classes"),
    "objects": (lambda: made(np.array([None, "a"])[Y]), "from_arrays: y=values of dtype object: number the classes"),
    "nan": (lambda: made(np.where(Y, np.nan, 0)), "from_arrays: y=6 rows with nan or inf: drop those examples; for"),
    "masked": (lambda: made(np.ma.masked_array(Y, Y > 0)), "from_arrays: y=masked values: drop those"),
    "ragged": (lambda: made([[1], [1, 2]]), "from_arrays: y=rows of unlike lengths"),
    "halves": (lambda: made(Y / 2), "from_arrays: y=labels that are no whole numbers: number the classes from 0"),
    "beyond": (lambda: made(Y + 2**40), "from_arrays: y=numbers beyond 32 bits"),
    "one-hot": (lambda: made(np.eye(2)[Y]), "from_arrays: y=targets of shape (2,): give one class for each"),
    "two columns": (lambda: made(X[:, :2], M.Linear(3, 3), squared_error), "from_arrays: y=targets of shape (2,): the"),
    "text of the goal": (lambda: made(test=(X, ["a"] * 12)), "from_arrays: test targets=values of dtype <U1: number"),
    "shape of the goal": (lambda: made(test=(X[:, :2], Y)), "from_arrays: test=examples of shape (2,): x has"),
    "no pair": (lambda: made(validation=X), "from_arrays: validation=array of shape (12, 3): give a pair"),
    "inputs": (lambda: made(x=np.array([["a"] * 3] * 12)), "from_arrays: x=values of dtype <U1: give numbers"),
    "batch mean": (lambda: made(Y, None, batch_mean), "from_arrays: criterion=batch_mean: it returns shape () for 2"),
    "local mean": (lambda: made(local_criterion=batch_mean), "from_arrays: local_criterion=batch_mean: it returns"),
    "positions": (
        lambda: made(X, M.Linear(3, 3), lambda o, t: jnp.abs(o - t)), "from_arrays: criterion=<lambda>: it returns",
    ),
    "crossed": (lambda: made(2 * X[:, 0], M.Linear(3, 1), crossed), "from_arrays: criterion=crossed: the loss of an"),
    "batch statistics": (lambda: made(Y, None, centred), "from_arrays: criterion=centred: the loss of an example"),
    "no function": (lambda: made(Y, None, "mse"), "from_arrays: criterion=str: give a function"),
    "model": (lambda: made(Y, "mlp"), "from_arrays: model='mlp': names are for the command line"),
    "partition": (
        lambda: gj.tasks.from_arrays(X, Y, M.Linear(3, 2), "iid"), "from_arrays: partition='iid': give one of tasks",
    ),
    "nodes": (lambda: gj.tasks.digits(2.5), "digits: num_nodes=2.5: give a whole number of at least 1"),
    "batch": (lambda: gj.tasks.digits(4, batch_size=0), "from_arrays: batch_size=0: give a whole number of at least 1"),
    "seed": (lambda: gj.tasks.digits(4, seed=-1), "load_digits: seed=-1: give a whole number"),
    "dim": (lambda: gj.tasks.quadratic(4, 2.5), "quadratic: dim=2.5: give a whole number"),
    "noise": (lambda: gj.tasks.quadratic(4, noise=-1.0), "Quadratic: noise=-1.0: give a number of at least 0"),
    "examples": (lambda: gj.tasks.logistic(4, examples="9"), "logistic: examples='9': give a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name):
    make, words = REFUSED[name]
    with pytest.raises(gj.ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 260


def test_half_precision_goals_do_not_overflow():
    def init(key):
        return {"w": jnp.full((3, 2), 3.0, jnp.float16)}

    def apply(params, x, key):
        return 20 * (x.astype(jnp.float16) @ params["w"]) * jnp.array([[1.0, -1.0]], jnp.float16)

    x = np.tile(X, (600, 1))
    task = gj.tasks.from_arrays(
        x, np.tile(Y, 600), M.Plain(init, apply), P.iid(np.arange(7200), 2), eval_batch=7200, batch_size=2
    )
    found = task.evaluate(init(None))
    outputs = np.asarray(apply(init(None), jnp.asarray(X, jnp.float32), None), np.float64)
    losses = np.logaddexp(outputs[:, 0], outputs[:, 1]) - outputs[np.arange(12), Y]
    assert losses.sum() * 600 > 65504
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-2) and found["loss"].dtype == jnp.float32


def test_label_attacks_take_their_classes_from_the_task():
    task = made()
    key = jax.random.key(0)
    before = gj.attacks.Before(jnp.asarray(0), jnp.zeros(1), jnp.arange(3) == 2, {}, key)
    batch = task.sample(key)
    flipped = gj.attacks.LabelFlip().on(task).poison((), batch, before).y
    np.testing.assert_array_equal(flipped[2], 1 - batch.y[2])
    np.testing.assert_array_equal(flipped[:2], batch.y[:2])
    np.testing.assert_array_equal(gj.attacks.LabelFlip(2).on(task).poison((), batch, before).y, flipped)
    server = gj.protocols.Server(gj.aggregators.Mean())
    states = []
    for attack in (gj.attacks.LabelFlip(), gj.attacks.LabelFlip(2)):
        simulation = gj.Simulation(task, server, attack=attack, byzantine=1)
        assert simulation.attack is attack
        states.append(simulation.step(simulation.init(key), jnp.ones(3), key)[0].protocol.theta)
    np.testing.assert_array_equal(*states)
    for attack, words in (
        (gj.attacks.LabelFlip(10), "LabelFlip: num_classes=10: the task has 2 classes; leave it out"),
        (gj.attacks.LabelMap({0: 7}), "LabelMap: mapping=class 7: the task has classes 0 to 1"),
    ):
        with pytest.raises(gj.ConfigurationError) as caught:
            gj.Simulation(task, server, attack=attack, byzantine=1)
        assert str(caught.value) == words
    for attack in (gj.attacks.LabelFlip(), gj.attacks.LabelFlip(2), gj.attacks.LabelMap({0: 1})):
        with pytest.raises(gj.ConfigurationError, match=r"Label(Flip|Map): (batch=no field y|num_classes=None)"):
            gj.Simulation(gj.tasks.quadratic(3), server, attack=attack, byzantine=1)
    for mapping in ({-1: 2}, {0.5: 1}, "ab", [1, 2], 3):
        with pytest.raises(gj.ConfigurationError, match="LabelMap: mapping="):
            gj.attacks.LabelMap(mapping)
