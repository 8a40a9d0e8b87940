"""A counterexample under symmetry as an executable behaviour: from representatives back to states."""

from collections.abc import Sequence

import numpy as np

from ghostjax.formal._declared import initial_states
from ghostjax.formal._encoding import pack_many
from ghostjax.formal._errors import Unsound
from ghostjax.formal._program import Program


def executable(
    running: Program,
    rows: Sequence[np.ndarray],
    labels: Sequence[int | None],
    broken: Sequence[str],
    last: bool,
    bug: int,
) -> tuple[list[np.ndarray], list[int | None]]:
    """A behaviour whose states have the representatives `rows`, with its labels.

    Under symmetry a trace is a chain of representatives: each one is the successor of the one before, up to a renaming.
    The behaviour begins with an initial state of the specification. Each step takes a label whose successor has the
    next representative. Every renaming of a state allows the renamed steps, so the first label that fits suffices.
    `broken` are the violated properties: of the `last` step itself (step invariants, "OutOfBounds"), or of the last
    state. Errors: `Unsound` if no label fits, or if the properties hold: the identities are not interchangeable.
    """
    free = running.unreduced
    initial, _ = pack_many(free.layout, initial_states(free.spec))
    at = initial[_fitting(running, initial, rows[0])[0]]
    found, taken = [at], [labels[0]]
    for i, (row, label) in enumerate(zip(rows[1:], labels[1:], strict=True), 1):
        assert label is not None
        out = free.expand(at[None], bug)
        enabled, inside, after = out.enabled[0], out.inside[0], out.words[0]
        breaking = broken if last and i == len(rows) - 1 else ()
        if "OutOfBounds" in breaking:
            choices = np.flatnonzero(enabled & ~inside)  # no states, no representatives
        else:
            wrong = [~out.steps[0, :, k] for k, name in enumerate(free.spec.steps) if name in breaking]
            choices = np.flatnonzero(enabled & inside & np.all(wrong, axis=0))
            choices = choices[_fitting(running, after[choices], row)]
        if not len(choices):
            raise Unsound(
                f"{running.spec.name}: symmetry: no renaming of state {i} allows {running.labels[label]} with the "
                "successor that its representative has: the identities are not interchangeable (does a variable store "
                "one, or is one missing from the axes?)"
            )
        same = [c for c in choices if running.labels[c].action == running.labels[label].action]
        taken.append(int((same or choices)[0]))
        at = after[taken[-1]]
        found.append(at)
    if not last:
        fine = free.inspect(at[None], bug).invariants[0]
        spared = [name for name, holds in zip(free.spec.invariants, fine, strict=True) if holds and name in broken]
        if spared:
            raise Unsound(
                f"{free.spec.name}: symmetry: {', '.join(spared)} holds in a state whose representative breaks it: the "
                "identities are not interchangeable in it"
            )
    return found, taken


def _fitting(running: Program, words: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The states among `words` `[N, K]` that have the representative `row`."""
    if not len(words):
        return np.zeros(0, np.int64)
    return np.flatnonzero((running.canonical(words) == row[None]).all(1))
