"""Every test and every detector keeps every law, and every law catches one that breaks it."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import ghostjax as gj
from ghostjax import Round
from ghostjax.detectors import AbstractDetector, AbstractReference, AbstractTest
from ghostjax.testing import check_detector, check_test
from ghostjax.testing._detectors import LAWS, TEST_LAWS

from .table import DETECTORS, TESTS


@pytest.mark.parametrize("name", TESTS)
def test_laws_of_tests(name):
    check_test(TESTS[name]())


@pytest.mark.parametrize("name", DETECTORS)
def test_laws_of_detectors(name):
    detector, known = DETECTORS[name]()
    check_detector(detector, **known)


def test_every_public_member_has_a_row():
    watches = [make()[0] for make in DETECTORS.values()]
    used = {type(make()) for make in TESTS.values()} | {type(w) for w in watches} | {type(w.reference) for w in watches}
    kinds = (AbstractTest, AbstractDetector, AbstractReference)
    members = {v for v in vars(gj.detectors).values() if isinstance(v, type) and issubclass(v, kinds)}
    assert members - set(kinds) == used


class TwinTest(AbstractTest):
    """Reads by `how(memory, x, round, knob)`; the tests below make it break one law each."""

    how: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))
    h: Any = eqx.field(default_factory=lambda: jnp.asarray(9.0))

    def init(self, like):
        return jnp.zeros(like.shape, like.dtype)

    def step(self, state, x, round):
        return self.how(state, x, round, self.knob)


class StaticTest(AbstractTest):
    h: float = eqx.field(static=True, default=5.0)

    def init(self, like):
        return ()

    def step(self, state, x, round):
        return state, reading(x, x > self.h)


def reading(evidence, alarm, since=None):
    since = jnp.full(evidence.shape, -1, jnp.int32) if since is None else since
    return gj.Reading(evidence, alarm, since)


def total(s, x, t, k):
    """A sum that takes nan for an observation of 0."""
    s = s + jnp.nan_to_num(x)
    return s, reading(s, s > 20)


def decaying(s, x, t, k):
    s = jnp.where(jnp.isnan(x), 0.5 * s, 0.5 * s + jnp.nan_to_num(x))
    return s, reading(s, s > 20)


CALLS = itertools.count(1)


def of_eager_mode(s, x, t, k):
    return s, reading(x * next(CALLS), x > 20)


@jax.custom_batching.custom_vmap
def times(k, y):
    return k * y


@times.def_vmap
def _(size, batched, k, y):
    return k[:1, None] * y, True


def scaled(s, x, k):
    y = k * x
    return s, reading(y, y > 20)


BROKEN_TESTS = {
    "shape: a sum": ("shape", TwinTest(lambda s, x, t, k: (s, reading(x.sum(), x.sum() > 2)))),
    "shape: a number for an alarm": ("shape", TwinTest(lambda s, x, t, k: (s, reading(x, x)))),
    "elementwise": ("elementwise", TwinTest(lambda s, x, t, k: (s, reading(x - x.mean(), x > 20)))),
    "nan: forgets": ("nan", TwinTest(decaying)),
    "quiet: at once": ("quiet", TwinTest(lambda s, x, t, k: (s, reading(jnp.zeros_like(x), ~(x < 20))))),
    "since: tomorrow": (
        "since",
        TwinTest(lambda s, x, t, k: (s, reading(x, x > 20, jnp.full(x.shape, t + 1, jnp.int32)))),
    ),
    "power: deaf": ("power", TwinTest(lambda s, x, t, k: (s, reading(x, x > 1000)))),
    "power: nervous": ("power", TwinTest(lambda s, x, t, k: (s, reading(x, x > -1)))),
    "jit": ("jit", TwinTest(of_eager_mode)),
    "vmap": ("vmap", TwinTest(lambda s, x, t, k: (s, reading(times(k, x), x > 20)))),
    "trace: a float of Python": ("trace", TwinTest(lambda s, x, t, k: scaled(s, x, k), knob=1.0)),
    "trace: a static float": ("trace", StaticTest()),
}


class Broken(AbstractDetector):
    """Reads by `how(seen, knob)`."""

    how: Any = eqx.field(static=True)
    knob: Any = eqx.field(default_factory=lambda: jnp.asarray(1.0))

    def init(self, seen):
        return ()

    def watch(self, state, seen):
        return state, self.how(seen, self.knob)


class Static(AbstractDetector):
    h: float = eqx.field(static=True, default=5.0)

    def init(self, seen):
        return ()

    def watch(self, state, seen):
        norm = jnp.abs(seen.result).max()
        return state, reading(norm, norm > self.h)


def size(seen, factor=1.0):
    norm = factor * jnp.abs(seen.result).max()
    return reading(norm, norm > 1e9)


def eager_size(seen, knob):
    return size(seen, next(CALLS))


def leaky(round):
    """A blinded round with a way back to the whole one."""
    return BLIND(round)._replace(evaluate=round.evaluate)


BLIND = Round.blind


def peeks(seen, knob):
    count = seen.evaluate.__self__.byzantine.sum().astype(seen.weights.dtype)
    return reading(count, count > 100)


def batched(seen, knob):
    return reading(times(knob, seen.result[:1]), seen.result[:1] > 1e9)


BROKEN = {
    "shape: a number for an alarm": ("shape", Broken(lambda seen, k: reading(seen.weights, seen.weights))),
    "shape: nobody": (
        "shape",
        Broken(lambda seen, k: reading(seen.weights / seen.weights.sum(), seen.weights > 1e9)),
    ),
    "blind": ("blind", Broken(peeks)),
    "reference": ("reference", Broken(lambda seen, k: reading(seen.weights, seen.weights > 0))),
    "jit": ("jit", Broken(eager_size)),
    "vmap": ("vmap", Broken(batched)),
    "trace: a float of Python": ("trace", Broken(size, knob=1.0)),
    "trace: a static float": ("trace", Static()),
}


@pytest.mark.parametrize("name", BROKEN_TESTS)
def test_a_broken_test_is_caught(name):
    law, broken = BROKEN_TESTS[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_test(broken, skip=TEST_LAWS.keys() - {law})


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_detector_is_caught(name, monkeypatch):
    monkeypatch.setattr(Round, "blind", leaky)
    law, broken = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"\w+: {law}: "):
        check_detector(broken, quiet=2, skip=LAWS.keys() - {law})


def test_every_law_catches_something():
    assert {law for law, _ in BROKEN_TESTS.values()} == TEST_LAWS.keys()
    assert {law for law, _ in BROKEN.values()} == LAWS.keys()


def test_unknown_laws_are_refused():
    with pytest.raises(gj.ConfigurationError, match=r"check_test: skip=\['speed'\]: the laws are"):
        check_test(gj.detectors.CUSUM(), skip=["speed"])
    with pytest.raises(gj.ConfigurationError, match=r"check_detector: skip=\['speed'\]: the laws are"):
        check_detector(DETECTORS["loss"]()[0], skip=["speed"])
