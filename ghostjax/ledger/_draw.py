"""Which rounds are looked at: drawn by the verifier's seed from those that the log commits to."""

import hashlib
from collections.abc import Sequence


def candidates(every: int, played: int) -> list[int]:
    """Rounds whose rows are committed in a log of `played` rounds: what comes into them is, and they are played."""
    return list(range(0, played, every))


def drawn(seed: int, root: bytes, there: Sequence[int], count: int) -> list[int]:
    """`count` of the rounds `there`, or all: those with the smallest `sha256(seed, root, round)`.

    A verifier who tells the seed after the head is known leaves whoever keeps the log no choice.
    """

    def lot(round: int) -> bytes:
        return hashlib.sha256(b"ghostjax draw 1\n" + f"{seed} {root.hex()} {round}".encode()).digest()

    return sorted(sorted(there, key=lot)[:count])
