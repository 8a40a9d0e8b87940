"""Small specifications whose answers are known, and a search that shares nothing with the engine."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Label, Program, Spec, Var


class Wide(NamedTuple):
    """More than 64 bits: large ranges, a negative lower bound, elements that fill words to their last bit."""

    big: Any
    low: Any
    many: Any


def wide():
    far = 2**30 - 1

    def jump(s, k, bug):
        return s.big[k] == 0, s._replace(big=s.big.at[k].set(far - k))

    def sink(s, bug):
        return s.low > -3, s._replace(low=s.low - 1)

    def flip(s, k, bug):
        return s.low < 0, s._replace(many=s.many.at[k].set(1 - s.many[k]))

    return Spec(
        name="wide",
        state=Wide,
        variables={"big": Var((3,), far), "low": Var((), 0, -3), "many": Var((2,), 1)},
        init=[Wide(np.zeros(3, np.int32), 0, np.zeros(2, np.int32))],
        actions=(Action("Jump", jump, {"k": 3}), Action("Sink", sink), Action("Flip", flip, {"k": 2})),
        invariants={"Bounded": lambda s: s.low >= -3},
    )


class Pair(NamedTuple):
    x: Any
    y: Any


def pair(actions, *, x=3, y=3, init=((0, 0),), **rest):
    """A specification over two small numbers."""
    return Spec(
        name=rest.pop("name", "pair"),
        state=Pair,
        variables={"x": Var((), x), "y": Var((), y)},
        init=[Pair(a, b) for a, b in init],
        actions=tuple(actions),
        **rest,
    )


def table_action(name, table, params):
    """An action over a single number x given as a table: `table[x, k]` is the successor, -1 where not enabled."""
    table = np.asarray(table, np.int32)

    def step(s, k, bug):
        after = jnp.asarray(table)[s.x, k]
        return after >= 0, s._replace(x=jnp.maximum(after, 0))

    return Action(name, step, {"k": params})


def as_tuple(state, spec):
    return tuple(tuple(np.ravel(np.asarray(getattr(state, name))).tolist()) for name in spec.variables)


def search(spec, bug=0):
    """Distinct, generated, depth and terminal states by calling the actions one state at a time."""
    seen, frontier, generated, depth, terminal = {}, [], 0, 0, 0
    for state in spec.init:
        generated += 1
        if seen.setdefault(as_tuple(state, spec), state) is state:
            frontier.append(state)
    while frontier:
        depth += 1
        new = []
        for state in frontier:
            stuck = True
            for after in successors(spec, state, bug).values():
                generated += 1
                stuck = False
                key = as_tuple(after, spec)
                if key not in seen:
                    seen[key] = after
                    new.append(after)
            terminal += stuck
        frontier = new
    return len(seen), generated, depth, terminal


def successors(spec, state, bug=0):
    """Per enabled label the state it leads to, by calling the actions themselves."""
    typed = spec.state(*(jnp.asarray(v, jnp.int32) for v in state))
    found = {}
    for action in spec.actions:
        for values in np.ndindex(*action.params.values()):
            enabled, after = action.fn(typed, *map(jnp.int32, values), jnp.int32(bug))
            if bool(enabled):
                label = Label(action.name, dict(zip(action.params, map(int, values), strict=True)))
                found[str(label)] = spec.state(*(np.asarray(v) for v in after))
    return found


def replay(spec, trace, bug=0):
    """Holds a counterexample to the actions: every step is an enabled label with exactly that successor."""
    states = [spec.state(**step.state) for step in trace.steps]
    for before, after, step in zip(states, states[1:], trace.steps[1:], strict=False):
        possible = successors(spec, before, bug)
        assert str(step.label) in possible, f"{step.label} is not enabled"
        assert as_tuple(possible[str(step.label)], spec) == as_tuple(after, spec), f"{step.label} leads elsewhere"
    return states


def engines(spec):
    return {engine: Program(spec, engine) for engine in ("numpy", "xla")}
