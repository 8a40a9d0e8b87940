"""Every partitioner: who holds what, what it is a function of, what it refuses; and the golden invariants."""

import json
from pathlib import Path

import numpy as np
import pytest

from ghostjax import ConfigurationError
from ghostjax.tasks import partition as P


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "partitioners.json").read_text())["cases"]
LABELS = np.random.default_rng(5).permutation(np.repeat(np.arange(7), [40, 30, 50, 20, 30, 10, 21]))

# name: (call, whether it covers every index, whether it uses its seed)
TABLE = {
    "iid": (lambda y, n, seed: P.iid(y, n, seed=seed), True, True),
    "dirichlet": (lambda y, n, seed: P.dirichlet(y, n, 0.5, seed=seed), True, True),
    "dirichlet_per_node": (lambda y, n, seed: P.dirichlet_per_node(y, n, 0.5, seed=seed), True, True),
    "dirichlet_per_node_size": (lambda y, n, seed: P.dirichlet_per_node(y, n, 0.5, size=9, seed=seed), False, True),
    "shards": (lambda y, n, seed: P.shards(y, n, 2, seed=seed), True, True),
    "pathological": (lambda y, n, seed: P.pathological(y, n, 3, seed=seed), True, True),
    "gamma_similarity": (lambda y, n, seed: P.gamma_similarity(y, n, 0.4, seed=seed), True, True),
    "extreme": (lambda y, n, seed: P.extreme(y, n), True, False),
    "by_id": (lambda y, n, seed: P.by_id(np.random.default_rng(3).integers(0, n, len(y))), True, False),
}


def held_once(partition, total):
    return np.array_equal(np.sort(np.concatenate(partition.groups)), np.arange(total))


@pytest.mark.parametrize("name", TABLE)
def test_form_cover_and_seed(name):
    call, covers, random = TABLE[name]
    partition, again, other = call(LABELS, 6, 0), call(LABELS, 6, 0), call(LABELS, 6, 1)
    assert partition.indices.dtype == partition.counts.dtype == np.int32
    assert partition.indices.shape == (6, partition.counts.max()) and partition.num_nodes == 6
    assert (partition.counts > 0).all()
    for row, count in zip(partition.indices, partition.counts, strict=True):
        assert (row[count:] == row[0]).all()
    members = np.concatenate(partition.groups)
    assert len(np.unique(members)) == len(members)
    if covers:
        assert held_once(partition, len(LABELS))
    np.testing.assert_array_equal(partition.indices, again.indices)
    changed = partition.indices.shape != other.indices.shape or (partition.indices != other.indices).any()
    assert changed == random


def test_cover_check_catches_a_lost_and_a_doubled_index():
    assert not held_once(P.pack([np.array([0, 1]), np.array([3])]), 4)
    assert not held_once(P.pack([np.array([0, 1]), np.array([1, 2, 3])]), 4)


GOLDEN_CALLS = {
    "partition_iid": lambda y, p, s: P.iid(y, p["clients"], seed=s),
    "partition_extreme": lambda y, p, s: P.extreme(y, p["clients"]),
    "partition_gamma_similarity": lambda y, p, s: P.gamma_similarity(y, p["clients"], p["gamma"], seed=s),
    "partition_dirichlet": lambda y, p, s: P.dirichlet(y, p["clients"], p["alpha"], seed=s, min_size=0),
    "partition_shards": lambda y, p, s: P.shards(y, p["clients"], p["shards_per_client"], seed=s),
    "long_tail": lambda y, p, s: P.pack([P.long_tail(y, p["beta"], seed=s)]),
}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: c["id"])
def test_golden_invariants(case):
    labels = np.repeat(np.arange(len(case["label_counts"])), case["label_counts"])

    def call(seed):
        return GOLDEN_CALLS[case["name"]](labels, case["params"], seed)

    def histogram(partition):
        return np.stack([np.bincount(labels[g], minlength=len(case["label_counts"])) for g in partition.groups])

    for invariant in case["invariants"]:
        check, expected = invariant["check"], invariant.get("expected")
        for partition in [call(seed) for seed in case["seeds"]]:
            members = np.concatenate(partition.groups)
            sizes, counts = partition.counts.tolist(), histogram(partition)
            match check:
                case "cover":
                    assert set(members) == set(range(len(labels)))
                case "disjoint":
                    assert len(set(members)) == len(members)
                case "sizes":
                    assert sizes == expected
                case "sizes_multiset":
                    assert sorted(sizes) == sorted(expected)
                case "label_histogram":
                    assert counts.tolist() == expected
                case "distinct_labels_at_most":
                    assert ((counts > 0).sum(1) <= expected).all()
                case "label_counts_multiple_of":
                    assert (counts % expected == 0).all()
                case "class_counts_within_one_of":
                    assert (np.abs(counts[0] - np.array(expected)) <= 1).all()
                case "deterministic_in_seed":
                    np.testing.assert_array_equal(call(case["seeds"][0]).indices, call(case["seeds"][0]).indices)
                case "changes_with_seed" | "class_share_moments":
                    pass
                case _:
                    raise AssertionError(f"unknown check {check}")
        if check == "changes_with_seed":
            first, second = (call(seed) for seed in case["seeds"][:2])
            assert (first.indices != second.indices).any()
        if check == "class_share_moments":
            total = np.array(case["label_counts"])[None, :]
            shares = np.stack([histogram(call(seed)) / total for seed in range(invariant["repeats"])])
            assert abs(shares.mean() - invariant["mean"]) <= invariant["mean_tol"]
            assert abs((shares**2).mean() - invariant["second_moment"]) <= invariant["second_moment_tol"]


def test_gamma_ends_are_iid_sizes_and_extreme():
    np.testing.assert_array_equal(P.gamma_similarity(LABELS, 6, 0.0).indices, P.extreme(LABELS, 6).indices)
    np.testing.assert_array_equal(P.gamma_similarity(LABELS, 6, 1.0).counts, P.iid(LABELS, 6).counts)
    # 0.29 * 100 is below 29 in floating point; 29 random examples and 71 sorted ones over 29 nodes.
    assert P.gamma_similarity(np.arange(100), 29, 0.29).counts.tolist() == [4] * 13 + [3] * 16


def test_pathological_deals_classes_evenly():
    seen = P.describe(P.pathological(LABELS, 14, 3, seed=2), LABELS)
    assert ((seen.histogram > 0).sum(1) == 3).all()
    holders = (seen.histogram > 0).sum(0)
    assert holders.max() - holders.min() <= 1


def test_dirichlet_orders_heterogeneity_by_alpha():
    y = np.repeat(np.arange(10), 200)
    for make in (P.dirichlet, P.dirichlet_per_node):
        distances = [P.describe(make(y, 20, alpha), y).total_variation for alpha in (0.1, 1.0, 100.0)]
        assert distances[0] > distances[1] > distances[2] > 0
    assert P.describe(P.dirichlet(y, 20, 100.0, min_size=80), y).sizes.min() >= 80


def test_long_tail_composes_with_any_partitioner():
    kept = P.long_tail(LABELS, 0.5, seed=1)
    partition = P.dirichlet(LABELS[kept], 4, 1.0).within(kept)
    np.testing.assert_array_equal(np.sort(np.concatenate(partition.groups)), kept)
    assert np.bincount(LABELS[kept]).tolist() == [40, 15, 12, 2, 1]


def test_describe_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 1])
    seen = P.describe(P.pack([np.array([0, 1, 3]), np.array([2, 4, 5])]), labels)
    assert seen.histogram.tolist() == [[2, 1], [1, 2]] and seen.sizes.tolist() == [3, 3]
    assert seen.total_variation == pytest.approx(1 / 6) and seen.imbalance == 1
    padded = P.describe(P.pack([np.array([0, 1, 2, 3, 4]), np.array([5])]), labels)
    assert padded.histogram.sum() == 6 and padded.imbalance == pytest.approx(5 / 3)


REFUSED = {
    "iid": (lambda: P.iid(np.zeros(3), 4), "num_nodes=4: only 3 examples"),
    "no nodes": (lambda: P.iid(np.zeros(3), 0), "num_nodes=0"),
    "two axes": (lambda: P.extreme(np.zeros((3, 2)), 2), "labels=.*one label per example"),
    "dirichlet": (lambda: P.dirichlet(LABELS, 60, 0.01, attempts=3), "min_size=1: no draw of 3 .*use partition.iid"),
    "dirichlet alpha": (lambda: P.dirichlet(LABELS, 6, 0.01, min_size=9, attempts=3), "no draw of 3 .*raise alpha"),
    "dirichlet size": (lambda: P.dirichlet(LABELS, 6, 1.0, min_size=90), "min_size=90: .*lower it"),
    "alpha": (lambda: P.dirichlet(LABELS, 6, -1.0), "alpha=-1.0"),
    "per node alpha": (lambda: P.dirichlet_per_node(LABELS, 6, 0.0), "alpha=0.0"),
    "per node size": (lambda: P.dirichlet_per_node(LABELS, 6, 1.0, size=99), "size=99: 6 nodes of 201"),
    "shards": (lambda: P.shards(LABELS, 100, 3), "shards_per_node=3: 300 shards of 201"),
    "classes": (lambda: P.pathological(LABELS, 6, 8), "classes_per_node=8: .*the 7 classes"),
    "too few classes": (lambda: P.pathological(LABELS, 3, 2), "classes_per_node=2: 3 nodes hold at most 6 of 7"),
    "rare class": (lambda: P.pathological(np.array([0] * 20 + [1]), 6, 1), "num_nodes=6: 2 nodes would be empty"),
    "gamma": (lambda: P.gamma_similarity(LABELS, 6, 1.5), "gamma=1.5"),
    "gamma nodes": (lambda: P.gamma_similarity(np.arange(5), 5, 0.5), "num_nodes=5: 2 nodes"),
    "beta": (lambda: P.long_tail(LABELS, 0.0), "beta=0.0"),
    "ids": (lambda: P.by_id(np.arange(3), min_size=2), "min_size=2: the largest of 3 ids has 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ConfigurationError, match=message):
        call()


BY_LABEL = {
    "iid": P.iid,
    "dirichlet": lambda y, n: P.dirichlet(y, n, 1.0),
    "dirichlet_per_node": lambda y, n: P.dirichlet_per_node(y, n, 1.0),
    "shards": lambda y, n: P.shards(y, n, 2),
    "pathological": lambda y, n: P.pathological(y, n, 2),
    "gamma_similarity": lambda y, n: P.gamma_similarity(y, n, 0.4),
    "extreme": P.extreme,
}
TWO = np.arange(40) % 3 == 0


@pytest.mark.parametrize("name", BY_LABEL)
def test_labels_of_any_form_are_dealt_alike(name, as_users_run):
    expected = BY_LABEL[name](TWO.astype(int), 4).indices
    for labels in (TWO, TWO[:, None], TWO.astype(float), TWO.astype(np.uint8), TWO.astype(int).tolist()):
        np.testing.assert_array_equal(BY_LABEL[name](labels, np.int64(4)).indices, expected)
    np.testing.assert_array_equal(BY_LABEL[name](np.where(TWO, "b", "a"), 4).indices, expected)
    np.testing.assert_array_equal(BY_LABEL[name](np.where(TWO, "b", "a").astype(object), 4).indices, expected)


@pytest.mark.parametrize("name", BY_LABEL)
def test_labels_and_nodes_that_mean_nothing_are_refused(name, as_users_run):
    call = BY_LABEL[name]
    missing = np.where(TWO, np.nan, 1.0)
    for labels, nodes, words in (
        (missing, 4, f"{name}: labels=14 missing"),
        (np.ma.masked_array(TWO, TWO), 4, f"{name}: labels=masked values"),
        ([[1], [1, 2]], 4, f"{name}: labels=rows of unlike lengths"),
        ([1, None, {}], 2, f"{name}: labels=objects: number the classes"),
        (TWO, 2.5, f"{name}: num_nodes=2.5: give a whole number of at least 1"),
        (TWO, True, f"{name}: num_nodes=True: give a whole number"),
        (TWO, 0, f"{name}: num_nodes=0: give a whole number"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            call(labels, nodes)
        assert str(caught.value).startswith(words)


def test_infinite_alpha_is_the_even_split():
    for alpha in (np.inf, 1e300):
        partition = P.dirichlet(LABELS, 6, alpha)
        assert np.ptp(partition.counts) <= 1 and held_once(partition, len(LABELS))
        assert (np.ptp(P.describe(partition, LABELS).histogram, axis=0) <= 1).all()
        mixed = P.describe(P.dirichlet_per_node(LABELS, 6, alpha, size=20), LABELS).histogram
        assert mixed.sum(1).tolist() == [20] * 6 and (mixed.max(1) < 12).all()


NUMBERS = {
    "alpha": (lambda: P.dirichlet(LABELS, 4, np.nan), "dirichlet: alpha=nan: give a number"),
    "text": (lambda: P.dirichlet(LABELS, 4, "1"), "dirichlet: alpha='1': give a number"),
    "zero": (lambda: P.dirichlet(LABELS, 4, 0), "dirichlet: alpha=0: must be positive"),
    "per node": (lambda: P.dirichlet_per_node(LABELS, 4, np.nan), "dirichlet_per_node: alpha=nan"),
    "seed": (lambda: P.iid(LABELS, 4, seed=-1), "iid: seed=-1: give a whole number of at least 0"),
    "shards": (lambda: P.shards(LABELS, 4, 1.5), "shards: shards_per_node=1.5: give a whole number"),
    "classes": (lambda: P.pathological(LABELS, 4, 2.0), "pathological: classes_per_node=2.0: give a whole number"),
    "gamma": (lambda: P.gamma_similarity(LABELS, 4, np.nan), "gamma_similarity: gamma=nan: give a number between 0"),
    "beta": (lambda: P.long_tail(LABELS, np.nan), "long_tail: beta=nan: give a number"),
    "ids": (lambda: P.by_id([1.0, np.nan]), "by_id: ids=1 missing (nan)"),
    "fractions": (lambda: P.pack([[0.5]]), "pack: groups[0]=float64 of shape (1,): give the indices of examples"),
    "mask": (lambda: P.pack([[True, False]]), "pack: groups[0]=bool of shape (2,)"),
    "ragged": (lambda: P.pack([[[1], [1, 2]]]), "pack: groups[0]=object of shape ()"),
    "negative": (lambda: P.pack([[0], [-1]]), "pack: groups[1]=index -1: count examples from 0"),
    "twice": (lambda: P.pack([[3, 3]]), "pack: groups[0]=1 repeated examples"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_mean_nothing_are_refused(name, as_users_run):
    make, words = NUMBERS[name]
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(words)


BY_HAND = {
    "beyond the width": (([[0, 1, 2], [3, 4, 5]], [30, 3]), "a count of 30 in 3 slots: make it by partition.pack"),
    "negative count": (([[0, 1]], [-1]), "a count of -1"),
    "fractions": (([[0.5, 1.0]], [2]), "indices float64[1, 2], counts int"),
    "ragged": (([[0], [1, 2]], [1, 2]), "rows of unlike lengths"),
    "other length": (([[0], [1]], [1]), "indices int"),
    "negative": (([[0, -1]], [2]), "indices -1 to 0"),
    "outside": (([[0, 6]], [2]), "indices 0 to 6: x has 6 examples"),
    "twice": (([[0, 1], [2, 2]], [2, 2]), "nodes [1] hold an example twice"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_partition_made_by_hand_is_looked_at(name, as_users_run):
    (indices, counts), words = BY_HAND[name]
    with pytest.raises(ConfigurationError) as caught:
        P.checked("call", P.Partition(indices, counts), 6)
    assert str(caught.value).startswith(f"call: partition={words}")


def test_padding_may_repeat_and_nodes_may_share(as_users_run):
    partition = P.checked("call", P.Partition([[0, 0, 0], [0, 1, 2]], [1, 3]), 3)
    assert [group.tolist() for group in partition.groups] == [[0], [0, 1, 2]]
