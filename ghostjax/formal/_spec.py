"""The parts of a specification: a protocol and claims about it, written once and checked in four ways.

A protocol is a state machine over small bounded integers. Actions are pure functions of a state and finitely
many parameters; properties are predicates on states, on transitions, or "leads to" under weak fairness. The
same definition is explored exhaustively (`check`), fuzzed (`as_state_machine`), compared with a recorded run
(`validate_trace`) and exported.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np


State = Any
"""A NamedTuple of int32 arrays."""


class Var(NamedTuple):
    """A variable of the state: its shape and inclusive bounds. The bounds are the type invariant and the encoding."""

    shape: tuple[int, ...]
    high: int
    low: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits that one element takes."""
        return max(1, (self.high - self.low).bit_length())


class Action(NamedTuple):
    """A step that may happen: `fn(state, *params, bug) -> (enabled, next_state)`.

    `params` gives each parameter's name and number of values (0, 1, ...). `fn` is pure `jax.numpy` on int32;
    `next_state` may be anything where `enabled` is false. `bug` is the id of the mutant being checked (0: the
    correct protocol), a traced flag, so that one compiled program serves all mutants.
    """

    name: str
    fn: Callable[..., tuple[Any, State]]
    params: Mapping[str, int] = {}

    @property
    def labels(self) -> int:
        """Number of parameter combinations."""
        return math.prod(self.params.values())


class Fair(NamedTuple):
    """Weak fairness of an action: of its union over parameters, or (`per_label`) of each combination."""

    action: str
    per_label: bool = False


class LeadsTo(NamedTuple):
    """`P ~> Q`: from every reachable state with P, a state with Q follows on every fair behaviour.

    `holds` says what is claimed; a documented negative claims False and must be found violated.
    """

    name: str
    p: Callable[[State], Any]
    q: Callable[[State], Any]
    fair: tuple[Fair, ...] = ()
    holds: bool = True


class Mutant(NamedTuple):
    """A realistic mistake. The property `fires` must catch it, with a counterexample of `length` states.

    `only` narrows the properties that are checked (all unless given), for a mutant whose intended property is
    otherwise preceded by an easier one.
    """

    name: str
    bug: int
    fires: str
    length: int
    only: tuple[str, ...] | None = None


class Spec(NamedTuple):
    """A protocol with its claims.

    **Fields.** `state` builds a state from one array per variable; `init` lists initial states (or gives one state
    whose arrays have a leading axis). `invariants` hold in every reachable state, `steps` (`f(before, after)`) on
    every transition. `witnesses` must be reachable (a protection against claims that hold because nothing happens).
    `symmetry` names the variables whose first axis is indexed by interchangeable identities, `constraint` bounds the
    exploration. With `deadlock`, a deadlock is an error.
    """

    name: str
    state: Callable[..., State]
    variables: Mapping[str, Var]
    init: Any
    actions: tuple[Action, ...]
    invariants: Mapping[str, Callable[[State], Any]] = {}
    steps: Mapping[str, Callable[[State, State], Any]] = {}
    witnesses: Mapping[str, Callable[[State], Any]] = {}
    leads_to: tuple[LeadsTo, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    symmetry: tuple["Symmetry", ...] = ()
    constraint: Callable[[State], Any] | None = None
    deadlock: Literal["allowed", "error"] = "allowed"
    statement: str = ""


class Symmetry(NamedTuple):
    """Identities `first .. first + count - 1` are interchangeable along the named axis of each variable.

    No variable may *store* such an identity, and none may be indexed by it twice.
    """

    axes: Mapping[str, int]
    first: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]


class Label(NamedTuple):
    """An action with chosen parameters."""

    action: str
    params: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.action}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


def labels(spec: Spec) -> list[Label]:
    """All labels, in declared order and row-major over parameters."""
    found = []
    for action in spec.actions:
        names, sizes = list(action.params), list(action.params.values())
        for values in np.ndindex(*sizes):
            found.append(Label(action.name, dict(zip(names, map(int, values), strict=True))))
    return found
