"""Reprs say what an object is: the values of its knobs, in one line."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj


rules = gj.aggregators
SAID = {
    "number": (lambda: rules.TrimmedMean(f=4), "TrimmedMean(f=4)"),
    "fraction": (lambda: rules.TrimmedMean(share=0.1), "TrimmedMean(share=0.1)"),
    "nested": (lambda: rules.NNM(rules.TrimmedMean(f=2), f=2), "NNM(rule=TrimmedMean(f=2), f=2)"),
    "static": (lambda: gj.learners.Momentum(), "Momentum(beta=0.9, convention='average')"),
    "optimizer": (lambda: gj.Optimizer(optax.sgd, learning_rate=0.1), "Optimizer(sgd, learning_rate=0.1)"),
    "attack": (lambda: gj.attacks.SignFlip(), "SignFlip(scale=1)"),
    "graph": (lambda: gj.topologies.ring(8), "Topology(8 nodes, degree 2)"),
    "uneven graph": (lambda: gj.topologies.star(5), "Topology(5 nodes, degree 1 to 4)"),
}


@pytest.mark.parametrize("name", SAID)
def test_values_are_shown(name):
    make, said = SAID[name]
    assert repr(make()) == said


def test_large_and_traced_values_are_shown_by_shape():
    stacked = eqx.filter_vmap(rules.TrimmedMean)(jnp.arange(20.0))
    assert repr(stacked) == "TrimmedMean(f=f32[20], share=f32[20])"
    assert repr(eqx.filter_vmap(rules.TrimmedMean)(jnp.arange(3.0))) == "TrimmedMean(f=[0, 1, 2], share=[0, 0, 0])"
    seen = []
    jax.make_jaxpr(lambda f: seen.append(repr(rules.TrimmedMean(f=f))) or f)(1.0)
    assert seen[0].startswith("TrimmedMean(f=f32[]")


def test_a_simulation_fits_a_line_and_a_cell():
    task = gj.tasks.quadratic(6)
    server = gj.protocols.Server(rules.TrimmedMean(f=1))
    simulation = gj.Simulation(task, server, attack=gj.attacks.SignFlip(2.0), byzantine=1)
    said = repr(simulation)
    assert said.startswith("Simulation(6 nodes, 1 of them Byzantine; ") and "\n" not in said
    assert "TrimmedMean(f=1)" in said and "SignFlip(scale=2)" in said and "records Goal" in said
    page = simulation._repr_html_()
    assert "6 nodes, 1 of them Byzantine<table>" in page and "TrimmedMean(f=1)" in page
    assert "&#x27;average&#x27;" in page, "names are text and no markup"


def test_an_attribution_names_the_most_harmful():
    found = gj.attribution.Attribution(np.array([0.5, -2.0, 0.1]), 1.25, np.ones((2, 3)), note="<unsafe>")
    assert repr(found) == "Attribution(3 nodes, outcome 1.25, most harmful 1, 2, 0; <unsafe>)"
    page = found._repr_html_()
    assert "<td>1</td><td>-2</td>" in page and "&lt;unsafe&gt;" in page
