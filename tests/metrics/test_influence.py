"""Influence shares: exact where the derivative is diagonal, close where it nearly is."""

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj


WEIGHTS = [1.0, 1.0, 0.5, 0.0, 2.0, 1.0]


def shares(round):
    return np.asarray(gj.metrics.Influence()(round)["influence"])


def kept(x, f):
    """The share of each row that a trimmed mean keeps, averaged over coordinates."""
    rank = np.argsort(np.argsort(x, axis=0, kind="stable"), axis=0)
    return ((rank >= f) & (rank < len(x) - f)).mean(1) / (len(x) - 2 * f)


def test_mean_gives_weight_shares(make_round, x):
    found = gj.metrics.Influence()(make_round(x, w=WEIGHTS, byzantine=[2, 4], rule=gj.aggregators.Mean()))
    np.testing.assert_allclose(found["influence"], np.array(WEIGHTS) / np.sum(WEIGHTS), rtol=1e-5)
    np.testing.assert_allclose(found["byzantine_share"], 2.5 / 5.5, rtol=1e-5)


@pytest.mark.parametrize("f", [1, 2])
def test_trimmed_mean_gives_kept_shares(make_round, x, f):
    np.testing.assert_allclose(shares(make_round(x, rule=gj.aggregators.TrimmedMean(f=f))), kept(x, f), rtol=1e-5)


def test_selection_gives_one_hot(make_round, x):
    class Nearest(gj.aggregators.AbstractGeometricRule):
        """The row with the smallest sum of distances, as a selection that only the distances decide."""

        def coefficients(self, dist2, w):
            assert dist2 is not None
            score = jnp.where(w > 0, (dist2 * w[None, :]).sum(1), jnp.inf)
            return (jnp.arange(len(w)) == score.argmin()).astype(w.dtype)

    distances = np.square(x[:, None] - x[None]).sum((1, 2))
    np.testing.assert_allclose(shares(make_round(x, rule=Nearest())), np.arange(6) == distances.argmin(), atol=1e-6)


def test_one_dense_derivative_is_estimated_within_its_variance(make_round, x):
    """y = clip(x_0): J = s (I - u u'), so the estimate is off by at most s (|u . r|^2 - 1) / d."""
    clip = lambda m: m[0] / jnp.linalg.norm(m[0])
    found = shares(make_round(x, respond=clip))
    norm, d = np.linalg.norm(x[0]), x.shape[1]
    u = x[0] / norm
    off = np.outer(u, u) / norm
    np.fill_diagonal(off, 0)
    deviation = np.sqrt(2 * np.square(off).sum()) / d
    assert abs(found[0] - (1 - 1 / d) / norm) < 4 * deviation
    np.testing.assert_array_equal(found[1:], 0)


def test_gossip_averages_the_mixing_share_over_honest_receivers(make_round, x):
    mixing = np.random.default_rng(1).dirichlet(np.ones(6), size=6)
    found = gj.metrics.Influence()(make_round(x, mixing=mixing, byzantine=[4, 5]))
    np.testing.assert_allclose(found["influence"], mixing[:4].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["byzantine_share"], mixing[:4, 4:].sum(1).mean(), rtol=1e-5)


def test_absent_identities_have_no_influence(make_round, x):
    """A response that forgets the weights is caught here: an absent row has share 0 by definition."""
    found = shares(make_round(x, w=WEIGHTS, respond=lambda m: m.sum(0) / 6))
    assert found[3] == 0 and (found[[0, 1, 2, 4, 5]] > 0.16).all()


def test_gossip_counts_what_receivers_are_told(make_round, x):
    """Senders 4 and 5 tell receiver i the vector told_i: their share is what reaches receivers, split by weight."""
    mixing = np.random.default_rng(1).dirichlet(np.ones(6), size=6).astype(np.float32)
    byzantine = np.arange(6) >= 4
    rows = jnp.asarray(mixing * ~byzantine[None, :])
    mass = jnp.asarray(mixing[:, byzantine].sum(1))

    def respond(messages, by_receiver):
        return rows @ messages + mass[:, None] * by_receiver

    by_receiver = gj.metrics.Influence()(
        make_round(
            x, byzantine=[4, 5], mixing=mixing, respond=respond, by_receiver=jnp.asarray(x), graph=jnp.asarray(mixing)
        )
    )
    same = gj.metrics.Influence()(make_round(x, mixing=mixing, byzantine=[4, 5]))
    for name in ("influence", "byzantine_share"):
        np.testing.assert_allclose(by_receiver[name], same[name], rtol=1e-5)


def test_a_run_under_a_vector_per_receiver_counts_its_senders():
    task = gj.tasks.digits(8, batch_size=4, model=gj.tasks.models.MLP((64, 10)))
    byzantine = np.isin(np.arange(8), [2, 3])
    sim = gj.Simulation(
        task,
        gj.protocols.Gossip(gj.aggregators.Mean(), gj.topologies.ring(8, degree=4)),
        attack=gj.attacks.Dissensus(),
        byzantine=byzantine,
        metrics=(gj.metrics.Influence(),),
    )
    record = gj.simulate(sim, 1, 0).record
    np.testing.assert_allclose(record["influence"].sum(1), 1, rtol=1e-5)
    # Six honest receivers on the ring; 2 and 3 each reach four nodes of five slots, one of them each other.
    np.testing.assert_allclose(record["influence"][0][byzantine], 3 / 5 / 6, rtol=1e-5)
    np.testing.assert_allclose(record["byzantine_share"], 6 / 5 / 6, rtol=1e-5)
