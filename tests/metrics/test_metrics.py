"""Each metric against its formula, written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj


HONEST = [0, 1, 2, 3]
BYZANTINE = [4, 5]


def ring(n):
    return (np.eye(n) + np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0)) / 3


def test_goal_at_the_shared_model_and_at_the_honest_mean_model(make_round, x):
    server = make_round(x)
    assert gj.metrics.Goal()(server)["loss"] == server.evaluate(server.next_models)["loss"]
    models = np.array(ring(6) @ x)
    models[5] = np.nan
    gossip = make_round(x, mixing=ring(6), byzantine=BYZANTINE, next_models=jnp.asarray(models, jnp.float32))
    expected = np.square(models[HONEST].mean(0)).sum() / 2
    np.testing.assert_allclose(gj.metrics.Goal()(gossip)["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("metric", [gj.metrics.Goal, gj.metrics.WorstNode, gj.metrics.Drift, gj.metrics.Influence])
def test_every_records_first_and_last_round_of_a_stretch(make_round, x, metric):
    recorded, always = [], metric()(make_round(x))
    for index in range(6):
        values = gj.metrics.Every(3, metric())(make_round(x, index=index, optimum=np.ones(40)))
        assert {name: v.shape for name, v in values.items()} == {name: v.shape for name, v in always.items()}
        recorded.append(any(np.asarray(v).any() for v in values.values()))
    assert recorded == [True, False, True, False, False, True]
    np.testing.assert_array_equal(gj.metrics.Output(every=3).due(np.arange(6)), recorded)


def test_every_must_be_a_number_of_rounds(as_users_run):
    for wrong in (0, 1.5, "2", None, True):
        with pytest.raises(gj.ConfigurationError, match=r"Every: every=.*whole number of at least 1"):
            gj.metrics.Every(wrong, gj.metrics.Goal())
    with pytest.raises(gj.ConfigurationError, match="Every: metric='goal'"):
        gj.metrics.Every(2, "goal")
    with pytest.raises(gj.ConfigurationError, match="one period is enough"):
        gj.metrics.Every(2, gj.metrics.Every(3, gj.metrics.Goal()))


def test_worst_node_at_a_server_is_the_worst_local_loss(make_round, x):
    found = gj.metrics.WorstNode()(make_round(x, w=[1, 1, 1, 0, 1, 1], byzantine=BYZANTINE))
    assert set(found) == {"worst_loss", "node_loss"}
    assert found["worst_loss"] == 2 and found["node_loss"] == 1


def test_worst_node_in_gossip_is_the_worst_own_model(make_round, x):
    models = np.array(x)
    models[5] = 1e6
    found = gj.metrics.WorstNode()(
        make_round(x, mixing=np.eye(6), byzantine=BYZANTINE, next_models=jnp.asarray(models))
    )
    losses = np.square(models[HONEST]).sum(1) / 2
    np.testing.assert_allclose(found["worst_loss"], losses.max(), rtol=1e-5)
    np.testing.assert_allclose(found["worst_accuracy"], 1 / (1 + losses.max()), rtol=1e-5)
    np.testing.assert_allclose(found["node_loss"], losses.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["node_accuracy"], (1 / (1 + losses)).mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ["worst_loss", "node_loss"])
def test_worst_node_does_not_hide_a_nan(make_round, x, name):
    losses = jnp.array([1.0, jnp.nan, 1.0, 1.0, 1.0, 1.0])
    assert np.isnan(gj.metrics.WorstNode()(make_round(x, losses=losses))[name])
    assert np.isnan(gj.metrics.WorstNode()(make_round(x, byzantine=range(6)))[name])


def test_training_loss_is_the_honest_mean(make_round, x):
    losses = jnp.array([1.0, 2.0, 3.0, 4.0, jnp.nan, 100.0])
    w = [1, 1, 2, 0, 1, 1]
    found = gj.metrics.TrainingLoss()(make_round(x, w=w, losses=losses, byzantine=BYZANTINE))["training_loss"]
    np.testing.assert_allclose(found, 9 / 4, rtol=1e-6)
    assert np.isnan(gj.metrics.TrainingLoss()(make_round(x, byzantine=range(6)))["training_loss"])


def test_consensus(make_round, x):
    expected = np.square(x[HONEST] - x[HONEST].mean(0)).sum(1).mean()
    server = gj.metrics.Consensus()(make_round(x, byzantine=BYZANTINE))
    np.testing.assert_allclose(server["message_spread"], expected, rtol=1e-5)
    gossip = gj.metrics.Consensus()(make_round(x, mixing=np.eye(6), byzantine=BYZANTINE))
    np.testing.assert_allclose(gossip["consensus_distance"], expected, rtol=1e-5)
    # Plain gossip on a ring contracts by the squared second eigenvalue at least.
    after = gj.metrics.Consensus()(make_round(x, mixing=ring(6)))["consensus_distance"]
    before = gj.metrics.Consensus()(make_round(x, mixing=np.eye(6)))["consensus_distance"]
    assert after <= (2 / 3) ** 2 * before * 1.0001


def test_dissimilarity_and_its_fit(make_round, x):
    found = gj.metrics.Dissimilarity()(make_round(x, byzantine=BYZANTINE))
    mean = x[HONEST].mean(0)
    np.testing.assert_allclose(found["dissimilarity"], np.square(x[HONEST] - mean).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["update_norm2"], np.square(mean).sum(), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_fit_recovers_the_constants_whatever_the_scale(scale):
    norm2 = scale * np.array([4.0, np.nan, 1.0, 0.1])
    fit = gj.metrics.fit_dissimilarity(scale * 2.0 + 3.0 * norm2, norm2)
    np.testing.assert_allclose([fit.G, fit.B, fit.covered], [np.sqrt(2 * scale), np.sqrt(3), 1], rtol=1e-6)
    # A spread that falls while the gradient grows has B = 0: the constants are never imaginary.
    assert gj.metrics.fit_dissimilarity(scale * np.array([1.0, 2.0]), scale * np.array([5.0, 1.0])).B == 0


def test_fit_envelope_covers_every_round():
    rng = np.random.default_rng(0)
    norm2 = rng.uniform(size=50)
    zeta2 = 1 + norm2 + 0.3 * rng.uniform(size=50)
    plain, envelope = (gj.metrics.fit_dissimilarity(zeta2, norm2, envelope=e) for e in (False, True))
    assert plain.covered < 1 and envelope.covered == 1
    assert (zeta2 <= (envelope.G**2 + envelope.B**2 * norm2) * (1 + 1e-9)).all()
    with pytest.raises(gj.ConfigurationError, match="no finite round"):
        gj.metrics.fit_dissimilarity([np.nan], [1.0])


def test_drift_at_a_server(make_round):
    # The goal's gradient at theta = 0 is -optimum = (1, 0, 0); the aggregate is (2, 0, 1).
    rows = np.array([[2.0, 0.0, 1.0]] * 3)
    u = np.array([1.0, 0.0, 1.0])
    found = gj.metrics.Drift(u)(make_round(rows, optimum=[-1.0, 0.0, 0.0]))
    np.testing.assert_allclose(found["drift_cosine"], 2 / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(found["drift_residual"], 1 / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(found["drift_signed"], 1 / np.sqrt(2), rtol=1e-6)


def test_drift_takes_the_goal_as_a_function_or_a_vector(make_round):
    rows = np.array([[3.0, 4.0]] * 2)
    by_function = gj.metrics.Drift(objective=lambda params: params[0])(make_round(rows))
    by_vector = gj.metrics.Drift(reference=[2.0, 0.0])(make_round(rows))
    for found in (by_function, by_vector):
        np.testing.assert_allclose(found["drift_cosine"], 0.6, rtol=1e-6)
        assert "drift_signed" not in found
    with pytest.raises(gj.ConfigurationError, match="Drift: objective"):
        gj.metrics.Drift(reference=[1.0], objective=lambda params: params[0])


def test_drift_in_gossip_is_the_move_of_the_honest_mean(make_round, x):
    moved = jnp.asarray(x - np.array([0.5, 0.0] + [0.0] * 38, np.float32))
    found = gj.metrics.Drift(reference=np.eye(40)[0])(
        make_round(x, mixing=np.eye(6), byzantine=BYZANTINE, next_models=moved.at[5].set(jnp.nan))
    )
    np.testing.assert_allclose(found["drift_cosine"], 1, rtol=1e-4)
    assert found["drift_residual"] < 1e-3


def test_drift_of_nothing_is_zero(make_round):
    found = gj.metrics.Drift(np.ones(2))(make_round(np.zeros((3, 2)), optimum=[1.0, 1.0]))
    assert all(float(v) == 0 for v in found.values())


def test_a_small_constant_push_adds_up():
    """Invisible per round beside noise of size 1, but not in the running sum."""
    noise = np.random.default_rng(0).normal(size=2000)
    push = 0.1
    total = gj.metrics.cumulative(noise + push)
    assert abs(noise[0]) > push and total[-1] > 3 * np.sqrt(2000)
    np.testing.assert_allclose(gj.metrics.cumulative([1.0, np.nan, 2.0]), [1, 1, 3])


def test_honest_distance_and_bound(make_round, x):
    rule = gj.aggregators.TrimmedMean(f=2)
    x[BYZANTINE] = 30.0
    round = make_round(x, byzantine=BYZANTINE, rule=rule)
    found = gj.metrics.HonestDistance()(round)
    mean = x[HONEST].mean(0)
    sigma = np.sqrt(np.square(x[HONEST] - mean).sum(1).mean())
    np.testing.assert_allclose(found["honest_sigma"], sigma, rtol=1e-5)
    np.testing.assert_allclose(found["honest_distance"], np.linalg.norm(round.result - mean), rtol=1e-5)
    np.testing.assert_allclose(found["honest_bound"], np.sqrt(12.0) * sigma, rtol=1e-5)
    assert found["honest_distance"] <= found["honest_bound"]
    # Nothing is guaranteed where more Byzantine mass is present than the rule assumes.
    assert gj.metrics.HonestDistance()(round._replace(outnumbered=jnp.ones(())))["honest_bound"] == np.inf
    # The mean has no guarantee: its bound is infinite, also where the honest nodes agree.
    agree = gj.metrics.HonestDistance()(make_round(np.ones((6, 3))))
    assert agree["honest_bound"] == np.inf and agree["honest_distance"] == 0


def test_honest_distance_in_gossip_is_the_move_of_the_mean(make_round, x):
    symmetric = gj.metrics.HonestDistance()(make_round(x, mixing=ring(6)))
    assert symmetric["honest_distance"] < 1e-6 and symmetric["honest_bound"] == np.inf
    lopsided = np.eye(6)
    lopsided[0] = 1 / 6
    assert gj.metrics.HonestDistance()(make_round(x, mixing=lopsided))["honest_distance"] > 0.1


def test_the_standard_bundle_records_in_a_run():
    task = gj.tasks.digits(6, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
    sim = gj.Simulation(
        task,
        gj.protocols.Server(gj.aggregators.TrimmedMean(f=1)),
        attack=gj.attacks.ALIE(),
        byzantine=1,
        metrics=gj.metrics.standard(every=2, direction=np.ones(650)),
    )
    _, record = jax.jit(gj.rollout)(sim, jax.random.key(0), jnp.ones((4, 6)))
    expected = {
        *("loss", "accuracy", "worst_loss", "node_loss", "training_loss", "message_spread", "dissimilarity"),
        *("update_norm2", "honest_distance", "honest_sigma", "honest_bound", "drift_cosine", "drift_residual"),
        *("drift_signed", "influence", "byzantine_share"),
    }
    assert expected <= set(record)
    assert record["influence"].shape == (4, 6)
    for name in expected:
        values = np.asarray(record[name])
        assert np.isfinite(values[[0, 1, 3]]).all(), name
    assert np.isnan(record["loss"][2]) and not np.isnan(record["training_loss"]).any()
    np.testing.assert_allclose(np.asarray(record["influence"])[[0, 1, 3]].sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(record["byzantine_share"][1], np.asarray(record["influence"])[1, 5], rtol=1e-5)


def test_metrics_keep_float64(x64):
    task = gj.tasks.from_arrays(
        np.random.default_rng(0).normal(size=(20, 3)),
        np.arange(20) % 2,
        gj.tasks.models.MLP((3, 2)),
        gj.tasks.partition.Partition(np.arange(20).reshape(4, 5), np.full(4, 5)),
        test=(np.ones((4, 3)), np.arange(4) % 2),
        batch_size=2,
    )
    sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.TrimmedMean(f=1)), metrics=gj.metrics.standard())
    record = jax.eval_shape(gj.rollout, sim, jax.random.key(0), jnp.ones((2, 4)))[1]
    assert {name: v.dtype for name, v in record.items() if v.dtype != jnp.float64} == {}


def test_deviation_is_in_median_distances_of_those_who_are_present(make_round, x):
    weights = np.array([1, 2, 1, 0, 1, 1])
    rows = np.array(x)
    rows[3] = np.nan
    found = np.asarray(gj.metrics.Deviation()(make_round(jnp.asarray(rows), w=weights))["deviation"])
    here = weights > 0
    mean = (weights[here, None] * rows[here]).sum(0) / weights.sum()
    away = np.sqrt(np.square(rows[here] - mean).sum(1))
    np.testing.assert_allclose(found[here], away / np.median(away), rtol=1e-5)
    assert np.isnan(found[3])
    alike = gj.metrics.Deviation()(make_round(jnp.ones_like(x)))["deviation"]
    assert (np.asarray(alike) == 0).all()
