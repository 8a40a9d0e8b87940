"""The logged contributions of those who are named, taken off the model."""

from typing import Any

import jax
import numpy as np

from ghostjax.correction._base import AbstractCorrection, Case, Corrected, Plays, spliced


class Subtraction(AbstractCorrection):
    """At the execution the contributions of those who are named are taken off the present model; they are out.

        theta <- theta - sum_{t = start}^{executed} (F_t(theta_t, all) - F_t(theta_t, all but the named))

    F_t is the round at the logged model theta_t with the logged rows; memories of optimizers are treated alike. The
    baseline of a ledger without replay: it knows what each round would have been, and nothing of how later rounds would
    have answered. Where training moves by sums alone it equals `Replay`; where honest gradients have already pushed
    back, that is undone too, and it can be worse than doing nothing. **Cost:** none, where rows are logged.

    Source: the first-order unlearning of logged updates, the baseline of Cao et al., FedRecover, arXiv:2210.10936.
    """

    def correct(self, case: Case, plays: Plays) -> Corrected:
        after, zero = case.executed + 1, np.zeros_like(case.start)
        silent = case.without(case.start)
        _, lived = plays(case.weights, zero, after, None)
        states, _ = plays(case.weights, zero, case.start, None)
        total = None
        for step in range(int((after - case.start).max())):
            first = np.minimum(case.start + step, after)
            stop = np.minimum(first + 1, after)
            others, _ = plays(silent, first, stop, states)
            states, _ = plays(case.weights, first, stop, states)
            share = jax.tree.map(_difference, states.protocol, others.protocol)
            total = share if total is None else jax.tree.map(np.add, total, share)
        corrected = jax.tree.map(_less, states.protocol, total)
        _, rest = plays(case.without(after), after, case.rounds, states._replace(protocol=corrected))
        return Corrected(spliced(lived, rest, after), zero)


def _difference(now: Any, other: Any) -> np.ndarray:
    """What was added; counters are no contributions."""
    now = np.asarray(now)
    return now - np.asarray(other) if np.issubdtype(now.dtype, np.floating) else np.zeros_like(now)


def _less(now: Any, share: np.ndarray) -> np.ndarray:
    return (np.asarray(now) - share).astype(np.asarray(now).dtype)
