"""Every builder: a padded list that a gather can trust, rows that sum to 1, and the spectrum that theory gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import ConfigurationError
from ghostjax.topologies import (
    byzantine_weight,
    chain,
    complete,
    connected,
    describe,
    dumbbell,
    erdos_renyi,
    exponential,
    from_edges,
    from_matrix,
    laplacian_spectrum,
    mixing_matrix,
    random_regular,
    ring,
    spectral_gap,
    star,
    Topology,
    torus,
    two_worlds,
)


GRAPHS = {
    "complete": lambda: complete(7),
    "ring": lambda: ring(9, 4),
    "torus": lambda: torus(12),
    "torus_thin": lambda: torus(10),
    "torus_3d": lambda: torus(27, (3, 3, 3)),
    "erdos_renyi": lambda: erdos_renyi(20, 0.3, seed=1),
    "erdos_renyi_uniform": lambda: erdos_renyi(20, 0.3, seed=1, weights="uniform"),
    "random_regular": lambda: random_regular(20, 5, seed=2),
    "exponential": lambda: exponential(16),
    "exponential_odd": lambda: exponential(11),
    "dumbbell": lambda: dumbbell(10, 2),
    "two_worlds": lambda: two_worlds(16, 3, 2),
    "chain": lambda: chain(6),
    "star": lambda: star(6),
    "star_uniform": lambda: star(6, weights="uniform"),
    "from_matrix": lambda: from_matrix([[0.5, 0.5, 0], [0.25, 0.5, 0.25], [0, 0.25, 0.75]]),
    "one_node": lambda: from_edges(1, []),
}
DIRECTED = {"exponential", "exponential_odd", "from_matrix"}
NOT_DOUBLY_STOCHASTIC = {"erdos_renyi_uniform", "star_uniform", "from_matrix"}


@pytest.fixture(scope="module", params=GRAPHS)
def named(request):
    return request.param, GRAPHS[request.param]()


def test_the_list_is_what_a_gather_needs(named):
    _, graph = named
    nbr, mask, weights = (np.asarray(a) for a in (graph.nbr, graph.mask, graph.weights))
    n, k = nbr.shape
    assert nbr.dtype == np.int32 and mask.sum(1).max() == k
    np.testing.assert_array_equal(nbr[:, 0], np.arange(n))
    np.testing.assert_array_equal(np.where(mask, np.arange(n)[:, None], nbr), np.arange(n)[:, None].repeat(k, 1))
    assert (weights[~mask] == 0).all() and (weights[mask] > 0).all()
    for row, on in zip(nbr, mask, strict=True):
        assert len(set(row[on].tolist())) == on.sum() and (np.diff(row[1:][on[1:]]) > 0).all()
    np.testing.assert_array_equal(graph.degree, mask.sum(1) - 1)


def test_the_matrix_mixes(named):
    name, graph = named
    matrix = mixing_matrix(graph)
    np.testing.assert_allclose(matrix, jax.jit(Topology.dense)(graph), atol=1e-7)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    report = describe(graph)
    assert report["connected"] and report["honest_connected"]
    assert (
        report["doubly_stochastic"]
        == (name not in NOT_DOUBLY_STOCHASTIC)
        == bool(np.allclose(matrix.sum(0), 1, atol=1e-6))
    )
    edges = matrix > 0
    assert (name in DIRECTED and name != "from_matrix") == (not (edges == edges.T).all())
    assert report["edges"] == ((edges | edges.T).sum() - len(edges)) / 2


def test_a_round_of_mixing_contracts_by_the_gap(named):
    # On symmetric graphs the bound holds in every round and is met by the second eigenvector.
    _, graph = named
    matrix, rate = mixing_matrix(graph), 1 - spectral_gap(graph)
    if len(matrix) == 1 or not np.allclose(matrix, matrix.T, atol=1e-6):
        return
    x = np.random.default_rng(0).normal(size=(len(matrix), 3))
    spread = np.linalg.norm(x - x.mean(0))
    assert np.linalg.norm(matrix @ x - x.mean(0)) <= rate * spread * (1 + 1e-5) + 1e-6
    values, vectors = np.linalg.eigh(matrix)
    second = vectors[:, np.argsort(np.abs(values))[-2]]
    np.testing.assert_allclose(np.linalg.norm(matrix @ second), rate, atol=1e-6)


def test_metropolis_weights():
    graph = from_edges(4, [(0, 1), (1, 2), (1, 3)])
    expected = [[0.75, 0.25, 0, 0], [0.25] * 4, [0, 0.25, 0.75, 0], [0, 0.25, 0, 0.75]]
    np.testing.assert_allclose(graph.dense(), expected, atol=1e-7)
    np.testing.assert_allclose(
        from_edges(4, [(0, 1), (1, 2), (1, 3)], "uniform").dense(),
        [[0.5, 0.5, 0, 0], [0.25] * 4, [0, 0.5, 0.5, 0], [0, 0.5, 0, 0.5]],
        atol=1e-7,
    )


@pytest.mark.parametrize("scheme", ["metropolis", "uniform"])
def test_equal_voices_are_equal_to_the_last_bit(x64, scheme):
    # One unequal bit sends a round with 0/1 presence to the kernel for unlike weights, several times slower.
    for n in range(3, 40):
        weights = np.asarray(complete(n, weights=scheme).weights)
        assert (weights == weights[0, 0]).all()


def test_edges_read_either_way_give_one_graph_and_arcs_do_not():
    a, b = from_edges(4, [(0, 1), (1, 2), (3, 2)]), from_edges(4, [(2, 3), (1, 0), (2, 1)])
    for one, two in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(one, two)
    arcs = from_edges(3, [(0, 1), (1, 2), (2, 0)], "uniform", directed=True)
    np.testing.assert_allclose(arcs.dense(), [[0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    assert not describe(arcs)["symmetric"] and describe(arcs)["doubly_stochastic"]
    assert not connected(from_edges(3, [(0, 1), (1, 2)], "uniform", directed=True))


def test_a_matrix_survives_the_list():
    matrix = np.array([[0.5, 0.5, 0], [0.25, 0.5, 0.25], [0.5, 0, 0.5]])
    np.testing.assert_allclose(from_matrix(matrix).dense(), matrix)
    np.testing.assert_allclose(from_matrix(np.eye(3)).dense(), np.eye(3))


@pytest.mark.parametrize("n,degree", [(5, 2), (8, 4), (12, 6)])
def test_ring_spectrum(n, degree):
    m, s = np.arange(n)[:, None], np.arange(1, degree // 2 + 1)[None, :]
    values = (1 + 2 * np.cos(2 * np.pi * s * m / n).sum(1)) / (degree + 1)
    assert spectral_gap(ring(n, degree)) == pytest.approx(1 - np.sort(np.abs(values))[-2], abs=1e-6)
    np.testing.assert_allclose(laplacian_spectrum(ring(n, degree)), np.sort(1 - values), atol=1e-6)


@pytest.mark.parametrize("n", [4, 8, 10, 32])
def test_exponential_spectrum(n):
    assert spectral_gap(exponential(n)) == pytest.approx(2 / (1 + np.ceil(np.log2(n))), abs=1e-6)
    assert (exponential(n).degree == int(np.ceil(np.log2(n)))).all()


def test_complete_and_star_spectrum():
    assert spectral_gap(complete(9)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(laplacian_spectrum(complete(9)), [0] + [1] * 8, atol=1e-6)
    np.testing.assert_allclose(laplacian_spectrum(star(6)), [0] + [1 / 6] * 4 + [1], atol=1e-6)


@pytest.mark.parametrize("f,ratio", [(2, 0.25), (4, 0.5), (8, 1.0)])
def test_two_worlds_predicts_breakdown(f, ratio):
    # Published: 26 honest nodes, h = 8; at f = 4 every weight is .04, mu_2 = .64, mu_max = .996.
    graph = two_worlds(26 + 2 * f, 8, f)
    byzantine = np.arange(graph.num_nodes) >= 26
    report = describe(graph, byzantine)
    w = 1 / (13 + 8 + f)
    honest = mixing_matrix(graph)[:26]
    np.testing.assert_allclose(honest[honest > 0], w, atol=1e-7)
    np.testing.assert_allclose(byzantine_weight(graph, byzantine)[:26], f * w, atol=1e-6)
    assert report["algebraic_connectivity"] == pytest.approx(2 * 8 * w, abs=1e-6)
    assert report["byzantine_ratio"] == pytest.approx(ratio, abs=1e-5)
    if f == 4:
        assert report["mu_max"] == pytest.approx(0.996, abs=5e-4)
    assert report["symmetric"] and report["doubly_stochastic"]


def test_honest_diagnostics():
    # A chain cut by a Byzantine node in the middle: the honest part falls in two.
    report = describe(chain(5), np.arange(5) == 2)
    assert report["connected"] and not report["honest_connected"]
    assert report["byzantine_ratio"] == np.inf and report["algebraic_connectivity"] == pytest.approx(0, abs=1e-7)
    assert report["honest_spectral_gap"] == 0
    # Byzantine weight returns to the diagonal of the honest matrix.
    gap = spectral_gap(complete(4), np.arange(4) == 3)
    assert gap == pytest.approx(0.75, abs=1e-6)
    assert describe(complete(4), np.arange(4) == 3)["byzantine_weight"] == pytest.approx(0.25)
    everybody = describe(complete(3), np.ones(3, bool))
    assert everybody["byzantine_weight"] == 0 and not everybody["honest_connected"]


def test_random_graphs_follow_their_seed_and_their_law():
    same = [np.asarray(erdos_renyi(16, 0.4, seed=s).nbr) for s in (3, 3, 4)]
    np.testing.assert_array_equal(same[0], same[1])
    assert same[0].shape != same[2].shape or (same[0] != same[2]).any()
    links = np.mean([describe(erdos_renyi(40, 0.3, seed=s))["edges"] for s in range(20)])
    assert abs(links - 0.3 * 780) < 4 * np.sqrt(780 * 0.3 * 0.7 / 20)
    for n, degree in ((10, 3), (12, 11), (9, 8), (30, 4), (2, 1)):
        graph = random_regular(n, degree, seed=1)
        assert (graph.degree == degree).all() and connected(graph)
    assert (np.asarray(random_regular(30, 4, 0).nbr) != np.asarray(random_regular(30, 4, 1).nbr)).any()
    # Swaps leave nothing of the ring that they started from: adjacent pairs are linked as often as any pair.
    near = np.mean(
        [mixing_matrix(random_regular(40, 4, s))[np.arange(40), (np.arange(40) + 1) % 40] > 0 for s in range(20)]
    )
    assert abs(near - 4 / 39) < 0.04


@pytest.mark.parametrize(
    "build,message",
    [
        (lambda: from_edges(3, [(0, 0)]), r"from_edges: edges=\[\[0, 0\]\]: a node always includes itself"),
        (lambda: from_edges(3, [(0, 1), (1, 0)]), r"from_edges: edges=\[\(0, 1\)\]: listed more than once"),
        (lambda: from_edges(3, [(0, 3)]), r"from_edges: edges=\[\[0, 3\]\]: nodes are numbered 0 to 2"),
        (lambda: from_edges(3, [(0, 1)], [0.6, 0.6]), r"from_edges: weights=array of shape \(2,\): give one weight"),
        (lambda: from_edges(3, [(0, 1), (1, 2)], [0.6, 0.6]), r"from_edges: weights=1.2 on the edges of node 1"),
        (lambda: from_edges(3, [(0, 1)], "metropolis", directed=True), r"weights=metropolis: .* undirected"),
        (lambda: from_edges(3, [(0, 1)], "mh"), r"from_edges: weights='mh': use 'metropolis'"),
        (lambda: from_edges(0, []), r"from_edges: num_nodes=0"),
        (lambda: from_matrix([[1.0, 0.1], [0, 1]]), r"Topology: weights=row 0 sums to 1.1"),
        (lambda: from_matrix([[1.5, -0.5], [0, 1]]), r"from_matrix: matrix=-0.5"),
        (lambda: from_matrix([[1.0, 0.0]]), r"from_matrix: matrix=array of shape \(1, 2\)"),
        (lambda: ring(6, 3), r"ring: degree=3: must be even"),
        (lambda: ring(4, 4), r"ring: degree=4: 4 nodes have at most 3"),
        (lambda: torus(4, (4, 1)), r"torus: shape=\(4, 1\)"),
        (lambda: torus(8, (3, 3)), r"torus: shape=\(3, 3\): the sides must multiply to 8"),
        (lambda: torus(7), r"torus: num_nodes=7: has no two sides"),
        (lambda: two_worlds(9, 2), r"two_worlds: num_nodes=9: needs an even number above 0"),
        (lambda: random_regular(5, 3), r"random_regular: degree=3: 5 \* 3 must be even"),
        (lambda: random_regular(6, 6), r"random_regular: degree=6: 6 nodes have at most 5"),
        (lambda: random_regular(6, 1), r"random_regular: degree=1: needs at least 2"),
        (lambda: erdos_renyi(30, 0.01), r"erdos_renyi: p=0.01: no connected graph of 30 nodes in 100 draws; raise p"),
        (lambda: erdos_renyi(30, 1.5), r"erdos_renyi: p=1.5"),
        (lambda: exponential(1), r"exponential: num_nodes=1"),
        (lambda: dumbbell(7), r"dumbbell: num_nodes=7"),
        (lambda: dumbbell(8, 5), r"dumbbell: bridges=5: give a whole number between 1 and 4"),
        (lambda: two_worlds(8, 5), r"two_worlds: h=5: give a whole number between 1 and 4"),
        (lambda: two_worlds(8, 2, -1), r"two_worlds: f=-1"),
    ],
)
def test_impossible_graphs_are_refused(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def broken(nbr=None, weights=None, mask=None):
    graph = chain(3)
    return Topology(
        graph.nbr if nbr is None else jnp.asarray(nbr, jnp.int32),
        graph.weights if weights is None else jnp.asarray(weights),
        graph.mask if mask is None else jnp.asarray(mask),
    )


@pytest.mark.parametrize(
    "parts,message",
    [
        ({"nbr": [[1, 1, 0], [1, 0, 2], [2, 1, 2]]}, "slot 0 must be the node itself"),
        ({"nbr": [[0, 1, 2], [1, 0, 2], [2, 1, 2]]}, "padding needs the node's own index"),
        ({"nbr": [[0, 5, 0], [1, 0, 2], [2, 1, 2]]}, "must be below 3"),
        ({"nbr": [[0, 1, 0], [1, 2, 2], [2, 1, 2]]}, "listed twice"),
        ({"mask": [[True, True, True]] + [[True] * 3] * 2}, "listed twice"),
    ],
)
def test_a_broken_list_is_refused(parts, message):
    assert broken().num_nodes == 3
    with pytest.raises(ConfigurationError, match=message):
        broken(**parts)


def test_a_graph_is_data():
    # One program serves every graph of one shape, and a batch of graphs maps.
    traces = 0

    @jax.jit
    def mix(graph, x):
        nonlocal traces
        traces += 1
        return graph.dense() @ x

    x = jnp.arange(8.0)[:, None]
    for seed in range(3):
        mix(random_regular(8, 3, seed), x)
    assert traces == 1
    many = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(random_regular(8, 3, s) for s in range(3)))
    np.testing.assert_allclose(jax.vmap(lambda g: g.dense())(many)[1], random_regular(8, 3, 1).dense())


def test_double_precision(x64):
    graph = gj.topologies.ring(6, 2)
    assert graph.weights.dtype == jnp.float64
    np.testing.assert_allclose(mixing_matrix(graph).sum(1), 1, atol=1e-15)


@pytest.mark.parametrize("byzantine", [[0, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize("make", [gj.topologies.ring, gj.topologies.chain, gj.topologies.star, gj.topologies.complete])
def test_any_honest_part_is_described(make, byzantine):
    """One honest node, none, a disconnected and a connected honest part."""
    mask = np.array(byzantine, bool)
    found = gj.topologies.describe(make(4), mask)
    has_senders = bool(found["byzantine_weight"] > 0)
    lonely = not found["honest_connected"] or (~mask).sum() == 1
    assert found["byzantine_ratio"] == np.inf if has_senders and lonely else np.isfinite(found["byzantine_ratio"])
    assert all(isinstance(value, int | float | bool) and not np.isnan(value) for value in found.values())


def test_a_network_of_one_node_is_described():
    found = gj.topologies.describe(gj.topologies.complete(1), np.array([False]))
    assert found["connected"] and found["byzantine_ratio"] == 0
