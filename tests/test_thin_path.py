"""The main job, end to end and small: digits over nodes, attacked, aggregated, recorded."""

import jax
import numpy as np
import optax
import pytest

import ghostjax as gj


def simulation(rule, **kwargs):
    task = gj.tasks.digits(12, batch_size=8, model=gj.tasks.models.MLP((64, 16, 10)))
    protocol = gj.protocols.Server(rule, gj.Optimizer(optax.sgd, learning_rate=0.5))
    return gj.Simulation(task, protocol, **kwargs)


def attacked():
    return simulation(gj.aggregators.TrimmedMean(f=2), attack=gj.attacks.ALIE(), byzantine=2)


def test_training_learns_and_chunks_do_not_change_bits():
    whole = gj.simulate(attacked(), 30, 0, chunk=64)
    pieces = gj.simulate(attacked(), 30, 0, chunk="auto")  # one round first, in the same program
    assert whole.record["accuracy"][-1] > 0.4
    for name in whole.record:
        np.testing.assert_array_equal(whole.record[name], pieces.record[name])
    for a, b in zip(jax.tree.leaves(whole.state), jax.tree.leaves(pieces.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nobody_present_changes_nothing():
    sim = attacked()
    present = np.ones((4, 12), np.float32)
    present[2:] = 0
    run, short = gj.simulate(sim, 4, 0, participation=present), gj.simulate(sim, 2, 0)
    assert run.state is not None and short.state is not None
    np.testing.assert_array_equal(run.state.protocol.theta, short.state.protocol.theta)


def test_impossible_f_is_refused_before_compiling():
    with pytest.raises(gj.ConfigurationError, match=r"Server\(TrimmedMean\): f=6.0: .*lower f"):
        simulation(gj.aggregators.TrimmedMean(f=6))
