"""The certificates of the trimmed mean and the median against brute force over what a principal can send."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax.aggregators import Median, TrimmedMean


OTHERS = np.array([-1.5, -0.2, 0.1, 0.7, 2.0], np.float32)
SENT = [-1e6, -1.5, -0.7, 0.1, 0.4, 2.0, 1e6]

value = jax.jit(lambda rule, x, w: rule(x, w)[0])
certificate = jax.jit(lambda rule, x, w, principal: rule.certificate(x, w, principal))


def case(mine, theirs=None):
    """Rows and weights: the others' first, then those of the principal."""
    w = np.concatenate([np.ones(len(OTHERS)) if theirs is None else theirs, mine]).astype(np.float32)
    x = np.concatenate([OTHERS, np.full(len(mine), 0.3)]).astype(np.float32)[:, None]
    return jnp.asarray(x), jnp.asarray(w), jnp.asarray(np.arange(len(w)) >= len(OTHERS))


def reach(rule, x, w, principal):
    """The largest distance between results over a grid of messages that holds both ends of what can be sent."""
    results = []
    for sent in itertools.product(SENT, repeat=int(principal.sum())):
        results.append(float(value(rule, x.at[len(OTHERS) :, 0].set(jnp.asarray(sent, jnp.float32)), w)))
    return max(results) - min(results)


def quantile_integral(values, weights, low, high):
    order = np.argsort(values)
    upper = np.cumsum(weights[order])
    return ((np.clip(upper, low, high) - np.clip(upper - weights[order], low, high)) * values[order]).sum()


UNEQUAL = np.array([0.6, 1.4, 0.9, 1.1, 0.8])


@pytest.mark.parametrize("theirs", [None, UNEQUAL], ids=["alike", "unlike"])
@pytest.mark.parametrize(("mine", "f"), [([1.0], 1.0), ([1.0], 2.0), ([0.5, 0.5], 1.5), ([0.4], 1.1)])
def test_trimmed_mean_is_exact(theirs, mine, f):
    x, w, principal = case(mine, theirs)
    bound, total, s = float(certificate(TrimmedMean(f=f), x, w, principal)), float(w.sum()), sum(mine)
    q = np.asarray(w[: len(OTHERS)], float)
    width = quantile_integral(OTHERS, q, total - f - s, total - f) - quantile_integral(OTHERS, q, f - s, f)
    np.testing.assert_allclose(bound, width / (total - 2 * f), rtol=1e-5)
    np.testing.assert_allclose(reach(TrimmedMean(f=f), x, w, principal), bound, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("theirs", [None, UNEQUAL], ids=["alike", "unlike"])
@pytest.mark.parametrize("mine", [[1.0], [0.7], [1.0, 1.0]])
def test_median_is_exact(theirs, mine):
    x, w, principal = case(mine, theirs)
    bound = float(certificate(Median(), x, w, principal))
    np.testing.assert_allclose(reach(Median(), x, w, principal), bound, rtol=1e-5, atol=1e-6)


def test_nothing_is_promised_beyond_the_mass_assumed():
    x, w, principal = case([1.0])
    assert np.isfinite(certificate(TrimmedMean(f=1.0), x, w, principal))
    assert np.isinf(certificate(TrimmedMean(f=0.99), x, w, principal))
    assert reach(TrimmedMean(f=0.99), x, w, principal) > 1e3
    assert certificate(TrimmedMean(f=1.0), x, w, jnp.zeros_like(principal)) == 0


def test_half_of_the_mass_places_the_median_at_will():
    for mine, finite in (([2.4, 2.4], True), ([2.6, 2.6], False)):
        x, w, principal = case(mine)
        assert np.isfinite(certificate(Median(), x, w, principal)) == finite
        assert (reach(Median(), x, w, principal) < 10) == finite
