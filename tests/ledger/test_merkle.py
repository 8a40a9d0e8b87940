"""The tree and its proofs: every proof of every small size is accepted, and no changed bit of one."""

import hashlib

import numpy as np
import pytest

from ghostjax.ledger import extends, includes, leaf_hash, node_hash, Tree


MOST = 300
LEAVES = [leaf_hash(str(i).encode()) for i in range(2000)]
TREE = Tree(LEAVES)


def definition(hashes):
    """RFC 9162, section 2.1.1, as it stands there."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node_hash(definition(hashes[:k]), definition(hashes[k:]))


ROOTS = [definition(LEAVES[:n]) for n in range(MOST + 1)]


def test_hashes_are_those_of_the_standard():
    """Values that were computed by other implementations of RFC 9162."""
    known = ["96a296d224f285c6", "a20bf9a7cc2dc8a0", "3b6cccd7e3e023ff"]
    assert [Tree(leaf_hash(bytes([i])) for i in range(n)).root()[:8].hex() for n in (1, 2, 3)] == known
    assert Tree().root().hex()[:16] == "e3b0c44298fc1c14" and leaf_hash(b"").hex()[:16] == "6e340b9cffb37a98"
    # An inner node never passes for a leaf, nor a leaf for an inner node.
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


def test_roots_of_every_size_however_the_leaves_came():
    assert [TREE.root(n) for n in range(MOST + 1)] == ROOTS
    rng = np.random.default_rng(0)
    grown = Tree()
    while len(grown) < MOST:
        before = len(grown)
        grown.extend(LEAVES[before : before + int(rng.integers(0, 40))])
        assert grown.root() == TREE.root(len(grown)) and grown.root(before) == TREE.root(before)
    assert grown.leaf(7) == LEAVES[7]


SIZES = pytest.mark.parametrize("sizes", [range(1, 81), pytest.param(range(81, MOST + 1), marks=pytest.mark.slow)])


@SIZES
def test_every_inclusion_proof_of_every_size_is_accepted(sizes):
    for n in sizes:
        for i in range(n):
            assert includes(LEAVES[i], i, n, TREE.inclusion(i, n), ROOTS[n])


@SIZES
def test_every_consistency_proof_of_every_size_is_accepted(sizes):
    for n in sizes:
        for m in range(1, n + 1):
            assert extends(m, ROOTS[m], n, ROOTS[n], TREE.consistency(m, n))


def flipped(values, bit):
    """The hashes with one bit changed, counted through all of them."""
    at, inside = divmod(bit, 256)
    value = bytearray(values[at])
    value[inside // 8] ^= 1 << (inside % 8)
    return [*values[:at], bytes(value), *values[at + 1 :]]


def refused_inclusion(i, n, bit):
    """Bits of the leaf, of the root, of the proof, in this order."""
    leaf, root, *proof = flipped([LEAVES[i], TREE.root(n), *TREE.inclusion(i, n)], bit)
    return not includes(leaf, i, n, proof, root)


def refused_consistency(m, n, bit):
    """Bits of both roots and of the proof."""
    old, new, *proof = flipped([TREE.root(m), TREE.root(n), *TREE.consistency(m, n)], bit)
    return not extends(m, old, n, new, proof)


@pytest.mark.slow
def test_every_flipped_bit_is_refused_up_to_size_20():
    for n in range(1, 21):
        for i in range(n):
            assert all(refused_inclusion(i, n, bit) for bit in range(256 * (2 + len(TREE.inclusion(i, n)))))
        for m in range(1, n):
            assert all(refused_consistency(m, n, bit) for bit in range(256 * (2 + len(TREE.consistency(m, n)))))


@pytest.mark.parametrize(
    ("sizes", "draws"),
    [((1, 21), 1_000), ((21, 2000), 1_000), pytest.param((21, 2000), 10_000, marks=pytest.mark.slow)],
)
def test_drawn_flips_are_refused(sizes, draws):
    rng = np.random.default_rng(draws)
    for _ in range(draws):
        n = int(rng.integers(*sizes))
        i, m = int(rng.integers(n)), int(rng.integers(1, n + 1))
        assert refused_inclusion(i, n, int(rng.integers(256 * (2 + len(TREE.inclusion(i, n))))))
        assert refused_consistency(m, n, int(rng.integers(256 * (2 + len(TREE.consistency(m, n))))))


def test_proofs_of_another_shape_are_refused():
    for n in range(1, 40):
        for i in range(n):
            proof = TREE.inclusion(i, n)
            others = [j for j in range(n + 2) if j != i]
            assert not any(includes(LEAVES[i], j, n, proof, ROOTS[n]) for j in (-1, *others))
            assert not includes(LEAVES[i], i, n, proof[:-1], ROOTS[n]) or not proof
            assert not includes(LEAVES[i], i, n, [*proof, ROOTS[3]], ROOTS[n])
            assert not includes(LEAVES[i], i, n, [b"", *proof], ROOTS[n])
        for m in range(1, n):
            proof = TREE.consistency(m, n)
            assert not extends(m, ROOTS[m], n, ROOTS[n], proof[:-1])
            assert not extends(m, ROOTS[m], n, ROOTS[n], [*proof, ROOTS[3]])
            assert not extends(m, ROOTS[m], n, ROOTS[n], [])
    assert not extends(3, ROOTS[3], 3, ROOTS[3], [ROOTS[2]]) and not extends(0, ROOTS[0], 3, ROOTS[3], [])
    assert not extends(4, ROOTS[4], 3, ROOTS[3], [])


@pytest.mark.parametrize("ask", [lambda: TREE.root(2001), lambda: TREE.inclusion(3, 3), lambda: TREE.inclusion(-1),
                                 lambda: TREE.consistency(5, 4), lambda: Tree().inclusion(0)])  # fmt: skip
def test_what_the_list_never_had_is_refused(ask):
    with pytest.raises(ValueError, match="the list has none"):
        ask()
