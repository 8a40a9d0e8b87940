"""The laws of dJ/dw, and the adjoint against exact replays."""

import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.attribution._adjoint import _gradient, _segment

from .small_training import build, NODES, ROUNDS


def test_ranks_identities_as_exact_replays_do(mean_run):
    _, _, adjoint, exact = mean_run
    assert adjoint.outcome == pytest.approx(exact.outcome, rel=1e-6)
    assert gj.attribution.spearman(adjoint.scores, exact.scores) > 0.95
    assert gj.attribution.pearson(adjoint.scores, exact.scores) > 0.98
    # Sign: the identities with replaced labels hurt, so that their removal lowers the outcome.
    assert set(adjoint.ranking[:2]) == {0, 1} and (adjoint.scores[:2] < 0).all()


def test_rows_sum_to_zero_for_the_mean(mean_run):
    """Euler: the mean does not change when all weights are scaled."""
    _, _, adjoint, _ = mean_run
    sums = (adjoint.participation * adjoint.cells).sum(1)
    assert np.abs(sums).max() < 1e-5 * np.abs(adjoint.cells).max()


@pytest.mark.slow
def test_rows_do_not_sum_to_zero_for_an_absolute_f():
    """The twin of the law above: with an absolute f, removal raises the trimmed fraction."""
    simulation, key = build(gj.aggregators.TrimmedMean(f=1)), jax.random.key(1)
    absolute = gj.attribution.adjoint(simulation, ROUNDS, key, probes=0)
    share = gj.attribution.adjoint(build(gj.aggregators.TrimmedMean(share=0.11)), ROUNDS, key, probes=0)
    ratio = [np.abs((a.participation * a.cells).sum(1)).max() / np.abs(a.cells).max() for a in (absolute, share)]
    assert ratio[0] > 1e-3 and ratio[1] < 1e-4


def test_directional_derivative_is_the_central_difference(mean_run):
    simulation, key, _, _ = mean_run
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.uniform(0.5, 1.5, (ROUNDS, NODES)), jnp.float32)
    u = jnp.asarray(rng.normal(size=w.shape), jnp.float32)
    adjoint = gj.attribution.adjoint(simulation, ROUNDS, key, participation=w, probes=0)
    ends = [
        gj.attribution.replay(simulation, ROUNDS, key, np.ones((1, NODES)), participation=w + step * u)[0]
        for step in (0.03, -0.03)
    ]
    difference = (ends[0] - ends[1]) / 0.06
    assert adjoint.cells is not None
    assert -float((adjoint.cells * u).sum()) == pytest.approx(float(difference), rel=0.02)


def test_checkpoints_change_nothing_but_memory(mean_run):
    simulation, key, adjoint, _ = mean_run
    scale = np.abs(adjoint.cells).max()
    temporary = {}
    for mode in ("nested", "round", "none"):
        arguments = (simulation, key, jnp.ones((ROUNDS, NODES)), gj.attribution.goal_loss, mode)
        program = _gradient.lower(*arguments).compile()
        value, gradient = program(*arguments)
        np.testing.assert_allclose(-np.asarray(gradient) / scale, adjoint.cells / scale, atol=1e-5)
        assert float(value) == pytest.approx(adjoint.outcome, rel=1e-6)
        temporary[mode] = program.compiled.memory_analysis().temp_size_in_bytes
    assert temporary["nested"] < temporary["round"] < temporary["none"], temporary


def test_rounds_that_do_not_divide(mean_run):
    """7 rounds leave two empty places in the last of three segments; 9 of which two have nobody leave none."""
    simulation, key, _, _ = mean_run
    assert _segment(7) == _segment(ROUNDS) == 3
    short = gj.attribution.adjoint(simulation, 7, key, probes=0)
    w = np.ones((ROUNDS, NODES), np.float32)
    w[7:] = 0
    full = gj.attribution.adjoint(simulation, ROUNDS, key, participation=w, probes=0)
    assert full.cells is not None
    scale = np.abs(full.cells[:7]).max()
    np.testing.assert_allclose(short.cells / scale, full.cells[:7] / scale, atol=1e-5)
    np.testing.assert_allclose(short.scores, full.scores, atol=1e-5 * scale * ROUNDS)
    assert short.outcome == pytest.approx(full.outcome, rel=1e-5)


def test_segments_waste_little():
    for rounds in range(1, 400):
        length = _segment(rounds)
        outer = -(-rounds // length)
        assert length + outer <= 2.2 * np.sqrt(rounds) + 1
        assert outer * length - rounds < length
    assert _segment(64) == 8 and _segment(60) == 6


def test_absent_cells_carry_no_score(mean_run):
    """Null player: an identity that never takes part has score 0, whatever its derivative."""
    simulation, key, _, _ = mean_run
    w = np.ones((ROUNDS, NODES), np.float32)
    w[:, 3] = 0
    w[:4, 5] = 0
    adjoint = gj.attribution.adjoint(simulation, ROUNDS, key, participation=w, probes=0)
    assert adjoint.scores[3] == 0
    assert adjoint.cells is not None
    assert adjoint.cells[:, 3].any()
    np.testing.assert_allclose(adjoint.scores[5], adjoint.cells[4:, 5].sum(), rtol=1e-5)


def test_identical_identities_get_identical_columns():
    """Symmetry and permutation, with full batches, so that twins differ in nothing."""
    held = np.random.default_rng(0).choice(1200, size=(NODES, 12), replace=False)
    held[6] = held[7]
    simulation = build(noisy=(), held=held, batch=None)
    key = jax.random.key(2)
    cells = gj.attribution.adjoint(simulation, 6, key, probes=0).cells
    scale = np.abs(cells).max()
    assert cells is not None
    np.testing.assert_allclose(cells[:, 6] / scale, cells[:, 7] / scale, atol=1e-5)
    assert np.abs(cells[:, 6] - cells[:, 5]).max() > 0.01 * scale

    # Permuting the identities permutes the columns.
    order = np.array([3, 0, 7, 1, 2, 6, 5, 4])
    permuted = gj.attribution.adjoint(build(noisy=(), held=held[order], batch=None), 6, key, probes=0).cells
    np.testing.assert_allclose(permuted / scale, cells[:, order] / scale, atol=1e-4)


def test_certificate_measures_the_agreement(mean_run):
    simulation, key, adjoint, exact = mean_run
    check = gj.attribution.certificate(adjoint, simulation, ROUNDS, key, probes=5)
    assert len(set(check.probes.tolist())) == 5
    np.testing.assert_allclose(check.exact, exact.scores[check.probes], atol=1e-5)
    assert check.pearson > 0.95 and 0.8 < check.slope < 1.4
    # The broken twin: scores of the wrong sign are caught.
    wrong = adjoint._replace(scores=-adjoint.scores)
    assert gj.attribution.certificate(wrong, simulation, ROUNDS, key, probes=5).spearman < 0


def test_a_selection_is_declared_uninformative():
    class First(gj.aggregators.AbstractGeometricRule):
        """The first row that is present: a selection."""

        uses_distances = False

        def coefficients(self, dist2, w):
            return (jnp.arange(len(w)) == jnp.argmax(w > 0)).astype(w.dtype)

    found = gj.attribution.adjoint(build(First()), 4, 0, checkpoints="none", probes=0)
    assert found.cells is not None
    assert "leave_one_out" in found.note and not found.cells.any()


def test_alie_has_a_derivative():
    """Pixels that are always 0 give a standard deviation of 0, whose root has no derivative of its own."""
    simulation = build(noisy=(), attack=gj.attacks.ALIE(), byzantine=1)
    found = gj.attribution.adjoint(simulation, 4, 0, probes=0)
    assert found.note == "" and np.isfinite(found.cells).all()


def test_metrics_are_left_out(mean_run):
    simulation, key, adjoint, _ = mean_run

    seen = []

    class Loud(gj.metrics.AbstractMetric):
        def __call__(self, round):
            seen.append(round)
            return {}

    observed = gj.Simulation(
        simulation.task, simulation.protocol, learner=simulation.learner, metrics=(Loud(), gj.metrics.Goal())
    )
    seen.clear()  # what metrics record is found when a simulation is made
    again = gj.attribution.adjoint(observed, ROUNDS, key, probes=0)
    assert seen == []
    np.testing.assert_array_equal(again.cells, adjoint.cells)


def test_float64(x64):
    simulation = build()
    w = jax.ShapeDtypeStruct((4, NODES), jnp.float64)
    key = jax.random.key(0)
    dtype = simulation.ravel.dtype
    value, gradient = eqx.filter_eval_shape(
        _gradient, simulation, key, jax.ShapeDtypeStruct(w.shape, dtype), gj.attribution.goal_loss, "nested"
    )
    assert gradient.dtype == dtype == value.dtype == jnp.float64


def test_errors():
    simulation = build()
    with pytest.raises(gj.ConfigurationError, match="adjoint: probes=-1"):
        gj.attribution.adjoint(simulation, 3, 0, probes=-1)
    with pytest.raises(gj.ConfigurationError, match=r"adjoint: participation=array of shape \(2, 8\)"):
        gj.attribution.adjoint(simulation, 3, 0, participation=np.ones((2, 8)))
    with pytest.raises(gj.ConfigurationError, match="adjoint: rounds=0"):
        gj.attribution.adjoint(simulation, 0, 0)


def test_a_poor_agreement_is_told(mean_run, monkeypatch):
    """With signs turned the certificate must disagree; more probes than nodes are all of them."""
    simulation, key, _, exact = mean_run
    module = importlib.import_module("ghostjax.attribution._adjoint")
    honest = module._gradient
    monkeypatch.setattr(module, "_gradient", lambda *args: (honest(*args)[0], -honest(*args)[1]))
    with pytest.warns(UserWarning, match=r"adjoint: poor agreement .*Spearman -.* over 8 probes .*takes 9 runs"):
        found = gj.attribution.adjoint(simulation, ROUNDS, key, probes=50)
    assert "leave_one_out" in found.note and "more probes" not in found.note
    assert found.certificate is not None
    np.testing.assert_array_equal(found.certificate.probes, np.arange(NODES))
    np.testing.assert_allclose(found.certificate.exact, exact.scores, atol=1e-5)


def test_the_interval_of_an_agreement():
    make = lambda r, k: gj.attribution.Certificate(r, r, 1.0, np.arange(k), np.zeros(k), np.zeros(k))
    low, high = make(0.5, 28).interval
    assert low == pytest.approx(0.144, abs=0.01) and high == pytest.approx(0.742, abs=0.01)
    assert make(0.5, 4).interval == (-1, 1) and make(1.0, 8).interval == (1, 1) and make(np.nan, 8).interval == (-1, 1)
