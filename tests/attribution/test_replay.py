"""Exact replays: what is silenced, and what is not."""

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj

from .small_training import NODES, ROUNDS


def test_leave_one_out_is_the_run_without_that_identity(mean_run):
    simulation, key, _, exact = mean_run
    w = np.ones((ROUNDS, NODES), np.float32)
    w[:, 2] = 0
    run = gj.simulate(simulation, ROUNDS, key, participation=w)
    without = gj.attribution.goal_loss(simulation, run.state)
    assert exact.values[2] == pytest.approx(float(without), rel=1e-5)
    np.testing.assert_allclose(exact.scores, exact.values - exact.outcome, rtol=1e-6)


def test_batches_change_nothing_beyond_rounding(mean_run):
    simulation, key, _, exact = mean_run
    batched = gj.attribution.leave_one_out(simulation, ROUNDS, key, batch_size=5)
    np.testing.assert_allclose(batched.values, exact.values, rtol=1e-5)


def test_cells_and_groups(mean_run):
    simulation, key, _, exact = mean_run
    cells = np.ones((3, ROUNDS, NODES))
    cells[1, :, 0] = 0
    cells[2, :4, 0] = 0
    values = gj.attribution.replay(simulation, ROUNDS, key, cells)
    np.testing.assert_allclose(values[:2], [exact.outcome, exact.values[0]], rtol=1e-5)
    assert values[1] < values[2] < values[0], "half a silence of a harmful identity helps by a part"
    pair = np.zeros((1, NODES), bool)
    pair[0, :2] = True
    grouped = gj.attribution.leave_one_out(simulation, ROUNDS, key, groups=pair)
    assert grouped.over == "group" and grouped.scores[0] < exact.scores[:2].min()


def test_any_outcome(mean_run):
    simulation, key, _, _ = mean_run

    def size(simulation, state):
        return jnp.linalg.norm(state.protocol.theta)

    values = gj.attribution.replay(simulation, 2, key, np.ones((1, NODES)), outcome=size)
    run = gj.simulate(simulation, 2, key)
    assert run.state is not None
    assert values[0] == pytest.approx(float(np.linalg.norm(run.state.protocol.theta)), rel=1e-5)


def test_adjoint_predicts_random_removals(mean_run):
    simulation, key, adjoint, exact = mean_run
    rng = np.random.default_rng(0)
    masks = np.ones((20, NODES))
    for row in masks:
        row[rng.choice(NODES, 2, replace=False)] = 0
    values = gj.attribution.replay(simulation, ROUNDS, key, masks, batch_size=5)
    assert gj.attribution.lds(adjoint.scores, masks, values) > 0.9
    assert gj.attribution.lds(exact.scores, masks, values) > 0.9
    whole = np.broadcast_to(masks[:, None, :], (20, ROUNDS, NODES))
    np.testing.assert_allclose(adjoint.effect(masks), adjoint.effect(whole), rtol=1e-5, atol=1e-7)
    assert gj.attribution.lds(adjoint.cells, whole, values) > 0.9
    # Six of eight are left: the mean reacts 8 / 6 times as much, and the calibrated effect says so.
    np.testing.assert_allclose(adjoint.effect(masks, calibrate=True), 8 / 6 * adjoint.effect(masks), rtol=1e-5)
    error = [np.abs(adjoint.effect(masks, calibrate=c) - (values - exact.outcome)).mean() for c in (True, False)]
    assert error[0] < error[1]


def test_dataset(mean_run):
    simulation, key, adjoint, exact = mean_run
    check = gj.attribution.certificate(adjoint, simulation, ROUNDS, key, probes=3)
    data = adjoint._replace(certificate=check).to_dataset()
    assert dict(data.sizes) == {"node": NODES, "round": ROUNDS, "probe": 3}
    np.testing.assert_array_equal(data["cell"], adjoint.cells)
    assert data.attrs["spearman"] == check.spearman
    assert exact.to_dataset()["value"].dims == ("node",)


def test_errors(mean_run):
    simulation, key, _, exact = mean_run
    with pytest.raises(gj.ConfigurationError, match=r"replay: masks=array of shape \(2, 3\)"):
        gj.attribution.replay(simulation, 2, key, np.ones((2, 3)))
    with pytest.raises(gj.ConfigurationError, match="replay: batch_size=0"):
        gj.attribution.replay(simulation, 2, key, np.ones((2, NODES)), batch_size=0)
    with pytest.raises(gj.ConfigurationError, match=r"Attribution.effect: masks=.*per node"):
        exact.effect(np.ones((1, ROUNDS, NODES)))


def test_agreement_against_scipy():
    from scipy import stats

    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, 12), rng.normal(size=12)
        assert gj.attribution.spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-12)
        assert gj.attribution.pearson(a, b) == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-12)
    assert np.isnan(gj.attribution.spearman([1, 1, 1], [1, 2, 3]))
