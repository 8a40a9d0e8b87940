"""No attack."""

from typing import ClassVar

from jaxtyping import PyTree

from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, Sent, View


class NoAttack(AbstractStatelessAttack):
    """Byzantine identities follow the protocol: the baseline of every comparison.

    **Knows:** its own identities' messages. **State:** none.
    """

    knows: ClassVar[Knowledge] = "own"

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        return state, Sent(view.messages)
