"""Two jugs, of five and of three gallons, and four gallons to be measured."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp

from ghostjax.formal import Action, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Gallons that each jug holds, and those to be measured."""

    big: int = 5
    small: int = 3
    goal: int = 4


class State(NamedTuple):
    """Gallons in each jug."""

    big: Any
    small: Any


def spec(bounds: Bounds = Bounds()) -> Spec:
    """What can be poured at `bounds`."""
    zero = lambda x: jnp.zeros_like(x)

    def fill_big(s: State, bug: Any) -> tuple[Any, State]:
        return jnp.asarray(True), s._replace(big=jnp.int32(bounds.big))

    def fill_small(s: State, bug: Any) -> tuple[Any, State]:
        return jnp.asarray(True), s._replace(small=jnp.int32(bounds.small))

    def empty_big(s: State, bug: Any) -> tuple[Any, State]:
        return jnp.asarray(True), s._replace(big=zero(s.big))

    def empty_small(s: State, bug: Any) -> tuple[Any, State]:
        return jnp.asarray(True), s._replace(small=zero(s.small))

    def small_to_big(s: State, bug: Any) -> tuple[Any, State]:
        poured = jnp.minimum(s.small, bounds.big - s.big)
        return jnp.asarray(True), State(s.big + poured, s.small - poured)

    def big_to_small(s: State, bug: Any) -> tuple[Any, State]:
        poured = jnp.minimum(s.big, bounds.small - s.small)
        return jnp.asarray(True), State(s.big - poured, s.small + poured)

    return Spec(
        name="die_hard",
        statement="Four gallons can be measured; between pours some jug is empty or full.",
        state=State,
        variables={"big": Var((), bounds.big), "small": Var((), bounds.small)},
        init=[State(0, 0)],
        actions=(
            Action("FillBig", fill_big),
            Action("FillSmall", fill_small),
            Action("EmptyBig", empty_big),
            Action("EmptySmall", empty_small),
            Action("SmallToBig", small_to_big),
            Action("BigToSmall", big_to_small),
        ),
        invariants={
            "SomeJugIsEmptyOrFull": lambda s: (s.big % bounds.big == 0) | (s.small % bounds.small == 0),
        },
        witnesses={"the goal is measured": lambda s: s.big == bounds.goal},
    )


def puzzle(bounds: Bounds = Bounds()) -> Spec:
    """The claim that the goal is never measured: its counterexample is the solution."""
    return spec(bounds)._replace(
        name="die_hard_puzzle",
        statement="The goal is never measured (false).",
        invariants={"NeverMeasured": lambda s: s.big != bounds.goal},
        witnesses={},
    )
