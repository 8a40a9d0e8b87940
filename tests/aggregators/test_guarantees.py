"""Guarantees: the numbers before they were objects, and what wrappers pass on, against a search for messages."""

import itertools
import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from ghostjax import aggregators as agg
from ghostjax._types import real_field, static_field
from ghostjax.aggregators.guarantees import Mass, Robust
from ghostjax.testing import check_aggregator
from ghostjax.testing._aggregators import LAWS

from .table import MEMBERS, MORE, TABLE


EVERY = TABLE | MEMBERS | MORE
BEFORE = json.loads(Path(__file__).with_name("guarantees.json").read_text())
WEIGHTS = {
    "ones": [1, 1, 1, 1, 1, 1, 1, 1, 1],
    "absent": [1, 1, 0, 1, 1, 1, 0, 1, 1],
    "unlike": [0.5, 1, 2, 1, 0.25, 1, 1, 1.5, 1],
    "few": [0, 0, 1, 1, 0, 1, 0, 0, 0],
}
PRINCIPALS = [np.isin(np.arange(9), who) for who in ([3], [1, 7], [0, 3, 5])]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in MORE else ()) for name in BEFORE]
)
def test_numbers_are_those_of_before_guarantees_were_objects(name, x64):
    rule, before = EVERY[name](), BEFORE[name]
    x = np.random.default_rng(5).normal(1.0, 2.0, (9, 4))
    far = x + 40 * (np.arange(9) == 3)[:, None]
    certificates = eqx.filter_jit(
        lambda rule, x, w, who: jax.lax.map(lambda one: rule.certificate(one[0], w, one[1]), (x, who))
    )
    numbers = eqx.filter_jit(
        lambda g, w: {
            "margin": g.margin(w),
            "kappa": g.kappa(w),
            "mass": g.byzantine_mass(w),
            "bears": g.tolerated_mass(w),
        }
    )
    assert rule.guarantee.in_convex_hull == before["hull"]
    assert rule.certificate_kind == ("none" if name == "nnm_mean" else before["kind"])
    cases = list(itertools.product((x, far), PRINCIPALS))
    rows, who = (np.stack(column) for column in zip(*cases, strict=True))
    for weights, values in WEIGHTS.items():
        w, expected = jnp.asarray(values, float), before[weights]
        for key, value in numbers(rule.guarantee, w).items():
            np.testing.assert_allclose(value, float(expected[key]), rtol=1e-12, err_msg=f"{weights} {key}")
        said = certificates(rule, jnp.asarray(rows), w, jnp.asarray(who))
        np.testing.assert_allclose(said, [float(v) for v in expected["certificate"]], rtol=1e-9, err_msg=weights)


def test_a_rule_without_a_promise_says_nothing_and_one_with_a_constant_says_one_thing():
    class Silent(agg.AbstractCoordinateRule):
        def trim(self, total):
            return total / 4

    class Constant(agg.AbstractCoordinateRule):
        f: float = 1.0

        def trim(self, total):
            return Mass(f=self.f)(total)

        @property
        def guarantee(self):
            return Robust(Mass(f=self.f), lambda mass, total: 6 * mass / (total - 2 * mass))

    x, w = jnp.asarray(np.random.default_rng(0).normal(size=(8, 3)), jnp.float32), jnp.ones(8)
    alone = jnp.arange(8) == 2
    assert Silent().certificate_kind == "none" and np.isinf(Silent().certificate(x, w, alone))
    assert (
        Silent().margin(w) == 8 and np.isinf(Silent().kappa(w)) and not agg.outnumbered(Silent(), w, jnp.arange(8) < 3)
    )
    assert Constant().kappa(w) == 1 and Constant().margin(w) == 6
    assert agg.outnumbered(Constant(), w, jnp.arange(8) < 2)
    others = np.delete(np.asarray(x), 2, axis=0)
    sigma = np.sqrt(np.square(others - others.mean(0)).sum(1).mean())
    np.testing.assert_allclose(Constant().certificate(x, w, alone), 2 * sigma, rtol=1e-5)
    assert not jax.tree.leaves(Silent())  # a guarantee is no leaf of its rule


class Medoid(agg.AbstractGeometricRule):
    """The rule of `docs/extending.md`, with a part of its constant."""

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    part: float = static_field(default=1.0)
    exempt_laws = frozenset({"permutation"})

    def coefficients(self, dist2, w):
        costs = jnp.where(w > 0, jnp.sqrt(dist2) @ w, jnp.inf)
        chosen = (jnp.arange(len(w)) == costs.argmin()) & (w.max() > 0)
        return chosen.astype(w.dtype)

    @property
    def guarantee(self):
        # Of the honest set S, with mean m and mean distance u to it: all costs of S are on average at most
        # (2 W - F) u + b, b the cost of m among the others; that of y is at least (W - 2 F) |y - m| - (W - F) u + b.
        kappa = lambda mass, total: self.part * jnp.square((3 * total - 2 * mass) / (total - 2 * mass))
        return Robust(Mass(f=self.f), kappa, in_convex_hull=True)


def test_a_robustness_constant_of_a_user_is_held_to_the_laws():
    rule, laws = Medoid(f=1), ("certificate", "kappa", "response", "hull")
    check_aggregator(rule, skip=LAWS.keys() - set(laws), examples=10)
    with pytest.raises(AssertionError, match="Medoid: kappa: "):
        check_aggregator(Medoid(f=1, part=0.02), skip=LAWS.keys() - {"kappa"}, examples=60)


CC = agg.CenteredClipping
CLIPPED = agg.Clipping(agg.Mean(), c=0.5)
N = 8
PASSED_ON = {
    # rule, identities of the principal, its bound, and the part of it that a search must find
    "mixing before centered clipping": (agg.NNM(CC(tau=0.5, steps=3), f=0), 1, 2 * 0.5 * 3, 0.95),
    "mixing before a clipped mean": (agg.NNM(CLIPPED, f=0), 1, 2 * 0.5, 0.99),
    "mixing, most of them": (agg.NNM(CC(tau=0.5), f=2), 6, 2 * 0.5, 0.7),
    "buckets before centered clipping": (agg.Bucketing(CC(tau=0.5)), 1, 2 * 0.5 / 4, 0.99),
    "buckets, two identities": (agg.Bucketing(CC(tau=0.5)), 2, 2 * 0.5 * 2 / 4, 0.49),
    "buckets before a clipped mean": (agg.Bucketing(CLIPPED, size=4), 1, 2 * 0.5 / 2, 0.99),
    "buckets before a clipped hull": (agg.Bucketing(agg.Clipping(agg.Krum(f=1), c=0.5)), 8, 2 * 0.5, 0.99),
    "buckets before mixing": (agg.Bucketing(agg.NNM(CC(tau=0.5), f=0)), 1, 2 * 0.5, 0.99),
    "clipping before centered clipping": (agg.Clipping(CC(tau=2.0), c=0.5), 1, 2 * 0.5 / 8, 0.99),
    "clipping before wide centered clipping": (agg.Clipping(CC(tau=0.2), c=9.0), 1, 2 * 0.2 / 8, 0.99),
    "adaptive clipping before centered clipping": (agg.ARC(CC(tau=0.5)), 1, 2 * 0.5 / 8, 0.99),
    "adaptive clipping of all": (agg.ARC(CC(tau=0.5), f=1), 8, 2 * 0.5, 0.99),
    "adaptive clipping before a clipped mean": (agg.ARC(CLIPPED, f=1), 8, 2 * 0.5, 0.99),
}


@eqx.filter_jit
def results(rule, x):
    """What the rule makes of many choices of messages, from its initial state."""
    w, key = jnp.ones(x.shape[1], x.dtype), jax.random.key(0)
    return jax.vmap(lambda one: rule.step(rule.init(one), one, w, agg.Context(key=key))[1])(x)


def farthest(rule, x, principal):
    """The largest distance between two results that a search over the principal's messages finds."""
    rng = np.random.default_rng(1)
    size = (64, N, x.shape[1])
    scale = 10.0 ** rng.integers(-1, 6, (64, 1, 1))
    sent = np.concatenate(
        [scale * rng.normal(size=size), scale * rng.normal(size=(64, 1, x.shape[1])) + np.zeros(size)]
    )
    found = 0.0
    for _ in range(12):
        sent = np.concatenate([sent, -sent]).astype(np.float32)
        y = np.asarray(results(rule, jnp.asarray(np.where(principal[None, :, None], sent, x))))
        apart = np.linalg.norm(y[:, None] - y[None], axis=-1)
        pair = np.unravel_index(apart.argmax(), apart.shape)
        found = max(found, float(apart[pair]))
        near = sent[np.repeat(pair, 64)]
        sent = near * (1 + rng.normal(size=(128, N, 1)) * 10.0 ** rng.integers(-2, 1, (128, 1, 1))) + (
            0.1 * np.abs(near).max((1, 2), keepdims=True) * rng.normal(size=near.shape)
        )
        sent[0], sent[64] = near[0], near[64]
    return found


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_wrapper_passes_on_what_its_rule_promises_for_any_input(name):
    rule, identities, bound, part = PASSED_ON[name]
    x = 0.1 * np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
    principal, w = np.arange(N) < identities, jnp.ones(N)
    said = float(eqx.filter_jit(lambda rule: rule.certificate(jnp.asarray(x), w, jnp.asarray(principal)))(rule))
    np.testing.assert_allclose(said, bound, rtol=1e-5)
    found = farthest(rule, x, principal)
    assert part * bound <= found <= bound * (1 + 1e-5)


def test_buckets_of_unlike_weights_count_the_heaviest_identities():
    w = jnp.asarray([1.0, 1, 2, 1, 1, 1, 1, 1])
    one = jnp.arange(8) == 2
    said = float(agg.Bucketing(CC(tau=0.5)).certificate(jnp.zeros((8, 2)), w, one))
    np.testing.assert_allclose(said, 2 * 0.5 * 2 / (2 + 3), rtol=1e-6)  # a bucket of 2 beside three of 1, at worst
    least = 2 * 0.5 * 1.5 / (1.5 + 3)  # the bucket holds an ordinary identity too
    assert least <= said <= 2 * least


def test_a_bound_of_huge_weights_is_that_of_ordinary_ones():
    x, one = jnp.asarray(np.random.default_rng(0).normal(size=(8, 3)), jnp.float32), jnp.arange(8) == 2
    for rule in (agg.TrimmedMean(share=0.2), agg.NNM(CC(), share=0.2), agg.Clipping(agg.Mean()), agg.Bucketing(CC())):
        for size in (1e-35, 3e38):
            large = rule.certificate(x, jnp.full(8, size, jnp.float32), one)
            np.testing.assert_allclose(large, rule.certificate(x, jnp.ones(8), one), rtol=1e-5)
