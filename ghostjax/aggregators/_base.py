"""The base class of aggregation rules, and the three forms that a rule can have.

    coordinate   `trim(total)`: a window of mass per coordinate (median, trimmed mean). Drives a fused
                 selection kernel; in gossip the rows are neighbour slots, so nothing of size [n, k, d] exists.
    geometric    `coefficients(dist2, w)`: the result is `a @ x`. One centred Gram product serves every
                 receiver, and the coefficients are the influence shares.
    general      `step` on the whole matrix. Mapped over receivers at k times the memory.

A rule that changes the messages before another rule sees them is a wrapper (`_wrapper.py`). A wrapper that only mixes
them is geometric before a geometric rule. The promise of a rule is a separate object, its `guarantee` (`guarantees/`).

A rule is abstract or final: copy the nearest neighbour in this folder, fill in its methods, and add a row to
the table in `tests/aggregators/table.py`; every law is then checked.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import Checked
from ghostjax._compiled import compiled
from ghostjax._kernels import finite_rows, present
from ghostjax._rows import messages, weights
from ghostjax._types import concrete, ConfigurationError, Key
from ghostjax.aggregators._units import in_range
from ghostjax.aggregators.guarantees import AbstractGuarantee, Kind, NoGuarantee


Need = Literal["key", "anchor", "probe"]
Law = Literal["absence", "repetition", "permutation", "unanimity", "weight_scale", "translation", "scale", "rotation"]
Coefficients = Callable[[Any, Array], Array]
"""`coefficients(dist2, w)`: the coefficient of each row in the result, given squared distances between rows."""
BySlots = Callable[[Array, Array, Array, Array], Array]
"""`by_slots(rows, nbr, w, level)`: the aggregates `[n, d]` of all receivers of a graph."""


class Context(NamedTuple):
    """A receiver's knowledge beside the messages.

    `key` is this round's randomness; `anchor` the vector `[d]` that this receiver trusts (its own model in
    gossip, the last aggregate at a server); `probe` its own loss of a candidate vector. A rule lists what it
    needs in `needs`, so that a missing part is an error before anything compiles.
    """

    key: Key | None = None
    anchor: Float[Array, " d"] | None = None
    probe: Callable[[Array], Array] | None = None


class AbstractAggregator(Checked):
    """A rule that turns messages `x [n, d]` and weights `w [n]` into one vector `[d]`.

    `w[i] = 0` means that identity i is absent: the result is then the same as without row i, for any content of the
    row. Weights count identities (1 is one ordinary, fully present identity).
    """

    guarantee: ClassVar[AbstractGuarantee] = NoGuarantee()
    """The rule's guarantee: a property that makes it from the knobs. `NoGuarantee()` is an honest answer."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """The parts of `Context` that `step` reads."""
    exempt_laws: ClassVar[frozenset[Law]] = frozenset()
    """The laws that this rule does not obey; its docstring says why."""
    demands: ClassVar[Callable[..., None] | None] = None
    """`demands(call, w)`, an optional method that refuses impossible knobs, given the weights when all are present. A
    protocol calls it before anything compiles; `rule(x, w)` does not."""

    @abstractmethod
    def init(self, like: Any) -> PyTree:
        """The state before the first round; `like` has the shape `[n, d]` and dtype of the messages."""

    @abstractmethod
    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        """The next state and the aggregate of finite rows `x` under weights `w`; zero where all are absent."""

    @property
    def geometric_form(self) -> Coefficients | None:
        """`coefficients(dist2, w)` of a rule whose result is `a @ x`; None for any other."""
        return None

    @property
    def by_slots(self) -> BySlots | None:
        """`by_slots(rows, nbr, w, level)`: the aggregates `[n, d]` of all receivers of a graph at once.

        In slot j receiver i gets row `nbr[i, j]` of `rows` with weight `w[i, j]`; `level` weighs rows where distances
        are centred. Of a rule without memory only. None maps `step` over receivers, at k times the memory.
        """
        return None

    @property
    def wrapped(self) -> "tuple[AbstractAggregator, Callable[[Array], Array]] | None":
        """The rule that sees the messages changed by this one, and its weights as a function of these; or None."""
        return None

    @property
    def certificate_kind(self) -> Kind:
        """Whether `certificate` holds always ("unconditional"), given the other rows ("conditional"), or never."""
        return self.guarantee.kind

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass present beyond the need of the rule's guarantee. If it is not positive, the guarantee is void."""
        return self.guarantee.margin(w)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The robustness coefficient: `||y - mean_S||^2 <= kappa * mean_S ||x_i - mean_S||^2`; inf if there is none."""
        return self.guarantee.kappa(w)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        """A bound on the influence of a principal: how far any messages of its identities can move the result.

        It bounds `||rule(x, w) - rule(x', w)||` over all `x'` that differ from `x` in the rows of `principal` only,
        for a rule in one state. It is inf if nothing is guaranteed.
        """
        rule, w, _ = in_range(self, w)
        return rule.guarantee.influence_bound(x, w, principal)

    def validate(self, protocol: str, w: Float[Array, " n"]) -> None:
        """Raises `ConfigurationError` for impossible knobs of this rule, or of a rule that it wraps.

        `w` are the weights when all are present. The line names the `protocol` and the nested rules.
        """
        rule, call, end = self, protocol, ""
        while True:
            call, end = f"{call}({type(rule).__name__}", f"{end})"
            rule.__check_init__()  # a module that was rebuilt from other leaves was not checked
            if rule.demands is not None:
                rule.demands(call + end, w)
            if rule.wrapped is None:
                return
            rule, weights = rule.wrapped
            w = weights(w)

    def __call__(self, x: Any, w: Any = None) -> Float[Array, " d"]:
        """`rule(x, w)`: one aggregate `[d]` of messages `x [n, d]` from the initial state; `w [n]` is 1 by default.

        Messages are an array, or a value that numpy can turn into one: integers and lists count as floats. Non-finite
        rows count as absent. The aggregate of nobody is zero. Weights count: weight k is k rows, and `f` and every
        other mass is in that unit. Shares that sum to 1 are another unit, and nothing is rescaled here (`gj.simulate`
        refuses such weights and names the way out). If knobs ask for more identities than there are, the rule's formula
        applies; a protocol refuses them. Equal shapes compile once. Call a rule that needs a context by `step`.
        """
        call = type(self).__name__
        if self.needs:
            raise ConfigurationError(
                f"{call}(x, w): needs={sorted(self.needs)}: call step(state, x, w, Context(...)) "
                "or run it inside a protocol"
            )
        x = messages(x, f"{call}(x, w)")
        w = weights(w, x, f"{call}(x, w)")
        if not x.size:
            return jnp.zeros(x.shape[1:], x.dtype)
        if x.size > LARGE:
            return _on_large(self, x, w)
        # Inside other programs the rule is a part of them.
        return _alone(self, x, w) if concrete((self, x, w)) else _on_present(self, x, w)


LARGE = 2**20
"""Messages of more numbers than this are copied only if some are not finite. A copy that fits no cache costs more than
many rules; compiling the rule twice costs less."""


def _on_present(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    x, w, _ = present(x, w)
    return _on_finite(rule, x, w)


def _on_finite(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    rule, w, _ = in_range(rule, w)
    return rule.step(rule.init(x), x, w, Context())[1]


_alone = eqx.filter_jit(_on_present)
"""The program behind `rule(x, w)`, compiled once for each shape."""


@compiled
def _on_large(rule: AbstractAggregator, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    def on(what: Callable[..., Array]) -> Callable[[Array, Array], Array]:
        return lambda x, w: what(rule, x, w)

    return jax.lax.cond(finite_rows(x).all(), on(_on_finite), on(_on_present), x, w)
