"""How gossip computes: no array of all slots, networks shared by receivers, and mixtures that stay coefficients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import squared_distances, window, window_mean, window_mean_slots
from ghostjax.aggregators import GeometricMedian, Krum, Mean, Median, MultiKrum, NNM
from ghostjax.protocols import Gossip
from ghostjax.topologies import complete, ring

from ..programs import scratch, text
from .gossip_cases import check_is_the_definition, D, GRAPHS, KEY, messages, received, RULES, SHIPPED, start, WEIGHTS


@pytest.mark.parametrize("rule", ["mean", "trimmed_mean", "median", "krum", "geometric_median", "nnm_krum"])
def test_nothing_of_the_size_of_all_slots_exists(rule):
    n, d, k = 256, 10_000, 9
    protocol = Gossip((RULES | SHIPPED)[rule], ring(n, k - 1))
    state = jax.eval_shape(lambda x: start(protocol, x), jax.ShapeDtypeStruct((n, d), jnp.float32))
    x, w = jax.ShapeDtypeStruct((n, d), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.float32)
    nobody = jax.ShapeDtypeStruct((n,), bool)
    program = (
        jax.jit(lambda s, x, b, w: protocol.receive(s, received(x, w, b, own=s.theta), KEY)[1])
        .lower(state, x, nobody, w)
        .compile()
    )
    assert scratch(program) <= 4 * (n * d + 3 * n * n) * 1.1
    written = text(program)
    assert "[256,9,10000]" not in written and "[9,256,10000]" not in written


def slots_of(graph, w, lies=()):
    dtype = graph.weights.dtype
    weights = graph.weights * graph.mask.sum(1, keepdims=True).astype(dtype) * jnp.asarray(w, dtype)[graph.nbr]
    return weights.at[list(lies), 0].set(0) if lies else weights


@pytest.mark.parametrize(
    "graph,w,lies,networks",
    [
        ("complete", "all", (), 1),
        ("complete", "some", (), 1),
        ("complete", "real", (), 1),
        ("complete", "all", (2, 7), 3),
        ("star", "all", (), 9),
    ],
)
def test_receivers_that_hear_the_same_share_one_network(monkeypatch, graph, w, lies, networks):
    ran = []
    for name in ("equal_weights", "general_weights"):

        def counted(*args, kernel=getattr(window, name)):
            jax.debug.callback(lambda: ran.append(1))
            return kernel(*args)

        monkeypatch.setattr(window, name, counted)
    graph = GRAPHS[graph]
    n = graph.num_nodes
    slots, x = slots_of(graph, WEIGHTS[w](n), lies), messages(n)
    shared = jax.jit(lambda x, slots: window_mean_slots(x, graph.nbr, slots, 0.25 * slots.sum(1)))(x, slots)
    jax.effects_barrier()
    assert len(ran) == networks
    alone = jax.vmap(lambda nbr, row: window_mean(x[nbr], row, 0.25 * row.sum()))(graph.nbr, slots)
    np.testing.assert_allclose(shared, alone, atol=2e-6)


def test_a_shared_network_has_the_derivatives_of_separate_ones(x64):
    graph, x = complete(7), messages(7).astype(float)
    slots = slots_of(graph, np.ones(7), lies=(3,)).astype(float)
    c = jnp.asarray(np.random.default_rng(0).normal(size=(7, D)))

    def separate(x, slots):
        return (c * jax.vmap(lambda nbr, row: window_mean(x[nbr], row, jnp.asarray(1.3)))(graph.nbr, slots)).sum()

    def together(x, slots):
        return (c * window_mean_slots(x, graph.nbr, slots, jnp.full(7, 1.3))).sum()

    expected, seen = (jax.jit(jax.grad(f, (0, 1)))(x, slots) for f in (separate, together))
    for a, b in zip(expected, seen, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-12)


MIXED = [Krum(f=1), pytest.param(GeometricMedian(), marks=pytest.mark.slow)]
MIXED += [pytest.param(rule, marks=pytest.mark.slow) for rule in (Mean(), MultiKrum(f=1), NNM(Krum(f=1), f=1))]


@pytest.mark.parametrize("rule", MIXED, ids=["krum", "geometric median", "mean", "multi-krum", "nnm"])
def test_mixing_before_a_geometric_rule_is_geometric(rule):
    # Against the wrapper on each receiver's own rows.
    protocol = Gossip(NNM(rule, f=1), GRAPHS["irregular"])
    for weights in WEIGHTS.values():
        check_is_the_definition(protocol, weights(9))


def test_coefficients_of_mixtures_see_exact_distances():
    # Two mixtures of the same rows are the same point, whatever else lies far away; a median there stays there.
    x, w = messages(8).at[3].set(1e12), jnp.ones(8)
    rule = NNM(GeometricMedian(), f=3)
    assert rule.geometric_form is not None
    a = rule.geometric_form(squared_distances(x, w), w)
    np.testing.assert_allclose(a @ x, rule(x, w), atol=1e-5)
    assert NNM(Median(), f=1).geometric_form is None and Median().geometric_form is None
