"""Charters read probes beside controls on the shared audit set, and nothing else of a task."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax._round import audited
from ghostjax.charters import Audit, BlankPixels, Dimmed, Slices


TASK = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
CHARTERS = {"blank": BlankPixels((0, 32, 39)), "dimmed": Dimmed((0.5,)), "slices": Slices((8, 3))}


@pytest.mark.parametrize("name", CHARTERS)
def test_losses_are_those_of_numpy(name):
    charter, params = CHARTERS[name], TASK.init(jax.random.key(1))
    x, y = (np.asarray(part, float) for part in TASK.splits.of("audit", "test"))
    layer = {k: np.asarray(v, float) for k, v in params[0].items()}

    def losses(x):
        scores = x @ layer["w"] + layer["b"]
        return np.log(np.exp(scores).sum(1)) - scores[np.arange(len(x)), y.astype(int)]

    if name == "blank":
        probes = []
        for pixel in (0, 32, 39):
            lit = x.copy()
            lit[:, pixel] = 1
            probes.append(losses(lit).mean())
        controls = [losses(x).mean()] * 3
    elif name == "dimmed":
        probes, controls = [losses(0.5 * x).mean()], [losses(x).mean()]
    else:
        probes = [losses(x)[y == c].mean() for c in (8, 3)]
        controls = [losses(x)[y != c].mean() for c in (8, 3)]
    found = charter.read(audited(TASK, params))
    assert charter.num_families == len(probes)
    np.testing.assert_allclose(found.probes, probes, rtol=1e-4)
    np.testing.assert_allclose(found.controls, controls, rtol=1e-4)
    np.testing.assert_allclose(found.excess, np.array(probes) - controls, atol=1e-4)


@pytest.mark.parametrize("name", CHARTERS)
def test_slopes_are_the_derivative_of_the_excess(name):
    charter = CHARTERS[name]
    flat, unravel = jax.flatten_util.ravel_pytree(TASK.init(jax.random.key(1)))
    audit = lambda theta: audited(TASK, unravel(theta))
    excess = lambda theta: charter.read(audit(theta)).excess
    values, gradients = charter.slopes(audit, flat)
    np.testing.assert_allclose(values, excess(flat), atol=1e-6)
    np.testing.assert_allclose(gradients, jax.jacrev(excess)(flat), atol=1e-6)


def test_the_pixels_of_the_charter_are_blank_in_all_digits():
    for name in ("train", "audit", "validation", "test"):
        assert not np.asarray(TASK.splits.of(name, "test").x)[:, [0, 32, 39]].any()


def test_a_label_that_nobody_has_says_nothing():
    audit = Audit(jnp.zeros((3, 1)), jnp.array([1, 1, 2]), lambda x, y: jnp.ones(3))
    assert Slices(7).read(audit).probes.tolist() == [0.0]


def watched(task):
    """A simulation that records the charter of `task`."""
    metrics = [gj.metrics.Charter(BlankPixels(0))]
    return gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()), metrics=metrics)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BlankPixels([]), "pixels"),
        (lambda: BlankPixels(-1), "pixels=-1"),
        (lambda: BlankPixels(1.5), "pixels=1.5"),
        (lambda: BlankPixels("all"), "pixels"),
        (lambda: Slices([0.5]), "labels=0.5"),
        (lambda: Slices([]), "labels"),
        (lambda: Dimmed([float("inf")]), "factors"),
        (lambda: BlankPixels(64).read(audited(TASK, TASK.init(jax.random.key(0)))), r"pixels=\[64\]"),
        (lambda: Slices(0).read(Audit(jnp.zeros((2, 1)), jnp.zeros((2, 1)), lambda x, y: x[:, 0])), "targets of shape"),
        (lambda: watched(gj.tasks.quadratic(4, 2)), "audit=None"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(make, words):
    with pytest.raises(gj.ConfigurationError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gossip", [False, True])
def test_the_metric_says_who_pushed(gossip):
    task = gj.tasks.digits(6, model=gj.tasks.models.MLP((64, 10)), batch_size=4)
    mean = gj.aggregators.Mean()
    protocol = gj.protocols.Gossip(mean, gj.topologies.complete(6)) if gossip else gj.protocols.Server(mean)
    charter = BlankPixels((32, 39))
    metrics = [gj.metrics.Charter(charter), gj.metrics.Audit(Slices(3))]
    attack = gj.attacks.Backdoor(BlankPixels(32), target=3, eps=50.0)
    sim = gj.Simulation(task, protocol, attack=attack, byzantine=2, metrics=metrics)
    run = gj.simulate(sim, 4, 0, progress=None)
    push, step, rise = (run.record[f"charter_{name}"] for name in ("push", "step", "rise"))
    assert push.shape == (4, 6, 2)
    assert (push[:, 4:, 0] > 0).all(), "towards the trigger of pixel 32"
    assert (push[:, 4:, 0].min(1) > push[:, :4, 0].max(1)).all()
    assert (step[1:, 0] > 0).all() and (rise[1:, 0] > 0).all()
    excess = run.record["charter_excess"]
    np.testing.assert_allclose(rise[1:], np.diff(excess, axis=0), atol=2e-5)
    assert run.record["audit_share"].shape == (4, 6)


def test_a_backdoor_adds_its_share_of_the_honest_spread():
    task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)), batch_size=4)
    server = gj.protocols.Server(gj.aggregators.Mean())
    kept = []

    class Rows(gj.metrics.AbstractMetric):
        def __call__(self, round):
            return {"rows": round.messages}

    for eps in (0.0, 0.5):
        attack = gj.attacks.Backdoor(BlankPixels(32), target=3, eps=eps)
        sim = gj.Simulation(task, server, attack=attack, byzantine=3, metrics=[Rows()])
        kept.append(gj.simulate(sim, 1, 0, progress=None).record["rows"][0])
    honest, sent = kept
    pushes = np.linalg.norm(sent - honest, axis=1)
    spread = np.median(np.linalg.norm(honest[:5] - honest[:5].mean(0), axis=1))
    np.testing.assert_allclose(pushes[5:], 0.5 * spread, rtol=1e-4)
    assert not pushes[:5].any()
