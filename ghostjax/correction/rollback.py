"""Back to an earlier model."""

import numpy as np
from jaxtyping import Array, Int

from ghostjax._types import count_field
from ghostjax.correction._base import AbstractCorrection, Case, Corrected, Plays, spliced


class Rollback(AbstractCorrection):
    """At the execution an earlier model takes the place of the present one; those who are named are out.

    The newest snapshot at or before round `start` is restored; snapshots lie `every` rounds apart. Protocol and learner
    are those of the snapshot, optimizer memory included. What people know (attack, identity, detectors, channel) is not
    undone, and the clock goes on. The honest progress since then is lost: at equal time it can be worse than
    quarantine alone, at equal age it is not. **Cost:** none, where snapshots are kept.

    **Traced:** `every`.
    """

    every: Int[Array, ""] = count_field(default=5, low=1)

    def correct(self, case: Case, plays: Plays) -> Corrected:
        after, zero = case.executed + 1, np.zeros_like(case.start)
        kept = case.start - case.start % int(self.every)
        earlier, _ = plays(case.weights, zero, kept, None)
        states, lived = plays(case.weights, zero, after, None)
        states = states._replace(learner=earlier.learner, protocol=earlier.protocol, age=earlier.age)
        _, rest = plays(case.without(after), after, case.rounds, states)
        return Corrected(spliced(lived, rest, after), zero, after - kept)
