"""The logged contributions of those who are named, taken off the model."""

from typing import Any

import numpy as np

from ghostjax._types import require
from ghostjax.correction._base import AbstractCorrection, Case, Corrected, Plays, spliced


class Subtraction(AbstractCorrection):
    """At the execution the contributions of those who are named are taken off the present model; they are out.

        theta <- theta - sum_{t = start}^{executed} (F_t(theta_t, all) - F_t(theta_t, all but the named))

    F_t is the model after the round at the logged state, with the logged rows. The baseline of a ledger without replay:
    it knows what each round would have been, and nothing of how later rounds would have answered. Where training moves
    by sums alone it equals `Replay`; where honest gradients have already pushed back, that is undone too, and it can be
    worse than doing nothing. Memories of optimizer and rule stay as they are: they fade, and are no sums.
    **Cost:** none, where rows are logged. **Errors:** a protocol whose state has no model `theta`.

    Source: the first-order unlearning of logged updates, the baseline of Cao et al., FedRecover, arXiv:2210.10936.
    """

    def correct(self, case: Case, plays: Plays) -> Corrected:
        after, zero = case.executed + 1, np.zeros_like(case.start)
        silent = case.without(case.start)
        _, lived = plays(case.weights, zero, after, None)
        states, _ = plays(case.weights, zero, case.start, None)
        total = np.zeros_like(_model(states))
        for step in range(int((after - case.start).max())):
            first = np.minimum(case.start + step, after)
            stop = np.minimum(first + 1, after)
            others, _ = plays(silent, first, stop, states)
            states, _ = plays(case.weights, first, stop, states)
            total = total + (_model(states) - _model(others))
        protocol = states.protocol._replace(theta=_model(states) - total)
        _, rest = plays(case.without(after), after, case.rounds, states._replace(protocol=protocol))
        return Corrected(spliced(lived, rest, after), zero)


def _model(states: Any) -> np.ndarray:
    kind = type(states.protocol).__name__
    has = hasattr(states.protocol, "theta") and hasattr(states.protocol, "_replace")
    require(has, "Subtraction", "protocol", f"a state {kind}", "give it a named tuple with the field theta, the model")
    return np.asarray(states.protocol.theta)
