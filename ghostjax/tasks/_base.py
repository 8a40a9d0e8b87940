"""The base class of tasks: a stated goal of the network, and a local objective of each node, which may differ."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from jaxtyping import Array, Float, PyTree

from ghostjax._border import Checked
from ghostjax._output import GOAL, Output
from ghostjax._round import Audit, Moments
from ghostjax._types import Key
from ghostjax.tasks._splits import Split, Splits


class AbstractTask(Checked):
    """A learning problem spread over `num_nodes` nodes.

    `loss` on the batches that `sample` draws is each node's *local* objective; `evaluate` is the *stated*
    goal of the network, on data that nobody trains on if the task has such data (`splits`). The difference between the
    two causes drift.
    """

    outputs: ClassVar[Mapping[str, Output]] = GOAL
    """The declarations of the entries of `evaluate`: long names, units, and which direction is better."""
    sequential = False
    """Whether a CPU should take one node after the other instead of all as one batch."""

    @property
    @abstractmethod
    def num_nodes(self) -> int:
        """Number of nodes n."""

    @abstractmethod
    def init(self, key: Key) -> PyTree:
        """Initial parameters of one model, all of one floating dtype."""

    @abstractmethod
    def sample(self, key: Key) -> PyTree:
        """One batch for every node: each leaf has the node axis `[n, ...]` first."""

    @abstractmethod
    def loss(self, params: PyTree, batch: PyTree, key: Key) -> Float[Array, ""]:
        """The local objective of one node on its batch; `key` is for dropout and the like."""

    @abstractmethod
    def evaluate(self, params: PyTree, split: Split = "validation") -> dict[str, Float[Array, ""]]:
        """The stated goal of one model: at least `loss`; `accuracy` where it makes sense.

        Goal, attribution and every choice read "validation"; "test" is for tables. A user's task with one goal may
        define `evaluate(self, params)` alone.
        """

    @property
    def audited(self) -> Callable[[PyTree], Audit] | None:
        """`audited(params)`: the audit set that participants share, with its losses; None for a task without one."""
        return None

    @property
    def committed(self) -> Callable[[PyTree, PyTree], Moments] | None:
        """`committed(params, direction)`: the exact mean and variance of every node's batch gradient along `direction`.

        They are what an auditor knows to whom every node has shown its data; None where they are not known.
        """
        return None

    @property
    def num_classes(self) -> int | None:
        """Number of classes of the integer labels `batch.y`; None if there are no labels, or if it is unknown."""
        return None

    @property
    def splits(self) -> Splits:
        """The four sets of examples; none by default."""
        return Splits(note="the task states its goal without sets of examples")
