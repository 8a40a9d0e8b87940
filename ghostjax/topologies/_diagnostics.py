"""Diagnostics of a graph, computed on the host in float64."""

from typing import Any

import numpy as np

from ghostjax.topologies._base import AbstractTopology


def mixing_matrix(topology: AbstractTopology) -> np.ndarray:
    """W `[n, n]` on the host in float64; of a graph that changes, the mean over its graphs."""
    graphs, n = topology.examples(), topology.num_nodes
    matrix = np.zeros((n, n))
    for graph in graphs:
        weights = np.asarray(graph.weights, np.float64) / len(graphs)
        np.add.at(matrix, (np.arange(n)[:, None], np.asarray(graph.nbr)), weights)
    return matrix


def connected(topology: AbstractTopology, byzantine: Any = None) -> bool:
    """Whether every (honest) node reaches every other one along edges between (honest) nodes.

    An edge counts with any weight and in any round. On directed graphs this is strong connectivity.
    """
    # Imported here, since this import takes a third of the time of importing all of ghostjax.
    from scipy.sparse.csgraph import connected_components

    honest = _honest(topology, byzantine)
    edges = _edges(topology)[honest][:, honest]
    return bool(honest.any()) and connected_components(edges, connection="strong")[0] == 1


def spectral_gap(topology: AbstractTopology, byzantine: Any = None) -> float:
    """`gamma = 1 - |lambda_2|`: one round of plain mixing contracts the distance to consensus by `1 - gamma`.

    lambda_2 is the eigenvalue of second largest modulus of W. With `byzantine`, of the honest matrix: the
    honest block of W with each row's Byzantine weight moved to the diagonal. On directed graphs the rate
    holds in the long run.
    """
    matrix = _honest_matrix(topology, byzantine)
    symmetric = np.allclose(matrix, matrix.T, rtol=0, atol=_tolerance(topology))
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2) if symmetric else np.linalg.eigvals(matrix)
    moduli = np.sort(np.abs(values))
    return float(1 - moduli[-2]) if len(moduli) > 1 else 1.0


def laplacian_spectrum(topology: AbstractTopology, byzantine: Any = None) -> np.ndarray:
    """Ascending eigenvalues of the weighted Laplacian `L = diag(W_H 1) - W_H` of the honest subgraph.

    The second one is mu_2, the algebraic connectivity; the last mu_max. A directed graph enters with its
    symmetric part `(W + W') / 2`.
    """
    honest = _honest(topology, byzantine)
    block = mixing_matrix(topology)[honest][:, honest]
    block = (block + block.T) / 2
    return np.linalg.eigvalsh(np.diag(block.sum(1)) - block)


def byzantine_weight(topology: AbstractTopology, byzantine: Any) -> np.ndarray:
    """`b_i = sum_{j in B} W_ij`, the weight that each receiver gives to Byzantine neighbours, `[n]`."""
    byzantine = ~_honest(topology, byzantine)
    return mixing_matrix(topology)[:, byzantine].sum(1)


def describe(topology: AbstractTopology, byzantine: Any = None) -> dict[str, float | int | bool]:
    """The diagnostics that every run reports, given who is Byzantine (a mask `[n]`; nobody by default).

    `spectral_gap` (of W), `honest_spectral_gap` (of the honest matrix), `algebraic_connectivity` mu_2 and
    `mu_max` of the honest weighted Laplacian, `byzantine_weight` b (the largest over honest receivers), and
    `byzantine_ratio` 2 b / mu_2: above 1 no rule works on every graph, and on two worlds it predicts the breakdown. It
    is inf if honest nodes receive from Byzantine ones and not from each other (also for a single honest node), and 0
    if no honest node receives from a Byzantine one. Also degrees, symmetry, double stochasticity and connectivity (of
    all nodes, of the honest ones). Computed on the host in float64, O(n^3).

    Source: Gaucher et al., Unified Breakdown Analysis for Byzantine Robust Gossip, arXiv:2410.10418; He et
    al., Byzantine-Robust Decentralized Learning via ClippedGossip, arXiv:2202.01545.
    """
    matrix, honest, edges = mixing_matrix(topology), _honest(topology, byzantine), _edges(topology)
    degree = np.concatenate([np.asarray(graph.degree) for graph in topology.examples()])
    spectrum = laplacian_spectrum(topology, byzantine)
    mu_2 = max(float(spectrum[1]), 0.0) if len(spectrum) > 1 else 0.0
    b = float(byzantine_weight(topology, ~honest)[honest].max(initial=0.0))
    atol = _tolerance(topology)
    honest_connected = connected(topology, ~honest)
    return {
        "nodes": topology.num_nodes,
        "edges": int((edges | edges.T).sum()) // 2,
        "degree_min": int(degree.min()),
        "degree_mean": float(degree.mean()),
        "degree_max": int(degree.max()),
        "connected": connected(topology),
        "symmetric": bool(np.allclose(matrix, matrix.T, rtol=0, atol=atol)),
        "doubly_stochastic": bool(np.allclose(matrix.sum(0), 1, rtol=0, atol=atol)),
        "spectral_gap": spectral_gap(topology),
        "honest_connected": honest_connected,
        "honest_spectral_gap": spectral_gap(topology, ~honest) if honest_connected else 0.0,
        "algebraic_connectivity": mu_2,
        "mu_max": float(spectrum[-1]) if len(spectrum) else 0.0,
        "byzantine_weight": b,
        "byzantine_ratio": 0.0 if b == 0 else 2 * b / mu_2 if honest_connected and mu_2 > 0 else float("inf"),
    }


def _honest(topology: AbstractTopology, byzantine: Any) -> np.ndarray:
    return np.ones(topology.num_nodes, bool) if byzantine is None else ~np.asarray(byzantine, bool)


def _honest_matrix(topology: AbstractTopology, byzantine: Any) -> np.ndarray:
    honest = _honest(topology, byzantine)
    block = mixing_matrix(topology)[honest][:, honest]
    return block + np.diag(1 - block.sum(1))


def _edges(topology: AbstractTopology) -> np.ndarray:
    edges = np.zeros((topology.num_nodes, topology.num_nodes), bool)
    for graph in topology.examples():
        nbr, mask = np.asarray(graph.nbr), np.asarray(graph.mask)
        edges[np.nonzero(mask)[0], nbr[mask]] = True
    np.fill_diagonal(edges, False)
    return edges


def _tolerance(topology: AbstractTopology) -> float:
    return max(graph.tolerance for graph in topology.examples())
