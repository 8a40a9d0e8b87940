"""Tests on a sample of the reached states whether identities declared as interchangeable are so."""

from collections.abc import Mapping

import numpy as np

from ghostjax.formal._encoding import pack_many, unpack_many, words_of
from ghostjax.formal._errors import Unsound
from ghostjax.formal._program import Program
from ghostjax.formal._spec import Spec, Symmetry


SAMPLE, VARIANTS = 256, 512
"""The number of states in the sample, and of renamed states (at least two of each)."""


def refuse_false(program: Program, keys: np.ndarray) -> None:
    """Raises `Unsound` if a renamed state has other successors than the renamed ones, or if other claims hold in it.

    Every representative in the sample is renamed by exchanges of neighbours and at random. A pass is no proof: a
    difference in states outside the sample is missed.
    """
    spec, layout = program.spec, program.layout
    chosen = np.unique(np.linspace(0, len(keys) - 1, SAMPLE).astype(np.int64))
    words = words_of(keys[chosen], layout.words)
    fields = unpack_many(layout, words)
    before = program.free.expand(words, 0)
    claims = program.inspect(words, 0)
    rng = np.random.default_rng(0)
    for k in range(max(2, VARIANTS // len(words))):
        orders = [_orders(symmetry, len(words), k, rng) for symmetry in spec.symmetry]
        renamed, _ = pack_many(layout, _renamed(spec, fields, orders))
        seen = program.inspect(renamed, 0)
        pairs = [(seen.invariants, claims.invariants, list(spec.invariants)),
                 (seen.witnesses, claims.witnesses, list(spec.witnesses)),
                 (seen.constraint[:, None], claims.constraint[:, None], ["the constraint"])]  # fmt: skip
        for there, here, names in pairs:
            if (there != here).any():
                row, column = np.argwhere(there != here)[0]
                raise _unsound(spec, fields, int(row), orders, f"{names[column]} holds in one of them only")
        after = program.free.expand(renamed, 0)
        count = before.enabled.shape[1]
        flat = unpack_many(layout, before.words.reshape(-1, layout.words))
        expected, _ = pack_many(layout, _renamed(spec, flat, [np.repeat(order, count, axis=0) for order in orders]))
        ours = _rows(before.enabled, before.inside, before.steps, expected.reshape(before.words.shape))
        theirs = _rows(after.enabled, after.inside, after.steps, after.words)
        if not np.array_equal(ours, theirs):
            both, times = np.unique(np.concatenate([ours, theirs]), axis=0, return_counts=True)
            row = int(both[times == 1][0, 0])
            raise _unsound(spec, fields, row, orders, "they do not lead to the same states")


def _orders(symmetry: Symmetry, states: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """A renaming `[states, count]` of the interchangeable identities for each state."""
    order = np.tile(np.arange(symmetry.count), (states, 1))
    if k % 2:
        return rng.permuted(order, axis=1)
    if symmetry.count > 1:
        at = (np.arange(states) + k // 2) % (symmetry.count - 1)
        rows = np.arange(states)
        order[rows, at], order[rows, at + 1] = at + 1, at
    return order


def _renamed(spec: Spec, fields: Mapping[str, np.ndarray], orders: list[np.ndarray]) -> dict[str, np.ndarray]:
    out = dict(fields)
    for symmetry, order in zip(spec.symmetry, orders, strict=True):
        chosen = slice(symmetry.first, symmetry.first + symmetry.count)
        for name, axis in symmetry.axes.items():
            moved = np.moveaxis(out[name], axis + 1, 1).copy()
            part = moved[:, chosen]
            moved[:, chosen] = np.take_along_axis(part, order.reshape(*order.shape, *[1] * (part.ndim - 2)), axis=1)
            out[name] = np.moveaxis(moved, 1, axis + 1)
    return out


def _rows(enabled: np.ndarray, inside: np.ndarray, steps: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The steps of each state as sorted distinct rows: state, within bounds, step claims, successor."""
    state, label = np.nonzero(enabled)
    within = inside[state, label]
    # A step out of bounds has no valid successor, so its claims are not compared.
    parts = [state[:, None], within[:, None], steps[state, label] & within[:, None],
             words[state, label] * within[:, None]]  # fmt: skip
    return np.unique(np.concatenate([part.astype(np.int64) for part in parts], axis=1), axis=0)


def _unsound(spec: Spec, fields: Mapping[str, np.ndarray], row: int, orders: list[np.ndarray], why: str) -> Unsound:
    moved = [
        (symmetry.first + i, symmetry.first + int(j))
        for symmetry, order in zip(spec.symmetry, orders, strict=True)
        for i, j in enumerate(order[row])
        if i != j
    ]
    state = "  ".join(f"{name} = {np.asarray(values[row]).tolist()}" for name, values in fields.items())
    names = ", ".join(f"{j} as {i}" for i, j in moved)
    return Unsound(
        f"{spec.name}: symmetry: identities are not interchangeable: of the state {state} and the same with {names}, "
        f"{why} (does a variable store an identity, or is one missing from the axes?)"
    )
