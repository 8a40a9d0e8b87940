"""Back to an earlier model, and the rounds since then once more."""

import numpy as np

from ghostjax.correction._base import AbstractCorrection, Case, Corrected, Plays, spliced


class Replay(AbstractCorrection):
    """Back to the model of round `start`, and the rounds since then again without those who are named.

    It is the run in which they were absent from `start` on: the same batches, noise and weights of all others, whose
    messages are computed anew along the new path. The ledger has to suffice to replay. Until the execution the network
    lives with the old model. **Cost:** the gradients of all others in rounds `start` to execution.

    Source: replay from a clean checkpoint is the exact reference of Cao et al., FedRecover, arXiv:2210.10936.
    """

    def correct(self, case: Case, plays: Plays) -> Corrected:
        after, zero = case.executed + 1, np.zeros_like(case.start)
        weights = case.without(case.start)
        _, lived = plays(case.weights, zero, after, None)
        _, replayed = plays(weights, zero, case.rounds, None)
        rounds = np.arange(weights.shape[1])
        again = (case.start[:, None] <= rounds) & (rounds < after[:, None])
        return Corrected(spliced(lived, replayed, after), ((weights > 0) & again[:, :, None]).sum((1, 2)))
