"""The coffee can: drawing two beans at a time keeps the parity of the white ones."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Most beans in the can."""

    beans: int = 100


class State(NamedTuple):
    """Black and white beans."""

    black: Any
    white: Any


TWO_WHITES_GIVE_WHITE = 1


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The game at `bounds`, from every can at once."""
    top = bounds.beans

    def same_black(s: State, bug: Any) -> tuple[Any, State]:
        return s.black >= 2, s._replace(black=s.black - 1)

    def same_white(s: State, bug: Any) -> tuple[Any, State]:
        wrong = bug == TWO_WHITES_GIVE_WHITE
        return s.white >= 2, State(jnp.where(wrong, s.black, s.black + 1), jnp.where(wrong, s.white - 1, s.white - 2))

    def different(s: State, bug: Any) -> tuple[Any, State]:
        return (s.black >= 1) & (s.white >= 1), s._replace(black=s.black - 1)

    def done(s: State, bug: Any) -> tuple[Any, State]:
        return s.black + s.white == 1, s

    black, white = np.indices((top + 1, top + 1)).reshape(2, -1).astype(np.int32)
    filled = (black + white >= 1) & (black + white <= top)
    draws = tuple(Fair(name) for name in ("SameBlack", "SameWhite", "Different"))
    return Spec(
        name="coffee_can",
        statement="The last bean is white exactly if the white beans were odd at the start.",
        state=State,
        variables={"black": Var((), top), "white": Var((), top)},
        init=State(black[filled], white[filled]),
        actions=(
            Action("SameBlack", same_black),
            Action("SameWhite", same_white),
            Action("Different", different),
            Action("Done", done),
        ),
        invariants={"NeverEmpty": lambda s: s.black + s.white >= 1},
        steps={
            "WhiteParityStays": lambda s, t: (s.white - t.white) % 2 == 0,
            "FewerBeans": lambda s, t: (t.black + t.white == s.black + s.white - 1) | (s.black + s.white == 1),
        },
        witnesses={"one white bean": lambda s: (s.black == 0) & (s.white == 1)},
        leads_to=(LeadsTo("OneBeanIsLeft", lambda s: jnp.asarray(True), lambda s: s.black + s.white == 1, draws),),
        mutants=(Mutant("two_whites_give_white", TWO_WHITES_GIVE_WHITE, "WhiteParityStays", 2),),
    )
