"""Dijkstra's self-stabilising token ring: from any state to one token."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes on the ring and values of a counter."""

    nodes: int = 6
    values: int = 6


class State(NamedTuple):
    """The counters."""

    c: Any


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    n, m = bounds.nodes, bounds.values

    def create(s: State, bug: Any) -> tuple[Any, State]:
        return s.c[0] == s.c[n - 1], State(s.c.at[0].set((s.c[n - 1] + 1) % m))

    def pass_token(s: State, i: Any, bug: Any) -> tuple[Any, State]:
        return s.c[i + 1] != s.c[i], State(s.c.at[i + 1].set(s.c[i]))

    def tokens(s: State) -> Any:
        return (s.c[1:] != s.c[:-1]).sum(dtype=jnp.int32) + (s.c[0] == s.c[n - 1]).astype(jnp.int32)

    unique = lambda s: tokens(s) == 1
    both = (Fair("CreateToken"), Fair("PassToken"))
    return Spec(
        name="token_ring",
        statement="There is always a token, and in the end exactly one, wherever the ring began.",
        state=State,
        variables={"c": Var((n,), m - 1)},
        init=State(np.indices((m,) * n).reshape(n, -1).T.astype(np.int32)),
        actions=(Action("CreateToken", create), Action("PassToken", pass_token, {"i": n - 1})),
        invariants={"SomeToken": lambda s: tokens(s) >= 1},
        steps={"OneTokenStays": lambda s, t: ~unique(s) | unique(t)},
        witnesses={"one token": unique, "every node has one": lambda s: tokens(s) == n},
        leads_to=(LeadsTo("Stabilises", lambda s: jnp.asarray(True), unique, both),),
    )
