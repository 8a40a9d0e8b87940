"""What governance is: at the end of a round it decides who counts less, and which earlier model to return to."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, PyTree

from ghostjax._border import Checked
from ghostjax._output import Output
from ghostjax._round import Session, Verdict
from ghostjax.governance._snapshots import Snapshots


class AbstractGovernance(Checked):
    """Turns what is known at the end of a round into a verdict, which the round applies.

    It writes nothing else: not the weights, not the models, not the memory of any other stage. It never sees who is
    Byzantine nor who owns whom. `snapshots` says which earlier models are kept.
    """

    snapshots: eqx.AbstractVar[Snapshots]
    outputs: ClassVar[Mapping[str, Output]] = {}
    """What it records."""

    @abstractmethod
    def init(self, num_nodes: int) -> PyTree:
        """The memory before the first round, in which nobody is quarantined."""

    @abstractmethod
    def decide(self, state: PyTree, session: Session, num_nodes: int) -> tuple[PyTree, Verdict, dict[str, Array]]:
        """The next memory, the verdict for the next rounds, and what to record."""
