"""No attack."""

from typing import Any, ClassVar

from jaxtyping import PyTree

from ghostjax.attacks._base import AbstractMessageAttack, Knowledge, Sent, View


class NoAttack(AbstractMessageAttack):
    """Byzantine identities follow the protocol: the baseline of every comparison.

    **Knows:** its own identities' messages. **State:** none.
    """

    knows: ClassVar[Knowledge] = "own"

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def step(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        return state, Sent(view.messages)
