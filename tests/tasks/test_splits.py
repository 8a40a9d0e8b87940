"""Four disjoint sets: who may read which, what a task says about them, and who reads them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.tasks import models as M, partition as P
from ghostjax.tasks._splits import hold_out


X, Y = np.random.default_rng(0).standard_normal((40, 5)), np.arange(40) % 3
PAIRS = {"audit": (X[:2], Y[:2]), "validation": (X[:5], Y[:5]), "test": (X[5:12], Y[5:12])}


def made(*names, **options):
    return gj.tasks.from_arrays(
        X, Y, M.Linear(5, 3), P.iid(Y, 4), batch_size=2, **{name: PAIRS[name] for name in names}, **options
    )


def test_digits_are_four_disjoint_sets_fixed_by_the_seed():
    splits = gj.tasks.digits(6, model=M.Linear(64, 10)).splits
    assert splits.describe() == {"train": 1200, "audit": 100, "validation": 247, "test": 250}
    assert repr(splits) == "Splits(train=1200, audit=100, validation=247, test=250)"
    whole, again, other = (gj.tasks.load_digits(seed=seed) for seed in (0, 0, 1))
    together = [np.concatenate([part.x for part in sets[:4] if part is not None]) for sets in (whole, other)]
    assert len(together[0]) == 1797
    np.testing.assert_array_equal(*(np.sort(images @ np.arange(1.0, 65.0) ** 2) for images in together))
    for name in ("train", "audit", "validation", "test"):
        np.testing.assert_array_equal(getattr(whole, name).y, getattr(again, name).y)
        np.testing.assert_array_equal(getattr(splits, name).x, getattr(whole, name).x)
    assert whole.test is not None and other.test is not None
    assert (whole.test.y != other.test.y).any()


def test_sets_cut_out_of_a_training_part_are_disjoint_and_of_the_stated_sizes():
    for total, audit, validation in ((60_000, 1000, 5000), (4000, 80, 400), (30, None, 3), (5, None, None)):
        rows = np.arange(total)
        splits = hold_out(rows, rows, (rows[:2], rows[:2]))
        sizes = splits.describe()
        assert (sizes["audit"], sizes["validation"]) == (audit, validation)
        parts = [part.x for part in splits[:3] if part is not None]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), rows)


def test_what_is_given_decides_what_the_splits_say():
    full = made("audit", "validation", "test").splits.describe()
    assert full == {"train": 40, "audit": 2, "validation": 5, "test": 7}
    for name in ("validation", "test"):
        splits = made(name).splits
        assert splits.test is not None
        assert splits.test is splits.validation and len(splits.test.x) == len(PAIRS[name][0])
        assert splits.note.startswith("one set is both validation and test") and splits.audit is None
    none = made().splits
    assert none.note.startswith("no set is held out") and none.note in repr(none)
    assert none.validation is not None and none.test is not None
    assert len(none.validation.x) == len(none.test.x) == 40


def test_every_set_can_be_evaluated_and_the_goal_reads_validation(as_users_run):
    task = made("audit", "validation", "test", eval_batch=3)
    params = {"w": jnp.asarray(np.random.default_rng(1).standard_normal((5, 3)), jnp.float32), "b": jnp.zeros(3)}

    def by_hand(x, y):
        outputs = jnp.asarray(x, jnp.float32) @ params["w"]
        return float(gj.tasks.cross_entropy(outputs, jnp.asarray(y, jnp.int32)).mean())

    for name, pair in {"train": (X, Y), **PAIRS}.items():
        assert task.evaluate(params, name)["loss"] == pytest.approx(by_hand(*pair), rel=1e-5)
    assert task.evaluate(params) == task.evaluate(params, "validation")
    with pytest.raises(gj.ConfigurationError, match=r"ArrayTask.evaluate: split='tset': did you mean 'test'"):
        task.evaluate(params, "tset")
    with pytest.raises(gj.ConfigurationError, match="split=audit: the task has no such set; it has train, validation"):
        made().evaluate(params, "audit")


def test_synthetic_tasks_say_what_they_have(as_users_run):
    logistic = gj.tasks.logistic(3, 2, examples=20)
    assert logistic.splits.describe() == {"train": 60, "audit": 6, "validation": 60, "test": 60}
    at = jnp.ones(2)
    losses = {name: float(logistic.evaluate(at, name)["loss"]) for name in ("train", "audit", "validation", "test")}
    assert len(set(losses.values())) == 4 and min(losses.values()) > 0
    quadratic = gj.tasks.quadratic(3, 2)
    assert quadratic.splits.note.startswith("no examples: the goal is the exact mean")
    assert quadratic.evaluate(at, "test") == quadratic.evaluate(at)
    for task in (logistic, quadratic):
        with pytest.raises(gj.ConfigurationError, match="split='nothing'"):
            task.evaluate(at, "nothing")


class Own(gj.tasks.AbstractTask):
    """A task of somebody who knows nothing of splits."""

    @property
    def num_nodes(self):
        return 4

    def init(self, key):
        return jnp.zeros(2)

    def sample(self, key):
        return jnp.ones((4, 2))

    def loss(self, params, batch, key):
        return jnp.square(params - batch).sum()

    def evaluate(self, params):
        return {"loss": jnp.square(params - 1).sum()}


def run(task, protocol=None, **options):
    protocol = protocol or gj.protocols.Server(gj.aggregators.Mean())
    return gj.simulate(gj.Simulation(task, protocol, learner=gj.learners.Gradient(), **options), 2, progress=None)


def test_a_run_evaluates_its_model_on_any_set(as_users_run):
    done = run(made("validation", "test"))
    assert done.evaluate()["loss"] == pytest.approx(float(done.record["loss"][-1]), rel=1e-6)
    assert done.simulation is not None
    by_hand = done.simulation.task.evaluate(done.params(), "test")
    assert done.evaluate("test") == pytest.approx({name: float(value) for name, value in by_hand.items()}, rel=1e-6)
    assert done.provenance["summary"]["splits"] == {"train": 40, "audit": None, "validation": 5, "test": 7}

    own = run(Own())
    assert own.evaluate()["loss"] == pytest.approx(float(own.record["loss"][-1]))
    assert "without sets of examples" in own.provenance["summary"]["splits"]["note"]
    with pytest.raises(gj.ConfigurationError, match=r"Own.evaluate: split=test: it states one goal; to read more"):
        own.evaluate("test")


def test_in_gossip_a_run_evaluates_honest_nodes_and_the_worst_of_them():
    done = run(made("validation", "test"), gj.protocols.Gossip(None, gj.topologies.ring(4)), byzantine=1)
    assert done.simulation is not None
    task = done.simulation.task
    each = [task.evaluate(jax.tree.map(lambda leaf, i=i: leaf[i], done.params()), "test") for i in range(3)]
    losses, shares = ([float(one[name]) for one in each] for name in ("loss", "accuracy"))
    found = done.evaluate("test")
    assert found["loss"] == pytest.approx(np.mean(losses)) and found["worst_loss"] == pytest.approx(max(losses))
    assert found["accuracy"] == pytest.approx(np.mean(shares)) and found["worst_accuracy"] == min(shares)
