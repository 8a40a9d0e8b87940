"""The hash of participation."""

import hashlib

import numpy as np


class Present:
    """The sha256 of the participation weights of the first rounds, updated round by round."""

    def __init__(self, weights: np.ndarray):
        self._weights, self._done, self._digest = weights, 0, hashlib.sha256()

    def upto(self, done: int) -> str:
        """The digest of the first `done` rows; never fewer than in the call before."""
        step = max(1, 2**22 // max(self._weights.shape[1], 1))
        while self._done < done:
            stop = min(done, self._done + step)
            self._digest.update(np.ascontiguousarray(self._weights[self._done : stop]).data)
            self._done = stop
        return self._digest.hexdigest()
