"""What single attacks promise beyond the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.attacks import View


def rows(n, d, seed=0, offset=0.0):
    return jnp.asarray(offset + np.random.default_rng(seed).normal(size=(n, d)), jnp.float32)


def view(x, byzantine, *, key=0, round=0):
    return View(
        messages=x,
        weights=jnp.ones(len(x)),
        byzantine=byzantine,
        models=jnp.zeros(x.shape[1]),
        respond=lambda m: m.mean(0),
        key=jax.random.key(key),
        round=jnp.asarray(round, jnp.int32),
    )


@jax.jit
def play(attack, state, x, w, byzantine, key):
    seen = view(x, byzantine, key=key)._replace(weights=w)
    state, sent = attack.corrupt(state, seen)
    return state, sent.by_sender


@pytest.mark.parametrize("direction", ["std", "unit", "sign"])
def test_min_max_and_min_sum_are_feasible_and_maximal(direction):
    byzantine = jnp.arange(9) >= 7
    attacks = gj.attacks.MinMax(direction), gj.attacks.MinSum(direction)
    sent_by = jax.jit(lambda x: [attack(x, byzantine)[7] for attack in attacks])
    for offset in (0.0, 100.0):
        x = rows(9, 6, offset=offset)
        honest = np.asarray(x[:7], float)
        mean = honest.mean(0)
        apart = ((honest[:, None] - honest[None]) ** 2).sum(-1)
        limits = [
            (lambda m, honest=honest: ((honest - m) ** 2).sum(1).max(), apart.max()),
            (lambda m, honest=honest: ((honest - m) ** 2).sum(1).sum(), apart.sum(1).max()),
        ]
        for sent, (left, right) in zip(np.asarray(sent_by(x), float), limits, strict=True):
            assert left(sent) <= right * (1 + 1e-4)
            assert left(mean + 1.01 * (sent - mean)) > right


def nnm(f, rule):
    def mixed(x, w):
        distances = jnp.square(x[:, None, :] - x[None, :, :]).sum(-1)
        near = jnp.argsort(distances, axis=1)[:, : len(x) - f]
        return rule(x[near].mean(1), w)

    return mixed


def krum(f):
    def rule(x, w):
        distances = jnp.square(x[:, None, :] - x[None, :, :]).sum(-1)
        return x[jnp.argmin(jnp.sort(distances, axis=1)[:, : len(x) - f].sum(1))]

    return rule


@pytest.mark.parametrize("defence", ["krum", pytest.param("trimmed mean after nnm", marks=pytest.mark.slow)])
def test_line_search_beats_a_dense_signed_grid(defence):
    n, f, d = 13, 3, 20
    trimmed = gj.aggregators.TrimmedMean(f=f)
    rule = {"krum": krum(f), "trimmed mean after nnm": nnm(f, trimmed)}[defence]
    x, byzantine, w = rows(n, d, offset=0.2), jnp.arange(n) >= n - f, jnp.ones(n)
    mean, std = x[: n - f].mean(0), jnp.std(x[: n - f], axis=0, ddof=1)

    def hurt(z):
        sent = jnp.where(byzantine[:, None], (mean + z * std)[None, :], x)
        return jnp.linalg.norm(rule(sent, w) - mean)

    search = gj.attacks.LineSearch(gj.attacks.ALIE(z=1.0, sign=1))

    @jax.jit
    def both(z):
        sent = search(x, byzantine, rule=rule)
        return jax.lax.map(hurt, z, batch_size=64).max(), jnp.linalg.norm(rule(sent, w) - mean)

    dense, found = both(np.linspace(-20, 20, 2001, dtype=np.float32))
    assert found >= 0.99 * dense


def test_line_search_counts_its_evaluations():
    calls = []

    def rule(x, w):
        jax.debug.callback(lambda: calls.append(1))
        return x.mean(0)

    search = gj.attacks.LineSearch(gj.attacks.IPM(), grid=5, refinements=2)
    search(rows(5, 3), jnp.arange(5) >= 4, rule=rule)
    jax.effects_barrier()
    assert len(calls) == search.evaluations == 2 * 5 + 1 + 2 * 8


def test_line_search_inside_gossip_and_around_every_attack():
    search = gj.attacks.LineSearch(gj.attacks.SignFlip(), grid=3, refinements=0)
    x, byzantine = rows(4, 3), jnp.arange(4) >= 2
    gossip = lambda m, w: 0.5 * m + 0.5 * m.mean(0)[None, :]
    sent = search(x, byzantine, rule=gossip)
    assert jnp.linalg.norm(sent[2:]) > 10 * jnp.linalg.norm(x)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: gj.attacks.ALIE(ddof=2), r"ALIE: ddof=2: use 0 or 1"),
        (lambda: gj.attacks.MinMax(ddof=2), r"MinMax: ddof=2: use 0 or 1"),
        (lambda: gj.attacks.MinSum(ddof=2), r"MinSum: ddof=2: use 0 or 1"),
        (lambda: gj.attacks.NonFinite(3.0), r"NonFinite: value=3.0: .*Constant"),
        (lambda: gj.attacks.LabelMap({}), r"LabelMap: mapping=\{\}: name at least one"),
        (lambda: gj.attacks.LabelMap([(1, 2), (1, 3)]), r"LabelMap: mapping=.*at most one"),
        (lambda: gj.attacks.LineSearch(gj.attacks.Isolation()), r"LineSearch: attack=Isolation: "),
        (lambda: gj.attacks.LineSearch(gj.attacks.IPM(), low=0.0), r"LineSearch: low=0.0: must lie"),
        (lambda: gj.attacks.LineSearch(gj.attacks.IPM(), grid=1), r"LineSearch: grid=1: "),
        (lambda: gj.attacks.FangKrum(halvings=-1), r"FangKrum: halvings=-1: "),
    ],
)
def test_impossible_values_are_refused(make, match):
    with pytest.raises(gj.ConfigurationError, match=match):
        make()


def test_optimised_attacks_ask_for_the_defence():
    with pytest.raises(gj.ConfigurationError, match=r"LineSearch\(x, byzantine\): rule=None: "):
        gj.attacks.LineSearch(gj.attacks.IPM())(jnp.ones((3, 1)), jnp.arange(3) >= 2)


def test_labels_that_cannot_be_flipped_are_refused():
    batch = gj.tasks.Batch(jnp.zeros((2, 3)), jnp.zeros((2, 3)))
    before = gj.attacks.Before(jnp.asarray(0), jnp.zeros(1), jnp.array([False, True]), {}, jax.random.key(0))
    with pytest.raises(gj.ConfigurationError, match=r"LabelFlip: batch=y of dtype float32: needs integer"):
        gj.attacks.LabelFlip().poison((), batch, before)
    with pytest.raises(gj.ConfigurationError, match=r"LabelFlip: num_classes=None: the task does not say how many"):
        gj.attacks.LabelFlip().poison((), batch._replace(y=jnp.zeros((2, 1), int)), before)
    with pytest.raises(gj.ConfigurationError, match=r"LabelMap: batch=no field y: "):
        gj.attacks.LabelMap({1: 2}).poison((), (batch.x,), before)


@pytest.mark.parametrize("attack", [gj.attacks.Gaussian(2.0, 3.0), gj.attacks.NoisyMean(3.0), gj.attacks.Random(-4, 8)])
def test_noise_is_independent_between_identities_and_rounds(attack):
    x, byzantine = jnp.full((4, 4000), 2.0), jnp.arange(4) >= 1
    one, two = (np.asarray(play(attack, (), x, jnp.ones(4), byzantine, key)[1])[1:] for key in (1, 2))
    draws = np.concatenate([one, two])
    # Six standard errors of the mean, the variance and the correlation of 4000 draws.
    spread = 12 / np.sqrt(12) if isinstance(attack, gj.attacks.Random) else 3
    np.testing.assert_allclose(draws.mean(1), 2, atol=6 * spread / np.sqrt(4000))
    np.testing.assert_allclose(draws.std(1), spread, rtol=6 * np.sqrt(0.5 / 4000))
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 6 / np.sqrt(4000)


def test_an_identity_draws_the_same_numbers_in_a_larger_network():
    small = gj.attacks.Gaussian()(jnp.zeros((3, 5)), jnp.arange(3) == 1)
    large = gj.attacks.Gaussian()(jnp.zeros((8, 5)), jnp.arange(8) < 4)
    np.testing.assert_array_equal(small[1], large[1])


def test_mimic_copies_the_next_present_honest_identity():
    x, byzantine = rows(5, 2), jnp.array([False, True, False, False, True])
    for target, w, copied in [
        (0, None, 0),
        (1, None, 2),
        (4, None, 0),
        (2, jnp.array([1.0, 1, 0, 1, 1]), 3),
        (3, jnp.array([1.0, 1, 1, 0, 1]), 0),
    ]:
        np.testing.assert_array_equal(gj.attacks.Mimic(target)(x, byzantine, w)[1], x[copied])


def reference_mimic(x, start, warmup):
    """The published recursion, in plain Python, one honest row at a time."""
    mean, z, target, copied = np.zeros(x.shape[2]), start, None, []
    unit = lambda v: v / np.linalg.norm(v)
    for t, honest in enumerate(x):
        if t < warmup:
            mean = t / (1 + t) * mean + honest.mean(0) / (1 + t)
            pull = unit(sum(np.dot(g - mean, z) * (g - mean) for g in honest))
            z = pull if t == 0 else unit(t / (1 + t) * z + pull / (1 + t))
            target = int(np.argmax(honest @ z))
        copied.append(target)
    return copied


@pytest.mark.parametrize("warmup", [1, 4])
def test_mimic_heuristic_follows_the_published_recursion(warmup, x64):
    n, d, rounds = 8, 5, 7
    x = jnp.asarray(np.random.default_rng(3).normal(size=(rounds, n, d)))
    byzantine = jnp.arange(n) >= 6
    attack = gj.attacks.MimicHeuristic(warmup)
    state = attack.init(jax.ShapeDtypeStruct((n, d), x.dtype))
    first = view(x[0], byzantine)
    start = np.asarray(attack._start(first))
    sent = []
    for t in range(rounds):
        state, rows = play(attack, state, x[t], jnp.ones(n), byzantine, 0)
        sent.append(rows[7])
    expected = reference_mimic(np.asarray(x[:, :6]), start, warmup)
    np.testing.assert_array_equal(np.stack(sent), [x[t, i] for t, i in enumerate(expected)])
    assert int(state.steps) == warmup


def test_mimic_heuristic_finds_the_minority():
    # One honest identity in twelve lives far away along a line; a few power steps point there.
    x = rows(15, 30).at[4, 0].add(12.0)
    byzantine = jnp.arange(15) >= 12
    attack = gj.attacks.MimicHeuristic(warmup=10)
    state = attack.init(jax.ShapeDtypeStruct(x.shape, x.dtype))
    for t in range(12):
        state, _ = play(attack, state, x, jnp.ones(15), byzantine, t)
    # The direction has no sign: the copy is the outlier or the row farthest from it.
    assert int(state.target) in (4, int(jnp.argmin(x[:12] @ state.direction * jnp.sign(x[4] @ state.direction))))
    # Absent for a round, somebody else is copied; back again, it is copied again.
    after, sent = play(attack, state, x, jnp.ones(15).at[state.target].set(0), byzantine, 12)
    assert (sent[14] != x[state.target]).any() and after.target == state.target


@pytest.mark.parametrize(
    "attack", [gj.attacks.ALIE(), gj.attacks.MinMax("std"), gj.attacks.MinMax("unit"), gj.attacks.MinSum("std")]
)
def test_derivatives_stay_finite_where_nothing_moves(attack):
    # Pixels that are always blank give gradients that are zero at every node.
    x, byzantine = rows(6, 4).at[:, 2].set(0.0), jnp.arange(6) >= 5
    gradient = jax.jit(jax.grad(lambda w, m: (attack(m, byzantine, w)[5] ** 2).sum()))
    for messages in (x, jnp.zeros_like(x)):
        assert np.isfinite(gradient(jnp.ones(6), messages)).all()


def test_line_search_does_not_follow_rounding_on_a_plateau():
    """A defence that cuts off what is far answers alike from some magnitude on, up to rounding."""
    search = gj.attacks.LineSearch(gj.attacks.ALIE(z=1.0), signed=False)._search
    eps = jnp.finfo(jnp.float32).eps

    def plateau(noise):
        return lambda t: jnp.minimum(t, 3) * (1 + noise * eps * jnp.cos(1e3 * t))

    smooth, noisy = (jax.jit(lambda noise=noise: search(plateau(noise), jnp.float32))() for noise in (0.0, 8.0))
    assert smooth == noisy and 2.9 < smooth < 4
