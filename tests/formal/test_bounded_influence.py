"""Influence per principal, per round and cumulated, of the real rules, within what they certify."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator

from .bound import results, subject
from .specifications import manifest, module


bounded_influence = module("bounded_influence")
QUICK = ("clipped mean", "centered clipping", "TrimmedMean")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in subject("bounded_influence").found.bindings.machines
    ],
)
def test_influence_stays_within_the_certificate_and_twins_are_caught(name):
    found = results("bounded_influence", name)
    assert [result.outcome for result in found] == ["passed"] * len(found), found
    assert [result.case.kind for result in found] == ["machine", *["code mutant"] * (len(found) - 1)] and len(
        found
    ) >= 2
    assert found[0].played >= 200 and "moved the result by" in found[1].text


def test_the_manifest_names_what_is_attained_and_what_is_caught():
    golden, machines = manifest("bounded_influence"), bounded_influence.machines()
    assert (golden["slots"], golden["principals"]) == (bounded_influence.SLOTS, bounded_influence.PRINCIPALS)
    kinds = {name: bounded_influence.rules()[name].certificate_kind for name in bounded_influence.TIGHT}
    assert golden["attained"] == kinds
    assert set(golden["code mutants"]) == {mutant for machine in machines.values() for mutant in machine.mutants}


def test_every_rule_with_a_certificate_is_held_to_it(monkeypatch):
    """A rule joins by stating a certificate: its own row is made from its class alone."""
    covered = {type(rule) for rule in bounded_influence.rules().values()}
    concrete = [
        kind for kind in vars(gj.aggregators).values()
        if isinstance(kind, type) and issubclass(kind, AbstractAggregator) and not inspect.isabstract(kind)
    ]  # fmt: skip
    promising = {
        type(rule) for kind in concrete for _, rule in bounded_influence.examples(kind) if rule.guarantee.kind != "none"
    }
    assert len(promising) >= 6 and covered == promising

    class Midway(gj.aggregators.AbstractCoordinateRule):
        guarantee = gj.aggregators.Median().guarantee
        trim = lambda self, total: total / 2

    monkeypatch.setattr(gj.aggregators, "Midway", Midway, raising=False)
    assert "Midway" in bounded_influence.rules() and "Midway" in bounded_influence.machines()


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
    assert moved(bounded_influence.MedianStarted(clipping)) > 500 * bound
