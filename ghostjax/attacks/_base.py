"""The base class of adversaries: they see a round before it ends and rewrite messages or data of their identities."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import Checked
from ghostjax._byzantine import byzantine_mask
from ghostjax._kernels import present
from ghostjax._random import Moment
from ghostjax._round import Before as Before, Sent as Sent, View as View
from ghostjax._rows import messages, weights
from ghostjax._types import concrete, ConfigurationError, Key


Knowledge = Literal["nothing", "own", "honest", "defence"]
Law = Literal["permutation", "absence", "finite"]


class AbstractAttack(Checked):
    """An adversary: it can poison the data of its identities (`poison`) and rewrite their messages (`corrupt`).

    The round restores data and messages of honest identities, so only rows of its own identities count. `corrupt`
    writes its memory, once a round; `poison` reads the memory of the round before. It obeys three laws unless
    `exempt_laws` says otherwise: identities are interchangeable (permutation), an absent honest identity has no
    influence (absence), and its messages are finite even if all identities or none are Byzantine (finite). With no
    honest identity present, honest statistics are zero.
    """

    knows: ClassVar[Knowledge] = "honest"
    """The parts of a round that it reads, each level with those before it. "nothing": the number of identities and its
    own. "own": the models and the messages of its own identities. "honest": all messages, weights and the graph.
    "defence": `respond`."""
    exempt_laws: ClassVar[frozenset[Law]] = frozenset()
    """The laws that this attack does not obey; its docstring says why."""
    per_receiver: ClassVar[bool] = False
    """Whether it sends different vectors to different receivers, which only gossip delivers."""
    says_who: ClassVar[bool] = False
    """Whether the attack itself decides who is Byzantine (`everybody`); then `byzantine=` is not given."""
    doubt: ClassVar[Callable[..., str | None] | None] = None
    """`doubt(n, f)`, an optional method: why f among n identities of weight 1 make no attack. A simulation warns."""

    def __hash__(self) -> int:
        # An attack can be a key of `Several`: arrays have no hash, and equal attacks are of one class.
        return hash(type(self))

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The adversary's memory before the first round; `like` has the shape and dtype of the messages."""

    @abstractmethod
    def on(self, task: Any) -> "AbstractAttack":
        """This attack on `task`: the same one, unless the task determines an open knob."""

    @abstractmethod
    def everybody(self, byzantine: Any, num_nodes: int) -> Any:
        """The Byzantine identities: `byzantine` as it was given (None for nobody), unless the attack decides it."""

    @abstractmethod
    def roles(self, byzantine: Bool[Array, " n"], moment: Moment) -> "tuple[AbstractAttack, Bool[Array, ' n']]":
        """This attack in one round, and the identities that it holds in it."""

    @abstractmethod
    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree[Array]:
        """The batches `[n, b, ...]` of all nodes, with those of Byzantine nodes rewritten."""

    @abstractmethod
    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        """The next memory and the messages of Byzantine identities."""

    def __call__(
        self,
        x: Any,
        byzantine: Any = None,
        w: Any = None,
        *,
        key: Key | None = None,
        rule: Callable[[Array, Array], Array] | None = None,
        mixing: Float[Array, "n n"] | None = None,
    ) -> Float[Array, "n d"]:
        """One round from the initial memory: the messages `[n, d]` that leave when `x` would be sent honestly.

        `byzantine` is a mask `[n]`, or a count or share of the last rows. `w` are the weights (1 unless given), `key`
        the randomness (`jax.random.key(0)` unless given), `rule` the defence as `rule(x, w) -> y`, `mixing` the mixing
        matrix when all are present. With an attack that sends a different vector to each receiver, row i is the vector
        that receiver i gets from its Byzantine neighbours. Messages and weights are converted as in `rule(x, w)`.
        Weights count: `ddof` and `z_max` take their sum for the number of identities. With shares that sum to 1 the
        standard deviation is 0, and ALIE, min-max and min-sum send the honest mean. Nothing is rescaled here
        (`gj.simulate` refuses such weights and names the way out). Equal shapes compile once.
        """
        call = f"{type(self).__name__}(x, byzantine)"
        if self.knows == "defence" and rule is None:
            raise ConfigurationError(f"{call}: rule=None: it searches through the defence; give rule=...")
        x = messages(x, call)
        mask = byzantine_mask(self.everybody(byzantine, x.shape[0]), x.shape[0], call)
        w = weights(w, x, call)
        arguments = (self, x, mask, w, jax.random.key(0) if key is None else key, rule, mixing)
        return _alone(*arguments) if concrete(arguments) else _sent(*arguments)


def _sent(
    attack: AbstractAttack,
    x: Float[Array, "n d"],
    byzantine: Bool[Array, " n"],
    w: Float[Array, " n"],
    key: Key,
    rule: Callable[[Array, Array], Array] | None,
    mixing: Float[Array, "n n"] | None,
) -> Float[Array, "n d"]:
    """The messages of one round from the initial memory."""
    attack, byzantine = attack.roles(byzantine, Moment(key, jnp.zeros((), jnp.int32)))
    seen, weights, _ = present(x, w)

    def respond(rows: Array) -> Array:
        if rule is None:
            raise ConfigurationError(f"{type(attack).__name__}: knows={attack.knows!r}: declare 'defence' to respond")
        return rule(*present(jnp.where(byzantine[:, None], rows, seen), w)[:2])

    if mixing is not None:
        mixing = mixing * weights[None, :]
        total = mixing.sum(1, keepdims=True)
        mixing = jnp.where(total > 0, mixing / jnp.where(total > 0, total, 1), jnp.eye(len(x), dtype=x.dtype))

    view = View(
        messages=seen,
        weights=weights,
        byzantine=byzantine,
        models=jnp.zeros(x.shape[1:], x.dtype),
        respond=respond,
        key=key,
        round=jnp.zeros((), jnp.int32),
        mixing=mixing,
    )
    _, sent = attack.corrupt(attack.init(jax.ShapeDtypeStruct(x.shape, x.dtype)), view)
    if sent.by_receiver is not None:
        return sent.by_receiver
    return jnp.where(byzantine[:, None], sent.by_sender, x)


_alone = eqx.filter_jit(_sent)
"""The program behind `attack(x, byzantine)`, compiled once for each shape."""


class AbstractSingleAttack(AbstractAttack):
    """One adversary, whose identities are those that the simulation calls Byzantine."""

    def everybody(self, byzantine: Any, num_nodes: int) -> Any:
        """`byzantine` as it was given, None for nobody."""
        del num_nodes
        return 0 if byzantine is None else byzantine

    def roles(self, byzantine: Bool[Array, " n"], moment: Moment) -> tuple[AbstractAttack, Bool[Array, " n"]]:
        """Itself, and all Byzantine identities."""
        del moment
        return self, byzantine


class AbstractMessageAttack(AbstractSingleAttack):
    """An adversary that rewrites messages and leaves the data alone."""

    def on(self, task: Any) -> AbstractAttack:
        """Itself: how it rewrites messages does not depend on the task."""
        del task
        return self

    def poison(self, state: PyTree, batch: PyTree, before: Before) -> PyTree:
        """The batches as they are."""
        del state, before
        return batch


class AbstractStatelessAttack(AbstractMessageAttack):
    """An adversary that rewrites messages and remembers nothing."""

    def init(self, like: Any) -> PyTree:
        """No memory."""
        del like
        return ()


class AbstractDataAttack(AbstractSingleAttack):
    """An adversary that rewrites the data of its nodes, remembers nothing and otherwise follows the protocol."""

    knows: ClassVar[Knowledge] = "own"

    def init(self, like: Any) -> PyTree:
        """No memory."""
        del like
        return ()

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        """The messages as they are."""
        return state, Sent(view.messages)


def same_for_all(view: View, vector: Float[Array, " d"]) -> Sent:
    """Every Byzantine identity sends `vector`."""
    return Sent(jnp.where(view.byzantine[:, None], vector[None, :], view.messages))


def check_rewrites(attack: AbstractDataAttack, task: Any) -> None:
    """Raises if `attack` cannot rewrite the batches of `task`. Nothing is computed."""

    def poisoned(key: Key) -> PyTree:
        draw, poison = jax.random.split(key)
        nobody = jnp.zeros(task.num_nodes, bool)
        model = jnp.zeros(sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(task.init, key))))
        before = Before(jnp.zeros((), jnp.int32), model, nobody, {}, poison)
        return attack.poison((), task.sample(draw), before)

    jax.eval_shape(poisoned, jax.random.key(0))
