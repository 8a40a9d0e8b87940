"""Every rule keeps every law, lacks what it says it lacks, and every law catches a rule that breaks it."""

import itertools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import Tracer

from ghostjax import aggregators as agg, ConfigurationError
from ghostjax.aggregators.guarantees import AbstractGuarantee, Mass
from ghostjax.testing import check_aggregator
from ghostjax.testing._aggregators import LAWS
from ghostjax.testing._rules import RuleHarness

from .table import MEMBERS, MORE, TABLE


EVERY = TABLE | MEMBERS | MORE
ROWS = [*TABLE, *MEMBERS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]


def harness(rule, examples, shrink=True, low=True):
    return RuleHarness(rule, n=8, d=6, masses=("f", "m"), examples=examples, shrink=shrink, low=low)


@pytest.mark.parametrize("name", ROWS)
def test_laws(name):
    rule = EVERY[name]()
    one = harness(rule, examples=20 if name in MORE else 8, low=name not in MEMBERS)
    for law, check in LAWS.items():
        if law not in rule.exempt_laws:
            check(one)
    # What a rule says it lacks, it breaks: a declaration that excuses nothing would hide a law that holds.
    one.examples, one.shrink = 150, False
    for law in rule.exempt_laws:
        with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
            LAWS[law](one)


def test_every_public_rule_has_a_row_in_the_quick_suite():
    used = {type(make()) for make in (TABLE | MEMBERS).values()}
    public = {
        value
        for name, value in vars(agg).items()
        if isinstance(value, type) and issubclass(value, agg.AbstractAggregator) and not name.startswith("Abstract")
    }
    assert public == used


class Claim(AbstractGuarantee):
    """That a principal moves the result by its share of `bound`, and that kappa is `robustness`."""

    bound: float = eqx.field(static=True)
    robustness: float = eqx.field(static=True)
    assumed: Mass

    @property
    def kind(self):
        return "none" if self.bound == jnp.inf else "unconditional"

    def byzantine_mass(self, w):
        return self.assumed(w.sum())

    def tolerated_mass(self, w):
        return self.assumed.tolerated(w.sum())

    def margin(self, w):
        return w.sum()

    def kappa(self, w):
        return jnp.asarray(self.robustness, w.dtype)

    def influence_bound(self, x, w, principal):
        return self.unconditional_bound(w, principal)

    def unconditional_bound(self, w, principal):
        total = w.sum()
        share = jnp.where(principal, w, 0).sum() / jnp.where(total > 0, total, 1)
        return jnp.where(share > 0, self.bound * share, 0) if self.bound < jnp.inf else jnp.asarray(jnp.inf, w.dtype)

    def norm_gain(self, w):
        return jnp.asarray(jnp.inf, w.dtype)

    def lipschitz(self, w):
        return jnp.full_like(w, jnp.inf)


class Part(AbstractGuarantee):
    """A guarantee with a part of every bound, of a result that it says lies in the convex hull."""

    whole: AbstractGuarantee
    part: float = eqx.field(static=True)
    kind: ClassVar[Any] = "conditional"
    in_convex_hull: ClassVar[bool] = True

    def byzantine_mass(self, w):
        return self.whole.byzantine_mass(w)

    def tolerated_mass(self, w):
        return self.whole.tolerated_mass(w)

    def margin(self, w):
        return self.whole.margin(w)

    def kappa(self, w):
        return self.whole.kappa(w)

    def influence_bound(self, x, w, principal):
        return self.part * self.whole.influence_bound(x, w, principal)

    def unconditional_bound(self, w, principal):
        return self.part * self.whole.unconditional_bound(w, principal)

    def norm_gain(self, w):
        return self.part * self.whole.norm_gain(w)

    def lipschitz(self, w):
        return self.part * self.whole.lipschitz(w)


class Broken(agg.AbstractAggregator):
    """`of(x, w, knob)`; the tests below make it break one law each."""

    of: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))
    bound: Any = eqx.field(static=True, default=jnp.inf)
    robustness: Any = eqx.field(static=True, default=jnp.inf)
    f: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))

    @property
    def guarantee(self):
        return Claim(self.bound, self.robustness, Mass(f=self.f))

    def init(self, like):
        return ()

    def step(self, state, x, w, ctx):
        return state, self.of(x, w, self.knob.astype(x.dtype) if eqx.is_array(self.knob) else self.knob)


class Restarted(agg.AbstractAggregator):
    """Centered clipping from the coordinate median of the messages, with the certificate of a fixed centre."""

    inner: agg.CenteredClipping = eqx.field(default_factory=lambda: agg.CenteredClipping(tau=1.0, steps=3))

    @property
    def guarantee(self):
        return self.inner.guarantee

    def init(self, like):
        return ()

    def step(self, state, x, w, ctx):
        return state, self.inner.step(agg.Median().step((), x, w, ctx)[1], x, w, ctx)[1]


class Overclaiming(agg.AbstractAggregator):
    """Any rule with a part of its certificate, or one that says that its result lies in the hull."""

    rule: agg.AbstractAggregator
    part: float = eqx.field(static=True, default=1.0)

    @property
    def guarantee(self):
        return Part(self.rule.guarantee, self.part)

    @property
    def needs(self):
        return self.rule.needs

    def init(self, like):
        return self.rule.init(like)

    def step(self, state, x, w, ctx):
        return self.rule.step(state, x, w, ctx)


class Stateful(agg.AbstractAggregator):
    """The mean with a memory of each row, whoever was present."""

    def init(self, like):
        return jnp.zeros(like.shape, like.dtype)

    def step(self, state, x, w, ctx):
        return x, mean(x, w) + state.sum(0)


def mean(x, w):
    total = w.sum()
    return jnp.where(total > 0, w / jnp.where(total > 0, total, 1), 0) @ x


def squares(x):
    return jnp.square(x[:, None, :] - x[None, :, :]).sum(-1)


def krum_of_any(x, w, k):
    """Krum whose scores count absent rows as neighbours and every row once."""
    scores = jnp.sort(squares(x), axis=1)[:, : len(x) - 1].sum(1)
    return jnp.where(w.sum() > 0, x[jnp.argmin(jnp.where(w > 0, scores, jnp.inf))], 0)


def krum_of_ones(x, w, k):
    """Krum whose scores forget the weights of the neighbours."""
    scores = jnp.where((w > 0)[None, :], squares(x), 0).sum(1)
    return jnp.where(w.sum() > 0, x[jnp.argmin(jnp.where(w > 0, scores, jnp.inf))], 0)


def centred_on_all(x, w, k):
    """The mean of differences to a centre that counts absent rows."""
    centre = x.mean(0)
    return jnp.where(w.sum() > 0, centre + mean(jnp.tanh(x - centre[None, :]), w), 0)


def masked_by_product(x, w, k):
    share = w / jnp.maximum(w.sum(), 1e-9)
    return (jnp.sqrt(share)[:, None] * (jnp.square(x) * jnp.sqrt(share)[:, None])).sum(0)


CALLS = itertools.count(1)


def of_eager_mode(x, w, k):
    # A side effect that a compiled program does only once.
    return mean(x, w) + jnp.asarray(0 if isinstance(w, Tracer) else next(CALLS), x.dtype)


class Static(agg.AbstractAggregator):
    """The mean times a static number, which sets neither a shape nor a loop bound."""

    factor: float = eqx.field(static=True, default=1.0)
    count: int = eqx.field(static=True, default=1)

    def init(self, like):
        return ()

    def step(self, state, x, w, ctx):
        return state, self.factor * self.count * mean(x, w)


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    # Every case of the batch takes the knob of the first.
    return k[:1, None] * y, True


BROKEN = {
    "shape: float32": ("shape", Broken(lambda x, w, k: mean(x, w).astype(jnp.float32))),
    "shape: wider": ("shape", Broken(lambda x, w, k: jnp.concatenate([mean(x, w), w[:1]]))),
    "nobody: nan": ("nobody", Broken(lambda x, w, k: (w @ x) / w.sum())),
    "nobody: unweighted": ("nobody", Broken(lambda x, w, k: mean(x, w) + (w.sum() == 0).astype(x.dtype))),
    "absence: divides by n": ("absence", Broken(lambda x, w, k: (w @ x) / len(w))),
    "absence: scores": ("absence", Broken(krum_of_any)),
    "absence: centre": ("absence", Broken(centred_on_all)),
    "absence: inf times 0": ("absence", Broken(masked_by_product)),
    "absence: memory": ("absence", Stateful()),
    "repetition: scores": ("repetition", Broken(krum_of_ones)),
    "repetition: presence": ("repetition", Broken(lambda x, w, k: mean(x, (w > 0).astype(w.dtype)))),
    "permutation": ("permutation", Broken(lambda x, w, k: mean(x, w * jnp.arange(1, len(w) + 1).astype(w.dtype)))),
    "unanimity": ("unanimity", Broken(lambda x, w, k: 0.99 * mean(x, w))),
    "weight_scale": ("weight_scale", Broken(lambda x, w, k: (w @ x) / (1 + w.sum()))),
    "translation": ("translation", Broken(lambda x, w, k: mean(x, w / (1 + jnp.square(x).sum(1))))),
    "scale": ("scale", Broken(lambda x, w, k: mean(x, w) + k)),
    "rotation": ("rotation", agg.Median()),
    "certificate: mean": ("certificate", Broken(lambda x, w, k: mean(x, w), bound=2.0)),
    "certificate: centre": ("certificate", Restarted()),
    "certificate: robustness": ("certificate", Overclaiming(agg.NNM(agg.Median(f=1), f=1), 0.1)),
    "certificate: of buckets": ("certificate", Overclaiming(agg.Bucketing(agg.TrimmedMean(f=1)), 0.05)),
    "certificate: of the median": ("certificate", Overclaiming(agg.GeometricMedian(smoothing="none"), 0.2)),
    "certificate: of clipped norms": ("certificate", Overclaiming(agg.ARC(agg.Mean(), f=2), 0.8)),
    "certificate: of a hull": ("certificate", Overclaiming(agg.Clipping(agg.Krum(f=2)), 0.5)),
    "certificate: of a share": ("certificate", Overclaiming(agg.Clipping(agg.Mean()), 0.8)),
    "response: apart": ("response", Overclaiming(agg.CenteredClipping(tau=0.5, steps=2), 0.6)),
    "response: of buckets": ("response", Overclaiming(agg.Bucketing(agg.Clipping(agg.Mean(), c=0.5)), 0.5)),
    "response: length": ("response", Overclaiming(agg.TrimmedMean(f=2), 0.5)),
    "response: of each message": ("response", Overclaiming(agg.Mean(), 0.5)),
    "hull": ("hull", Overclaiming(agg.Median())),
    "kappa: mean": ("kappa", Broken(lambda x, w, k: mean(x, w), robustness=2.0)),
    "kappa: too small": ("kappa", Broken(lambda x, w, k: agg.Median()(x, w), robustness=0.3)),
    "jit": ("jit", Broken(of_eager_mode)),
    "vmap": ("vmap", Broken(lambda x, w, k: times(k, mean(x, w)))),
    "trace: a float of Python": ("trace", Broken(lambda x, w, k: k * mean(x, w), knob=1.0)),
    "trace: a count of Python": ("trace", Broken(lambda x, w, k: k * mean(x, w), knob=1)),
    "trace: a static float": ("trace", Static(factor=1.5)),
    "trace: a static count": ("trace", Static(count=2)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_caught(name):
    law, rule = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        LAWS[law](harness(rule, examples=60, shrink=False))


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def test_a_failure_names_the_rule_the_law_and_the_numbers():
    everything_else = LAWS.keys() - {"unanimity"}
    with pytest.raises(AssertionError, match=r"(?s)Broken: unanimity: .* instead of .* apart .* weights \["):
        check_aggregator(Broken(lambda x, w, k: 0.5 * mean(x, w)), skip=everything_else, examples=5)


def test_impossible_requests_are_refused():
    with pytest.raises(ConfigurationError, match=r"check_aggregator: skip=\['speed'\]: the laws are"):
        check_aggregator(agg.Mean(), skip=["speed"])
    with pytest.raises(ConfigurationError, match=r"check_aggregator: n=6: use more rows"):
        check_aggregator(agg.Mean(), n=6)
    with pytest.raises(ConfigurationError, match=r"check_aggregator: d=2: "):
        check_aggregator(agg.Mean(), n=6, d=2)


@pytest.mark.parametrize("make", [lambda: agg.Krum(f=2), lambda: agg.MultiKrum(f=2)])
def test_without_ties_the_order_of_identities_is_irrelevant(make):
    run = eqx.filter_jit(lambda rule, x: rule(x))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, order = rng.normal(size=(8, 5)).astype(np.float32), rng.permutation(8)
        assert np.abs(np.asarray(run(make(), x)) - np.asarray(run(make(), x[order]))).max() < 1e-5
