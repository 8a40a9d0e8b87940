"""Whether the folder of a log holds what its heads say: every byte read, nothing changed."""

from collections.abc import Sequence
from pathlib import Path

from ghostjax.ledger import _disk
from ghostjax.ledger._disk import Damaged
from ghostjax.ledger._entries import faults
from ghostjax.ledger._head import Head
from ghostjax.ledger._keys import can_sign
from ghostjax.ledger._log import Log
from ghostjax.ledger._merkle import leaf_hash, Tree, WIDTH


def verify_ledger(directory: Path) -> list[str]:
    """One line for every kind of fault, the first of its kind each; none if all is as it was acknowledged.

    A forged entry is named: its hash stands in another file, and the heads stand over all hashes. Who forges the hash
    too, and has not the key, is found by the head, and the entry is known up to the batch that this head closed.
    """
    try:
        content, about, public_key = _disk.read_about(directory)
        heads, _ = _disk.read_heads(directory, _disk.origin(content))
        leaves = _disk.read_leaves(directory)
    except Damaged as error:
        return [str(error)]
    size = heads[-1].size if heads else 0
    hashes = _hashes(directory, size)
    known = [leaves[i : i + WIDTH] for i in range(0, WIDTH * size, WIDTH)]
    wrong = _forged(heads, hashes, known) + _unsigned(heads, public_key)
    if not wrong and isinstance(about, dict) and about.get("holds") == "rounds":
        with Log(directory, readonly=True) as log:
            wrong = list(faults(log.entries()))
    return wrong


def standing(directory: Path) -> str:
    """How long the log is and who signed it, in one line."""
    with Log(directory, readonly=True) as log:
        who = "unsigned: who can write the folder can write another one"
        if log.public_key is not None:
            who = f"signed by {log.public_key.hex()}"
            who += "" if can_sign() else " (not looked at: pip install 'ghostjax[ledger]')"
        return f"{len(log)} entries, {who}"


def _hashes(directory: Path, size: int) -> list[bytes]:
    """The hashes of the entries as they lie there; empty where one is damaged or missing."""
    found: list[bytes] = []
    for first, path in _disk.segments(directory):
        found += [b""] * (first - len(found))
        try:
            found += [b"" if entry is None else leaf_hash(entry) for entry in _disk.frames(path)]
        except OSError:
            continue
    return (found + [b""] * size)[:size]


def _forged(heads: Sequence[Head], hashes: Sequence[bytes], known: Sequence[bytes]) -> list[str]:
    apart = [i for i, (one, other) in enumerate(zip(hashes, known, strict=False)) if one != other]
    apart += range(len(known), len(hashes))
    start, stop = _first_batch(heads, known)
    if start == stop:
        return [_named(apart[0], hashes)] if apart else []
    if all(hashes) and _first_batch(heads, hashes)[0] == heads[-1].size:
        return [f"{_disk.LEAVES}: the hash of entry {apart[0]} is not that of the entry"]
    inside = [i for i in apart if start <= i < stop]
    if inside:
        return [_named(inside[0], hashes)]
    if stop == start + 1:
        return [_named(start, hashes)]
    return [f"entry {start} to {stop - 1}: one of them is forged; the head of {stop} entries is not theirs"]


def _first_batch(heads: Sequence[Head], hashes: Sequence[bytes]) -> tuple[int, int]:
    """The entries of the first batch whose head does not stand over these hashes; an empty range at the end of all."""
    tree, start = Tree(), 0
    for head in heads:
        tree.extend(hashes[start : head.size])
        if len(tree) != head.size or tree.root() != head.root:
            return start, head.size
        start = head.size
    return start, start


def _named(index: int, hashes: Sequence[bytes]) -> str:
    how = "forged: it is not the one that was acknowledged" if hashes[index] else "damaged or missing"
    return f"entry {index} is {how}"


def _unsigned(heads: Sequence[Head], public_key: bytes | None) -> list[str]:
    if public_key is None:
        signed = [head for head in heads if head.signature]
        return [f"{_disk.HEADS}: the head of {signed[0].size} entries is signed and the log is not"] if signed else []
    if not can_sign():
        return []
    for head in heads:
        if not head.by(public_key):
            return [f"{_disk.HEADS}: the head of {head.size} entries is not signed by the key of the log"]
    return []
