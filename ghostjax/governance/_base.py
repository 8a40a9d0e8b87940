"""What governance is: at the end of a round it decides who counts less, and which earlier model to return to.

Beside it, the electorate: members who vote on what governance puts to them. It alone knows the truth about them.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from ghostjax._border import Checked
from ghostjax._output import Output
from ghostjax._round import Ballots, Motion, People, Reading, Session, Verdict
from ghostjax._types import Key
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

    def blank_session(self, readings: Mapping[str, Reading], ballots: bool, num_nodes: int) -> Session:
        """A session of the right shapes in which nobody said anything; `ballots`: whether there is an electorate."""
        zero, nobody = jnp.zeros((), jnp.int32), jnp.zeros(num_nodes, bool)
        return Session(
            readings=readings,
            round=zero,
            age=zero,
            key=jax.random.key(0),
            power=jnp.ones(num_nodes, jnp.result_type(float)),
            snapshots=jnp.zeros(self.snapshots.capacity, jnp.int32),
            ballots=Ballots(nobody, nobody) if ballots else None,
        )

    def blank_verdict(self, readings: Mapping[str, Reading], ballots: bool, num_nodes: int) -> Verdict:
        """A verdict that does nothing, with every part that this governance ever decides; nothing is computed."""

        def decided() -> Verdict:
            return self.decide(self.init(num_nodes), self.blank_session(readings, ballots, num_nodes), num_nodes)[1]

        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(decided))
        return blank._replace(factor=blank.factor + 1, back=blank.back - 1)


class AbstractElectorate(Checked):
    """Turns the motion on the table into ballots.

    It alone is told who is Byzantine and who owns whom: what a vote comes to depends on who was captured. Governance
    sees the ballots and nothing of the truth.
    """

    @abstractmethod
    def init(self, num_nodes: int) -> PyTree:
        """The memory before the first round."""

    @abstractmethod
    def spoken_for(self, people: People) -> Bool[Array, " n"]:
        """The members that the adversary captured: it may say how they vote, and nobody else's vote."""

    @abstractmethod
    def vote(self, state: PyTree, motion: Motion, people: People, key: Key) -> tuple[PyTree, Ballots]:
        """The next memory and the ballots of this round; nobody casts one where `motion.votes` is false."""
