"""An attack with a period: off before it and after it, its memory standing still."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax.attacks import During, LabelFlip, MimicHeuristic, SignFlip


TASK = gj.tasks.digits(6, model=gj.tasks.models.MLP((64, 10)), batch_size=4)


class Rows(gj.metrics.AbstractMetric):
    """Every message."""

    outputs = {"rows": gj.metrics.Output(dims=("node", "parameter"))}

    def __call__(self, round):
        return {"rows": round.messages}


def rows(attack, byzantine=2, rounds=5):
    # The model stays where it is, so that rounds compare.
    server = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(optax.sgd, learning_rate=0.0))
    learner = gj.learners.Momentum(beta=0.0)
    sim = gj.Simulation(TASK, server, learner=learner, attack=attack, byzantine=byzantine, metrics=[Rows()])
    return gj.simulate(sim, rounds, 0, progress=None).record["rows"]


@pytest.mark.parametrize("attack", [SignFlip(), LabelFlip()], ids=["messages", "data"])
def test_the_attack_is_on_in_its_rounds_alone(attack):
    honest, always, some = rows(None, 0), rows(attack), rows(During(attack, start=2, end=4))
    np.testing.assert_array_equal(some[:2], honest[:2])
    assert (some[2, 4:] != honest[2, 4:]).any()
    np.testing.assert_array_equal(some[2:4], always[2:4])
    np.testing.assert_array_equal(some[4], honest[4])


def test_its_memory_stands_still():
    attack = MimicHeuristic(warmup=2)

    def view_of(t):
        rows, held = jnp.eye(4)[:, :3], jnp.arange(4) == 3
        return gj.attacks.View(rows, jnp.ones(4), held, jnp.zeros(3), lambda x: x, jax.random.key(0), t)

    state = During(attack, start=5).init(jnp.zeros((4, 3)))
    before, sent = During(attack, start=5).corrupt(state, view_of(jnp.asarray(4)))
    np.testing.assert_array_equal(before.steps, state.steps)
    np.testing.assert_array_equal(sent.by_sender, jnp.eye(4)[:, :3])
    assert int(During(attack, start=5).corrupt(state, view_of(jnp.asarray(5)))[0].steps) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: During(SignFlip(), start=3, end=3), "end=3"),
        (lambda: During(SignFlip(), start=-1), "start=-1"),
        (lambda: During(During(SignFlip())), "start and end once"),
        (lambda: During(SignFlip(), start=0.5), "start=0.5"),
    ],
)
def test_wrong_periods_are_refused(make, words):
    with pytest.raises(gj.ConfigurationError, match=words):
        make()
