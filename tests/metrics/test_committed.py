"""What committed data say of a gradient, and who sends something else."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._round import committed
from ghostjax.charters import BlankPixels, Dimmed


N, BATCH = 8, 4
TASK = gj.tasks.digits(N, model=gj.tasks.models.MLP((64, 10)), batch_size=BATCH)
SERVER = gj.protocols.Server(gj.aggregators.Mean())


def small_task(weights=None):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(12, 5)), np.arange(12) % 3
    parts = gj.tasks.partition.Partition(np.array([[0, 1, 2, 3], [4, 5, 6, 6], [7, 8, 7, 7]]), np.array([4, 3, 2]))
    return gj.tasks.from_arrays(x, y, gj.tasks.models.Linear(5, 3), parts, batch_size=2, weights=weights, eval_batch=5)


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_those_of_all_batches(weighted):
    slots = np.random.default_rng(1).uniform(0.5, 2, (3, 4)) if weighted else None
    task = small_task(slots)
    params = task.init(jax.random.key(0))
    direction = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(1), leaf.shape), params)
    found = committed(task, params, direction)
    flat = jax.flatten_util.ravel_pytree
    for i, count in enumerate((4, 3, 2)):
        rows = np.asarray(task.indices)[i, :count]
        weights = np.ones(count) if slots is None else slots[i, :count]

        def slope(j, weight):
            loss = lambda p: task.local_criterion(task.model.apply(p, task.x[j][None], None), task.y[j][None])[0]
            return weight * float(flat(jax.grad(loss)(params))[0] @ flat(direction)[0])

        single = np.array([slope(j, weight) for j, weight in zip(rows, weights, strict=True)])
        batches = (single[:, None] + single[None, :]) / 2  # every batch of two is as likely as any other
        np.testing.assert_allclose(found.mean[i], batches.mean(), rtol=1e-4)
        np.testing.assert_allclose(found.variance[i], batches.var(), rtol=1e-4)


class Quiet(gj.channels.AbstractChannel):
    """Halves every message."""

    alters = True

    def init(self, like):
        return ()

    def carry(self, state, x, w, nbr, key):
        return state, gj.channels.Carried(x / 2, w)


def simulation(**options):
    return gj.Simulation(
        TASK, SERVER, learner=gj.learners.Gradient(), metrics=[gj.metrics.Committed(BlankPixels((32, 39)))], **options
    )


def test_honest_pushes_are_standard_and_those_of_a_backdoor_are_not():
    attack = gj.attacks.During(gj.attacks.Backdoor(BlankPixels(32), target=3, eps=2.0), start=150)
    weights = np.ones((200, N))
    weights[:, 0] = np.arange(200) % 2
    run = gj.simulate(simulation(attack=attack, byzantine=2), 200, 0, participation=weights, progress=None)
    push, step = (run.record[f"committed_{name}"] for name in ("push", "step"))
    assert np.isnan(push[::2, 0]).all() and np.isfinite(push[1::2, 0]).all(), "absent: no observation"
    quiet = push[:150, 1:]
    # 2,100 values that are nearly independent: five standard errors.
    assert abs(quiet.mean()) < 5 / np.sqrt(quiet.size / 2) and abs(quiet.std() - 1) < 0.12
    assert abs(step[:150].mean()) < 5 / np.sqrt(150) and abs(step[:150].std() - 1) < 0.25
    assert np.abs(np.corrcoef(quiet[:-1, 3, 0], quiet[1:, 3, 0])[0, 1]) < 0.4, "given the past it is a surprise"
    assert push[150:, 6:, 0].mean() > 1 > push[150:, 1:6, 0].mean() + 0.7
    assert step[150:, 0].mean() > 1


def alike(classes):
    """Six nodes with seven equal examples each: no batch differs from another one."""
    draw = np.random.default_rng(0)
    x, labels = np.repeat(draw.random((6, 10)), 7, 0), np.repeat(draw.integers(0, classes, 6), 7)
    parts = gj.tasks.partition.Partition(np.arange(42).reshape(6, 7), np.full(6, 7))
    audit = (draw.random((20, 10)), draw.integers(0, classes, 20))
    return gj.tasks.from_arrays(x, labels, gj.tasks.models.Linear(10, classes), parts, audit=audit, batch_size=5)


def test_who_has_no_variance_is_seen_and_rounding_is_not():
    metric = gj.metrics.Committed(Dimmed([0.5]))
    attack = gj.attacks.During(gj.attacks.SignFlip(), start=20)
    sim = gj.Simulation(alike(3), SERVER, learner=gj.learners.Gradient(), attack=attack, byzantine=1, metrics=[metric])
    run = gj.simulate(sim, 30, 0, progress=None)
    push, step = (np.abs(run.record[f"committed_{name}"]) for name in ("push", "step"))
    assert push[:20].max() < 0.1 and step[:20].max() < 0.3, "all of it is rounding"
    assert push[20:, 5].min() > 10 and push[20:, :5].max() < 0.1


def test_a_test_of_it_alarms_for_who_pushes_alone():
    watch = gj.detectors.Watch(
        gj.metrics.Committed(BlankPixels(32)), "committed_push", gj.detectors.ShiryaevRoberts(h=9.0),
        gj.detectors.Standard(),
    )  # fmt: skip
    attack = gj.attacks.During(gj.attacks.Backdoor(BlankPixels(32), target=3, eps=3.0), start=40)
    sim = gj.Simulation(
        TASK, SERVER, learner=gj.learners.Gradient(), attack=attack, byzantine=2, detectors={"identities": watch}
    )
    alarm = gj.simulate(sim, 100, 0, progress=None).record["alarm_identities"]
    assert not alarm[:40].any() and alarm[-1, 6:].all() and not alarm[:, :6].any()


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learner": gj.learners.Momentum(beta=0.0)}, "Committed: learner=Momentum: .*learners.Gradient"),
        ({"learner": gj.learners.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=0.1), 2)}, "learner=LocalSteps"),
        ({"protocol": gj.protocols.Gossip(gj.aggregators.Mean(), gj.topologies.ring(N))}, "known at a server"),
        ({"task": gj.tasks.quadratic(N, 2)}, "audit=None"),
        (
            {"task": gj.tasks.digits(N, model=gj.tasks.models.CNN((8, 8, 1), (), (4, 10), (0.0, 0.5)))},
            "committed=None.*dropout",
        ),
        ({"channel": Quiet()}, "channel=Quiet: .*does not change them"),
        (
            {"metrics": [gj.metrics.Every(3, gj.metrics.Committed(BlankPixels(32)))], "learner": None},
            "learner=Momentum",
        ),
    ],
)
def test_what_it_cannot_know_is_refused_in_one_line(options, words):
    metric = gj.metrics.Committed(BlankPixels(32))
    given = {"task": TASK, "protocol": SERVER, "learner": gj.learners.Gradient(), "metrics": [metric], **options}
    with pytest.raises(gj.ConfigurationError, match=words) as caught:
        gj.Simulation(given.pop("task"), given.pop("protocol"), **given)
    assert "\n" not in str(caught.value)


def test_moments_differentiate_nothing_of_the_examples():
    task = small_task()
    params = task.init(jax.random.key(0))
    zero = jax.tree.map(jnp.zeros_like, params)
    found = committed(task, params, zero)
    assert not np.asarray(found.mean).any() and not np.asarray(found.variance).any()
