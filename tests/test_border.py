"""What a user hands in is taken for what is meant, or refused in one line that says the way out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._border import choice, member, members, number, whole


rules, attacks = gj.aggregators, gj.attacks
REFUSED = {
    "text for a number": (lambda: rules.TrimmedMean(f="2"), "TrimmedMean: f='2': give a number of at least 0"),
    "none for a number": (lambda: rules.TrimmedMean(f=None), "TrimmedMean: f=None: give a number"),
    "bool for a number": (lambda: rules.TrimmedMean(f=True), "TrimmedMean: f=True: give a number"),
    "list for a number": (lambda: rules.TrimmedMean(f=[1.0, 2.0]), "TrimmedMean: f="),
    "ragged": (lambda: rules.TrimmedMean(f=[[1.0], [2.0, 3.0]]), "TrimmedMean: f="),
    "nan": (lambda: rules.TrimmedMean(f=np.nan), "TrimmedMean: f=nan: give a number of at least 0"),
    "beyond float32": (lambda: rules.TrimmedMean(f=1e39), "TrimmedMean: f=inf: give a finite number"),
    "negative": (lambda: rules.TrimmedMean(f=-1), "TrimmedMean: f=-1.0: give a number of at least 0"),
    "share": (lambda: rules.TrimmedMean(share=1.5), "TrimmedMean: share=1.5: give a number between 0 and 1"),
    "fraction for a count": (lambda: attacks.Mimic(1.5), "Mimic: target=1.5: give a whole number"),
    "huge count": (lambda: attacks.Mimic(2**40), "Mimic: target=1099511627776: give a whole number"),
    "name of a rule": (lambda: rules.NNM("trimmed_mean"), "give an object, gj.aggregators.TrimmedMean(...)"),
    "class of a rule": (lambda: rules.NNM(rules.Krum), "that is the class; make an object of it"),
    "function for a rule": (lambda: gj.protocols.Server(jnp.mean), "not a function"),
    "optax object": (lambda: gj.protocols.Server(rules.Mean(), optax.adam(1e-3)), "write gj.Optimizer(optax.sgd"),
    "optax factory": (lambda: gj.protocols.Server(rules.Mean(), optax.adam), "write gj.Optimizer(optax.sgd"),
    "number of steps": (lambda: gj.learners.LocalSteps(3), "LocalSteps: optimizer=3: give an optimizer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, as_users_run):
    make, words = REFUSED[name]
    with pytest.raises(gj.ConfigurationError) as caught:
        make()
    assert words in str(caught.value) or str(caught.value).startswith(words)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_numbers_of_any_kind_are_knobs():
    for two in (2, 2.0, np.float64(2), np.int64(2), np.array(2), jnp.asarray(2)):
        assert rules.TrimmedMean(f=two).f == 2
        assert attacks.Mimic(two).target == 2
    assert attacks.Mimic(2).target.dtype == jnp.int32
    traced = jax.jit(lambda f: rules.TrimmedMean(f=f)(jnp.array([[0.0], [1.0], [9.0]])))
    assert traced(1) == 1
    assert eqx.filter_vmap(rules.TrimmedMean)(jnp.arange(3.0)).f.shape == (3,)


def test_helpers():
    assert whole(np.int32(3), "call", "k") == 3 and type(whole(np.int32(3), "call", "k")) is int
    assert choice("a", ("a", "b"), "call", "k") == "a"
    assert number(np.float32(1.5), "call", "x") == 1.5
    for bad in (1.0, True, "1", None, -1):
        with pytest.raises(gj.ConfigurationError, match=r"call: k=.*give a whole number of at least 0"):
            whole(bad, "call", "k", low=0)
    with pytest.raises(gj.ConfigurationError, match="did you mean 'memory'"):
        choice("memroy", ("memory", "anchor"), "call", "centre")
    with pytest.raises(gj.ConfigurationError, match=r"give a list, \[Mean\(...\)\]"):
        members(rules.Mean(), rules.AbstractAggregator, "call", "rules")
    with pytest.raises(gj.ConfigurationError, match=r"call: rules\[1\]=3: give an aggregator"):
        members([rules.Mean(), 3], rules.AbstractAggregator, "call", "rules")
    assert member(rules.Mean(), rules.AbstractAggregator, "call", "rule") == rules.Mean()
