"""Those who are named count no more."""

import numpy as np

from ghostjax.correction._base import AbstractCorrection, Case, Corrected, Plays, spliced


class Quarantine(AbstractCorrection):
    """From the round after the execution on, those who are named have weight 0; the model stays as it is.

    What they did before remains in it. **Cost:** none.
    """

    def correct(self, case: Case, plays: Plays) -> Corrected:
        after, zero = case.executed + 1, np.zeros_like(case.start)
        states, lived = plays(case.weights, zero, after, None)
        _, rest = plays(case.without(after), after, case.rounds, states)
        return Corrected(spliced(lived, rest, after), zero)
