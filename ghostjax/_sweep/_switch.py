"""One of several members of a family, chosen by a traced index: objects as an axis of one compiled program.

A switch is a member of the family itself, made from the abstract class:

    init                             a tuple of the options' memories
    a method that takes `state`      runs on the chosen option's slot; where it returns the next memory (`PyTree`, or a
                                     tuple that starts with it), that slot is replaced and the others stay; any other
                                     tree is annotated otherwise (`PyTree[Array]`)
    a method that returns a member   a switch over what the options return, alone or first of a tuple
    any other method                 `lax.switch` over the options
    a declaration                    joined over the options (`JOINS`), or that of the chosen one (`CHOSEN`)

`lax.switch` runs the chosen branch only, as long as the index is not batched. A member's optional forms (fused, by
slots) are not switched: in gossip a rule behind a switch is driven as a general one, on the whole matrix per receiver.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from ghostjax._types import ConfigurationError, count_field, require
from ghostjax.aggregators import AbstractGuarantee
from ghostjax.aggregators.guarantees import Kind
from ghostjax.attacks import Knowledge


Member = TypeVar("Member", bound=eqx.Module)


def switch(family: type[Member], options: tuple[Member, ...], index: Any = 0) -> Member:
    """The member `options[index]` of a family. **Traced:** `index`, every knob of every option.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> from ghostjax._sweep._switch import switch
    >>> rule = switch(gj.aggregators.AbstractAggregator, (gj.aggregators.Mean(), gj.aggregators.Median()), 1)
    >>> rule(jnp.array([[0.0], [1.0], [8.0]]))
    Array([1.], dtype=float32)

    ```

    Errors: options that differ in a declaration on which they must agree (`AGREED`). When it is traced, `Unlike`.
    """
    for name in sorted(AGREED & set(dir(family))):
        values = [getattr(option, name) for option in options]
        require(
            len({_form(value) for value in values}) == 1,
            f"switch({family.__name__})",
            "options",
            _names(options),
            f"{name} is {' and '.join(dict.fromkeys(map(str, values)))}; keep them apart",
        )
    made: Any = _switch_of(family)
    return made(tuple(options), index)


class Unlike(ConfigurationError):
    """Options of a switch pass on other arrays than each other: one program cannot choose among them."""


def agreed(member: eqx.Module) -> tuple[Any, ...]:
    """The declarations on which members of one switch must agree."""
    return tuple(_form(getattr(member, name)) for name in sorted(AGREED & set(dir(type(member)))))


def structure(tree: Any) -> Any:
    """All that a compiled program depends on: tree, static fields, shapes and dtypes, not the values of leaves."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((leaf.shape, str(leaf.dtype)) if eqx.is_array(leaf) else leaf for leaf in leaves)


def _form(declared: Any) -> Any:
    """A declaration as far as the shape of the round depends on it."""
    if isinstance(declared, Mapping):
        return tuple(sorted(declared.items(), key=lambda entry: entry[0]))
    return structure(declared) if isinstance(declared, eqx.Module) else declared


def _names(options: tuple[eqx.Module, ...]) -> list[str]:
    return [type(option).__name__ for option in options]


AGREED = {"per_receiver", "alters", "dims", "outputs", "snapshots"}
"""Declarations on which options must agree, because they decide the shape of the round."""
ONCE = {"everybody"}
"""Methods that are called when a simulation is made, on the first option only."""


def _union(values: list[frozenset]) -> frozenset:
    return frozenset().union(*values)


def _last_of(*order: str) -> Callable[[list[str]], str]:
    return lambda values: max(values, key=order.index)


JOINS: dict[str, Callable[[list[Any]], Any]] = {
    "needs": _union,
    "exempt_laws": _union,
    "knows": _last_of(*get_args(Knowledge)),
    "kind": _last_of(*get_args(Kind)),
    "in_convex_hull": all,
    "says_who": any,
    "sends_gradients": all,
    **{name: lambda values: values[0] for name in AGREED - {"snapshots"}},
}
"""How the declarations of options are joined into that of the switch."""
CHOSEN = {"snapshots"}
"""Parts of one structure: a switch has the numbers of the chosen option's."""
NESTED: dict[str, type[eqx.Module]] = {"guarantee": AbstractGuarantee}
"""Parts that are members of another family: a switch has a switch of them."""


@functools.cache
def _switch_of(family: type[eqx.Module]) -> type[eqx.Module]:
    """The class of switches over members of `family`."""
    space: dict[str, Any] = {
        "__annotations__": {"options": tuple, "index": Int[Array, ""]},
        "__module__": __name__,
        "__doc__": f"The member `options[index]` of {family.__name__}; its memory has one slot each.",
        "index": count_field(default=0),
    }
    abstract: Any = family
    declared = {*abstract.__abstractvars__, *((JOINS.keys() | CHOSEN | NESTED.keys()) & set(dir(family)))}
    for name in sorted({*abstract.__abstractmethods__, *declared}):
        space[name] = _member(family, name)
    name = f"{family.__name__.removeprefix('Abstract')}Switch"
    make: Any = type(eqx.Module)
    return make(name, (family,), space)


def _member(family: type[eqx.Module], name: str) -> Any:
    """The member of the switch's class under this name, made from those of its options."""
    if name in JOINS:
        return property(lambda self: JOINS[name]([getattr(option, name) for option in self.options]))
    if name in CHOSEN:
        return property(lambda self: _chosen(self.index, [getattr(option, name) for option in self.options]))
    if name in NESTED:
        return property(lambda self: switch(NESTED[name], tuple(getattr(o, name) for o in self.options), self.index))
    declared = inspect.getattr_static(family, name, None)
    if not inspect.isfunction(declared):
        raise TypeError(f"{family.__name__}.{name} is declared, and JOINS does not say how options are joined")
    returns = get_type_hints(declared).get("return")
    if name == "init":
        return lambda self, *args: tuple(option.init(*args) for option in self.options)
    if name in ONCE:
        return lambda self, *args: getattr(self.options[0], name)(*args)
    takes = list(inspect.signature(declared).parameters)[1:2] == ["state"]
    first = get_args(returns)[0] if get_origin(returns) is tuple else None
    if family in (returns, first):
        return _other_options(family, name, alone=returns is family)
    return _choice(name, takes, returns is PyTree, first is PyTree)


def _other_options(family: type[eqx.Module], name: str, alone: bool) -> Callable[..., Any]:
    """A method that returns another member, alone or in a tuple: it returns a switch of those of all options."""

    def method(self: Any, *args: Any) -> Any:
        found = [getattr(option, name)(*args) for option in self.options]
        if alone:
            return switch(family, tuple(found), self.index)
        members, *more = zip(*found, strict=True)
        chosen = jax.lax.switch(self.index, [lambda i=i: tuple(part[i] for part in more) for i in range(len(found))])
        return switch(family, members, self.index), *chosen

    method.__name__ = name
    return method


def _choice(name: str, takes: bool, next_state: bool, next_state_and_more: bool) -> Callable[..., Any]:
    """The method `name` of the chosen option, on its slot where it `takes` a state."""

    def method(self: Any, *args: Any) -> Any:
        states, args = (args[0], args[1:]) if takes else ((), args)
        # Functions among the arguments are no operands; keys are, so that each branch uses them once.
        operands, rest = eqx.partition(args, eqx.is_array)

        def branch(i: int) -> Callable[..., Any]:
            def run(states: tuple[PyTree, ...], operands: Any) -> Any:
                slot = (states[i],) if takes else ()
                found = getattr(self.options[i], name)(*slot, *eqx.combine(operands, rest))
                if takes and next_state:
                    return _replaced(states, i, found)
                if takes and next_state_and_more:
                    return _replaced(states, i, found[0]), *found[1:]
                return found

            return run

        try:
            return jax.lax.switch(self.index, [branch(i) for i in range(len(self.options))], states, operands)
        except TypeError as error:
            raise Unlike(
                f"switch: options={_names(self.options)}: `{name}` returns arrays of other kinds; keep them apart"
            ) from error

    method.__name__ = name
    return method


def _chosen(index: Array, parts: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves)[index], *parts)


def _replaced(states: tuple[PyTree, ...], i: int, state: PyTree) -> tuple[PyTree, ...]:
    return (*states[:i], state, *states[i + 1 :])
