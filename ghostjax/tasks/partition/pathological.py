"""A fixed number of classes per node."""

import numpy as np

from ghostjax._border import whole
from ghostjax._types import require
from ghostjax.tasks.partition._base import check_nodes, pack, Partition


def pathological(labels: np.ndarray, num_nodes: int, classes_per_node: int = 2, *, seed: int = 0) -> Partition:
    """Gives every node `classes_per_node` classes and splits each class evenly over the nodes that have it.

    Classes are dealt least used first, ties at random, so all are used and their numbers of holders differ by at
    most one. Every index is held exactly once. Errors: more classes per node than there are, too few nodes to
    hold every class, a node that would be empty because its classes have fewer examples than holders.

    Source: McMahan et al., arXiv:1602.05629 (the pathological split); Huang et al., Personalized Cross-Silo
    Federated Learning on Non-IID Data, arXiv:2007.03797.
    """
    labels, num_nodes = check_nodes("pathological", labels, num_nodes, seed)
    classes = np.unique(labels)
    classes_per_node = whole(classes_per_node, "pathological", "classes_per_node")
    require(
        1 <= classes_per_node <= len(classes),
        "pathological",
        "classes_per_node",
        classes_per_node,
        f"must lie between 1 and the {len(classes)} classes",
    )
    require(
        num_nodes * classes_per_node >= len(classes),
        "pathological",
        "classes_per_node",
        classes_per_node,
        f"{num_nodes} nodes hold at most {num_nodes * classes_per_node} of {len(classes)} classes; "
        "raise it or add nodes",
    )
    rng = np.random.default_rng(seed)
    holders: list[list[int]] = [[] for _ in classes]
    for node in rng.permutation(num_nodes):
        used = np.array([len(h) for h in holders]) + rng.random(len(classes))
        for c in np.argsort(used)[:classes_per_node]:
            holders[c].append(int(node))
    groups: list[list[np.ndarray]] = [[] for _ in range(num_nodes)]
    for label, nodes in zip(classes, holders, strict=True):
        members = rng.permutation(np.flatnonzero(labels == label))
        for node, part in zip(nodes, np.array_split(members, len(nodes)), strict=True):
            groups[node].append(part)
    packed = [np.concatenate(group) for group in groups]
    empty = sum(len(group) == 0 for group in packed)
    require(
        not empty,
        "pathological",
        "num_nodes",
        num_nodes,
        f"{empty} nodes would be empty because their classes have too few examples; use fewer nodes or more classes",
    )
    return pack(packed)
