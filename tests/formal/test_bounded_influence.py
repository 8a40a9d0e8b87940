"""Influence per principal, per round and cumulated, of the real rules, within what they certify."""

import importlib.util
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase
from hypothesis.stateful import run_state_machine_as_test
from specifications import SPECS

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator
from ghostjax.formal import fuzz_settings


found = importlib.util.spec_from_file_location("bounded_influence", SPECS / "bounded_influence" / "machine.py")
bounded_influence = importlib.util.module_from_spec(found)
found.loader.exec_module(bounded_influence)

RULES = bounded_influence.rules()


class Overclaiming(AbstractAggregator):
    """A rule that certifies what another rule may."""

    rule: AbstractAggregator
    claims: AbstractAggregator
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "unconditional"

    def init(self, like: Any) -> Any:
        return self.claims.init(like)

    def step(self, state, x, w, ctx):
        return state, self.rule.step(self.rule.init(x), x, w, ctx)[1]

    def slack(self, w):
        return self.claims.slack(w)

    def kappa(self, w):
        return self.claims.kappa(w)

    def certificate(self, x, w, principal):
        return self.claims.certificate(x, w, principal)


class MedianStarted(AbstractAggregator):
    """Centered clipping from the coordinate median of its own inputs, as in published code."""

    rule: gj.aggregators.CenteredClipping
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "unconditional"

    def init(self, like: Any) -> Any:
        return self.rule.init(like)

    def step(self, state, x, w, ctx):
        middle = gj.aggregators.Median().step((), x, w, ctx)[1]
        _, y = self.rule.step(middle, x, w, ctx)
        return state, y

    def slack(self, w):
        return self.rule.slack(w)

    def kappa(self, w):
        return self.rule.kappa(w)

    def certificate(self, x, w, principal):
        return self.rule.certificate(x, w, principal)


def play(rule, examples=60, steps=20, **settings):
    machine = bounded_influence.machine(rule)
    run_state_machine_as_test(machine, settings=fuzz_settings(examples, steps, **settings))
    return machine.found


@pytest.mark.parametrize("name", RULES)
def test_influence_stays_within_the_certificate(name):
    seen = play(RULES[name])
    print(f"{name}: {seen}")
    assert seen.certified >= 200
    assert seen.certified == seen.rounds or RULES[name].certificate_kind == "conditional"
    # A bound that nothing comes near would prove little.
    assert seen.per_round > 0.6 and 0 < seen.cumulated <= 1 + 1e-9


@pytest.mark.parametrize(
    "rule",
    [
        Overclaiming(gj.aggregators.Mean(), RULES["clipped mean"]),
        MedianStarted(RULES["centered clipping"]),
        Overclaiming(gj.aggregators.TrimmedMean(share=0.2), gj.aggregators.TrimmedMean(share=0.3)),
    ],
    ids=["mean", "median-started centered clipping", "trimmed too little"],
)
def test_broken_twins_are_caught(rule):
    with pytest.raises(AssertionError, match=r"principal [0-2] moved the result by"):
        play(rule, examples=300, phases=[Phase.generate])


def test_a_certificate_that_counts_identities_is_caught():
    """Split-neutrality: a bound per identity instead of per stake grows when an identity is split."""

    class PerIdentity(Overclaiming):
        def certificate(self, x, w, principal):
            count = lambda mask: mask.sum().astype(x.dtype)
            share = count(principal & (w > 0)) / jnp.maximum(count(w > 0), 1)
            return 2 * self.claims.c.astype(x.dtype) * share

    rule = PerIdentity(RULES["clipped mean"], RULES["clipped mean"])
    with pytest.raises(AssertionError, match=r"splitting changes the bound|moved the result by"):
        play(rule, examples=300, phases=[Phase.generate])


def test_two_clusters_and_one_identity_between_them():
    """The case from the literature, by hand: the start at the median gives one identity of eleven the last word."""
    clipping = gj.aggregators.CenteredClipping(tau=1.0, steps=20)
    x = np.repeat([1000.0, -1000.0, 1000.0], [5, 5, 1])[:, None].astype(np.float32)
    y = x.copy()
    y[-1] = -1000
    one = jnp.arange(11) == 10
    bound = float(clipping.certificate(jnp.asarray(x), jnp.ones(11), one))
    np.testing.assert_allclose(bound, 2 * 20 / 11, rtol=1e-6)
    moved = lambda rule: abs(float(rule(jnp.asarray(x))[0] - rule(jnp.asarray(y))[0]))
    np.testing.assert_allclose(moved(clipping), bound, rtol=1e-5)
    assert moved(MedianStarted(clipping)) > 500 * bound
