"""Fingerprints on the device: the same for the same bits, another for any other, whatever the precision."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.metrics import Digest


N, D = 4, 7


def round_of(models, messages, weights=None):
    """What the metric reads of a round."""
    weights = jnp.ones(N) if weights is None else weights
    return gj.Seen(
        index=jnp.int32(0), key=jax.random.key(0), ravel=None, messages=messages, weights=weights, models=models,
        result=models, next_models=models + 1, kappa=jnp.zeros(()), age=jnp.int32(0),
        evaluate=lambda theta: {}, audit=lambda theta: {},
    )  # fmt: skip


def by_hand(x, metric):
    """The sum of the docstring, in whole numbers of Python."""
    bits = np.asarray(x).view(np.uint32 if x.dtype.itemsize >= 4 else np.uint16).reshape(len(x), -1)
    shape = (metric.words, 2, bits.shape[1])
    keys = np.asarray(jax.random.bits(gj.stream(jax.random.key(metric.key), "digest"), shape, jnp.uint16)).tolist()
    return [
        [sum(((v & 0xFFFF) + a) * ((v >> 16) + b) for v, a, b in zip(row, *keys[k], strict=True)) % 2**32
         for k in range(metric.words)]
        for row in bits.tolist()
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16])
def test_it_is_the_sum_that_is_stated(dtype):
    x = jax.random.normal(jax.random.key(1), (N, D)).astype(dtype)
    metric = Digest(key=5, words=3)
    found = metric(round_of(x[0], x))
    assert np.asarray(found["digest_rows"]).tolist() == by_hand(x, metric)
    assert found["digest_start"].tolist() == by_hand(x[:1], metric)[0] == found["digest_rows"][0].tolist()
    assert found["digest_model"].tolist() == by_hand(x[:1] + 1, metric)[0]


def test_every_flipped_bit_is_seen_also_two_signs():
    x = np.asarray(jax.random.normal(jax.random.key(1), (N, D)), np.float32)
    metric = Digest(key=9)
    digest = jax.jit(lambda rows: metric(round_of(rows[0], rows))["digest_rows"])
    known = np.asarray(digest(x))
    for i in range(D):
        for bit in range(32):
            other = x.copy()
            other.view(np.uint32)[1, i] ^= np.uint32(1 << bit)
            if np.isfinite(other).all():
                found = np.asarray(digest(other))
                assert (found[1] != known[1]).any() and (np.delete(found, 1, 0) == np.delete(known, 1, 0)).all()
    for i in range(1, D):
        other = x.copy()
        other[2, [0, i]] *= -1
        assert (np.asarray(digest(other))[2] != known[2]).any()
    assert (np.asarray(digest(x[:, ::-1])) != known).any(1).all()


def test_another_key_is_another_fingerprint_and_compiles_nothing():
    x = jax.random.normal(jax.random.key(1), (N, D))
    digest: Any = jax.jit(lambda metric, x: metric(round_of(x[0], x))["digest_rows"])
    assert (digest(Digest(key=1), x) != digest(Digest(key=2), x)).all()
    assert digest._cache_size() == 1


def test_absent_rows_may_hold_anything():
    x = jax.random.normal(jax.random.key(1), (N, D))
    weights = jnp.asarray([1.0, 0.0, 1.0, 2.0])
    metric = Digest()
    found = metric(round_of(x[0], x.at[1].set(jnp.nan), weights))["digest_rows"]
    assert np.array_equal(found, metric(round_of(x[0], x.at[1].set(0)))["digest_rows"])


@pytest.mark.parametrize("gossip", [False, True])
def test_models_follow_one_another(gossip):
    graph = gj.topologies.ring(N, degree=2)
    rule = gj.aggregators.Mean()
    protocol = gj.protocols.Gossip(rule, graph) if gossip else gj.protocols.Server(rule)
    sim = gj.Simulation(gj.tasks.quadratic(N, 3, noise=0.1), protocol, metrics=[Digest(key=2)])
    record = gj.simulate(sim, 4, 1, progress=None).record
    assert np.array_equal(record["digest_start"][1:], record["digest_model"][:-1])
    assert record["digest_rows"].shape == (4, N, 2) and record["digest_rows"].dtype == np.uint32
    assert len({tuple(row) for row in record["digest_rows"].reshape(-1, 2)}) == 4 * N
    assert not np.array_equal(gj.simulate(sim, 4, 2, progress=None).record["digest_rows"], record["digest_rows"])


@pytest.mark.parametrize("wrong", [{"words": 0}, {"words": 9}, {"key": -1}, {"key": 0.5}])
def test_refused(wrong, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=r"^Digest: "):
        Digest(**wrong)
