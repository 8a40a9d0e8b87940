"""Power indices, concentration, and how probably a vote passes: against published numbers and by hand."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

import ghostjax as gj
from ghostjax.governance import banzhaf, expected_rounds, gini, nakamoto, passing_probability, shapley_shubik


EEC = [4, 4, 4, 2, 2, 1], 12


def test_the_european_community_of_1958():
    """Luxembourg had one vote of seventeen and no power at all."""
    np.testing.assert_allclose(banzhaf(*EEC), [0.2381, 0.2381, 0.2381, 0.1429, 0.1429, 0], atol=5e-5)
    np.testing.assert_allclose(shapley_shubik(*EEC), [0.2333, 0.2333, 0.2333, 0.15, 0.15, 0], atol=5e-5)


@pytest.mark.parametrize("index", [banzhaf, shapley_shubik])
def test_samples_agree_with_the_exact_index(index):
    np.testing.assert_allclose(index(*EEC, samples=20000), index(*EEC), atol=0.01)
    np.testing.assert_array_equal(index(*EEC, samples=50, key=3), index(*EEC, samples=50, key=3))


def by_hand(power, quota):
    """Both indices by going through all coalitions and all orders."""
    n = len(power)
    swings = np.zeros(n)
    for coalition in itertools.product([0, 1], repeat=n):
        total = np.dot(coalition, power)
        for i in range(n):
            swings[i] += not coalition[i] and quota - power[i] <= total < quota
    pivots = np.zeros(n)
    for order in itertools.permutations(range(n)):
        total = np.cumsum([power[i] for i in order])
        if (total >= quota).any():
            pivots[order[int((total >= quota).argmax())]] += 1
    return swings / swings.sum() if swings.sum() else swings, pivots / math.factorial(n)


@pytest.mark.parametrize("seed", range(8))
def test_counting_agrees_with_going_through_everything(seed):
    rng = np.random.default_rng(seed)
    power = rng.integers(0, 6, 6).tolist()
    quota = int(rng.integers(1, sum(power) + 2))
    for index, expected in zip((banzhaf, shapley_shubik), by_hand(power, quota), strict=True):
        np.testing.assert_allclose(index(power, quota), expected, atol=1e-12)


def test_sixty_four_members_are_counted_without_rounding():
    for index in (banzhaf, shapley_shubik):
        np.testing.assert_allclose(index([1] * 64, 33), 1 / 64, rtol=1e-12)
    assert shapley_shubik([60] + [1] * 40, 51)[0] == 1


@pytest.mark.parametrize(
    ("power", "numbers", "coefficient"),
    [
        ([1] * 100, [34, 51, 67], 0.0),
        (np.random.default_rng(0).pareto(1.16, 100) + 1, [2, 6, 14], 0.669),
        ([102] + [2] * 99, [1, 26, 51], 0.33),  # exact ties: half of all power is no majority
    ],
    ids=["uniform", "pareto", "one of 34 %"],
)
def test_concentration_of_three_distributions(power, numbers, coefficient):
    assert [nakamoto(power, share) for share in (1 / 3, 1 / 2, 2 / 3)] == numbers
    assert gini(power) == pytest.approx(coefficient, abs=5e-4)


@pytest.mark.parametrize("n", [1, 5, 20, 64])
@pytest.mark.parametrize("q", [0.3, 0.5, 2 / 3])
def test_the_tail_is_binomial_where_all_are_alike(n, q):
    needed = math.ceil(q * n - 1e-9)
    expected = scipy.stats.binom.sf(needed - 1, n, 0.855)
    assert passing_probability([0.855] * n, q) == pytest.approx(expected, rel=1e-10)


def test_the_tail_is_that_of_all_outcomes_where_members_differ():
    chances, power = [0.9, 0.3, 0.5, 0.2, 0.75], [3, 1, 0, 2, 4]
    total = 0.0
    for says in itertools.product([0, 1], repeat=5):
        if np.dot(says, power) >= 3:
            total += math.prod(p if yes else 1 - p for p, yes in zip(chances, says, strict=True))
    assert passing_probability(chances, 0.6, power) == pytest.approx(total, rel=1e-12)


def test_the_table_of_captured_members():
    """Captured .25, .4 and .47 of 64, as published beside the machine that they describe."""
    for captured, chance, rounds in [(16, 1.0, 16.0), (25, 0.804, 17.5), (30, 0.111, 63.8)]:
        found = passing_probability([0.9 * 0.95] * (64 - captured) + [0] * captured)
        assert found == pytest.approx(chance, abs=5e-4)
        assert expected_rounds(found) == pytest.approx(rounds, abs=0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: banzhaf([], 1), "banzhaf: power="),
        (lambda: banzhaf([1, -1], 1), "banzhaf: power="),
        (lambda: banzhaf([1.5, 1], 1), "scale them, or give samples="),
        (lambda: shapley_shubik("stakes", 1), "shapley_shubik: power="),
        (lambda: shapley_shubik([1, 2], float("nan")), "shapley_shubik: quota=nan"),
        (lambda: banzhaf([1, 2], 1, samples=0), "banzhaf: samples=0"),
        (lambda: nakamoto([1, 1], 1.5), "nakamoto: threshold=1.5"),
        (lambda: nakamoto([1, 1], 1), "give a share below 1"),
        (lambda: gini([0, 0]), "gini: power="),
        (lambda: passing_probability([0.5, 1.5]), "passing_probability: yes="),
        (lambda: passing_probability([0.5], 2), "passing_probability: quorum=2"),
        (lambda: passing_probability([0.5, 0.5], power=[1]), "give a number for each of 2 members"),
        (lambda: expected_rounds(2), "expected_rounds: probability=2"),
        (lambda: expected_rounds(0.5, timelock=-1), "expected_rounds: timelock=-1"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(call, words, as_users_run):
    with pytest.raises(gj.ConfigurationError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)
