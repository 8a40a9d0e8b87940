"""Framing: the victim's message, moved against the honest spread, so that similarity accuses the victim."""

import numpy as np
import pytest

import ghostjax as gj


BYZANTINE = np.arange(8) >= 6
X = np.random.default_rng(0).normal(size=(8, 400)).astype(np.float32)


def sent(attack, w=None):
    return np.asarray(attack(X, BYZANTINE, w))[6:]


def test_it_sends_the_victim_less_a_push():
    expected = X[2] - 0.3 * X[:6].std(0, ddof=1)
    np.testing.assert_allclose(sent(gj.attacks.Framing(victim=2, push=0.3)), [expected] * 2, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(sent(gj.attacks.Framing(2, 0.0)), sent(gj.attacks.Mimic(2)))


@pytest.mark.parametrize(("victim", "w", "framed"), [(7, None, 0), (2, [1, 1, 0, 0, 1, 1, 1, 1], 4), (5, None, 5)])
def test_who_is_byzantine_or_absent_cannot_be_framed(victim, w, framed):
    np.testing.assert_array_equal(sent(gj.attacks.Framing(victim, 0.0), w), [X[framed]] * 2)


def test_a_defence_by_similarity_accuses_the_victim_and_nobody_else_who_is_honest():
    """FoolsGold weighs an identity by 1 less its largest cosine to another one."""
    rows = np.concatenate([X[:6], sent(gj.attacks.Framing(victim=2, push=0.3))])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(8)
    weight = np.clip(1 - cosine.max(1), 0, 1)
    assert weight[2] < 0.1 and np.delete(weight[:6], 2).min() > 0.7
