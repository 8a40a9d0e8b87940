"""Bindings of a specification: code that implements it, recorded runs, and further random machines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TYPE_CHECKING

from ghostjax.formal._spec import Spec
from ghostjax.formal._validate import Event


if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine


class Implementation(NamedTuple):
    """Code that is played in lock step with the specification, with mutants that must be caught.

    **Fields.** `code` and each of the `mutants` are implementations for `as_state_machine`: called with the initial
    state, they return an object with a method per action and `abstraction()`. `spec` is the specification if it is not
    the module's `spec()`, e.g. the same protocol at a size that cannot be explored.
    """

    code: Callable[[Any], Any]
    mutants: Mapping[str, Callable[[Any], Any]] = {}
    spec: Spec | None = None


class Recording(NamedTuple):
    """Recorded runs that must be behaviours of the specification, with recorded runs of broken code that must not.

    **Fields.** `record()` runs the code and returns one sequence of events per run, e.g. per seed; each of the
    `mutants` returns that of one broken run. `project`, `silent`, `end` and `rounds` are as in `validate_traces`, and
    without `end` or `rounds` a truncated trace would look like a whole one, which is an error.
    """

    record: Callable[[], Sequence[Sequence[Event | Mapping[str, Any]]]]
    mutants: Mapping[str, Callable[[], Sequence[Event | Mapping[str, Any]]]] = {}
    project: Callable[[Any], Mapping[str, Any]] | None = None
    silent: Sequence[str] = ()
    end: Callable[[Any], Any] | None = None
    rounds: int | None = None


class RandomMachine(NamedTuple):
    """A claim without a finite specification: a Hypothesis machine that must pass, with mutants that must fail.

    **Fields.** `machine` and each of the `mutants` are `RuleBasedStateMachine` classes. `enough(machine)` is called
    after a pass. It returns a reason why the runs were too weak (say, no case came near the bound), or nothing.
    `effort` multiplies the number of runs that the budget allows.
    """

    machine: "type[RuleBasedStateMachine]"
    mutants: "Mapping[str, type[RuleBasedStateMachine]]" = {}
    enough: "Callable[[type[RuleBasedStateMachine]], str | None] | None" = None
    effort: int = 1


class Bindings(NamedTuple):
    """All bindings of a module and its companion, by name."""

    implementations: Mapping[str, Implementation] = {}
    traces: Mapping[str, Recording] = {}
    machines: Mapping[str, RandomMachine] = {}


def bindings(modules: Sequence[Any]) -> Bindings:
    """Calls `implementations()`, `traces()` and `machines()` of the modules that define them.

    Errors: `TypeError` for an entry of the wrong kind, naming it.
    """
    kinds: dict[str, type] = {"implementations": Implementation, "traces": Recording, "machines": RandomMachine}
    found: dict[str, dict[str, Any]] = {what: {} for what in kinds}
    for module in modules:
        for what, kind in kinds.items():
            make = getattr(module, what, None)
            for name, one in (make() if make is not None else {}).items():
                if not isinstance(one, kind):
                    raise TypeError(f"{what}()[{name!r}] is a {type(one).__name__}; make it a {kind.__name__}")
                found[what][name] = one
    return Bindings(**found)
