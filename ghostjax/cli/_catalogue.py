"""The catalogue of names, read from the public names of each family, so that nothing has to be registered."""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, NamedTuple

import optax

from ghostjax import (
    aggregators,
    attacks,
    channels,
    charters,
    correction,
    detectors,
    governance,
    identity,
    learners,
    metrics,
    protocols,
    sinks,
    tasks,
    topologies,
)
from ghostjax._byzantine import Share
from ghostjax._optimizer import Optimizer
from ghostjax._participation import churn, Counts, sampled, splitting, stake, whitewashing


class Entry(NamedTuple):
    """A name that a configuration may use: the callable, its family, one line about it, and its package."""

    name: str
    family: str
    make: Callable[..., Any]
    line: str
    source: str = "ghostjax"

    @property
    def parameters(self) -> str:
        """The names that its call takes, as a user would type them."""
        return ", ".join(_parameters(self.make))


FAMILIES = (
    "aggregators",
    "attacks",
    "learners",
    "tasks",
    "models",
    "partitions",
    "topologies",
    "metrics",
    "protocols",
    "identity",
    "channels",
    "charters",
    "correction",
    "detectors",
    "governance",
    "participation",
    "optimizers",
    "sinks",
)


@cache
def catalogue() -> dict[str, Entry]:
    """Every name, from the package and from installed plug-ins (entry points `ghostjax.<family>`).

    If two families of the package share a name, it belongs to the first; the other is `family.name` here.

    Plug-ins are imported, which runs their code. A plug-in that cannot be imported, or that uses an existing name, is
    left out with a warning.
    """
    entries = [
        *_classes("aggregators", aggregators, aggregators.AbstractAggregator),
        *_classes("attacks", attacks, attacks.AbstractAttack),
        *_classes("learners", learners, learners.AbstractLearner),
        *_classes("metrics", metrics, metrics.AbstractMetric),
        *_classes("models", tasks.models, tasks.models.AbstractModel),
        *_classes("protocols", protocols, protocols.AbstractProtocol),
        Entry("redrawn", "attacks", attacks.Redrawn, _line(attacks.Redrawn)),
        Entry("share", "attacks", Share, _line(Share)),
        *_classes("channels", channels, channels.AbstractChannel),
        *_classes("charters", charters, charters.AbstractCharter),
        *_classes("correction", correction, correction.AbstractCorrection),
        *_classes("detectors", detectors, detectors.AbstractDetector),
        *_classes("detectors", detectors, detectors.AbstractTest),
        *_classes("detectors", detectors, detectors.AbstractReference),
        *_classes("governance", governance, governance.AbstractGovernance),
        *_classes("governance", governance, governance.AbstractElectorate),
        Entry("shifts", "detectors", detectors.Shifts, _line(detectors.Shifts)),
        Entry("snapshots", "governance", governance.Snapshots, _line(governance.Snapshots)),
        *_functions("tasks", tasks, first="num_nodes"),
        *_functions("topologies", topologies, first="num_nodes"),
        *map(_of_labels, _functions("partitions", tasks.partition, first="labels")),
        *(
            Entry(make.__name__, "participation", make, _line(make))
            for make in (everybody, by_examples, sampled, churn, splitting, whitewashing)
        ),
        Entry("stake", "participation", _listed_stake, _line(stake)),
        *_classes("identity", identity, identity.AbstractIdentity),
        *_optimizers(),
        # The others have flags of their own.
        Entry("early_stopping", "sinks", sinks.EarlyStopping, _line(sinks.EarlyStopping)),
    ]
    found: dict[str, Entry] = {}
    for entry in entries:
        found[entry.name if entry.name not in found else f"{entry.family}.{entry.name}"] = entry
    for entry in _plugged():
        if entry.name in found:
            warnings.warn(f"{entry.source}: {entry.name} is the name of one of the {found[entry.name].family} of "
                          f"{found[entry.name].source}; left out", stacklevel=2)  # fmt: skip
        else:
            found[entry.name] = entry
    return found


def _plugged() -> Iterator[Entry]:
    for family in FAMILIES:
        for point in entry_points(group=f"ghostjax.{family}"):
            package = point.dist.name if point.dist is not None else point.module
            source = f"{package} ({point.value})"
            try:
                make = point.load()
                entry = Entry(point.name, family, make, _line(make), source)
                inspect.signature(make)
            except Exception as error:
                why = " ".join(f"{type(error).__name__}: {error}".split())
                warnings.warn(f"{source}: cannot be imported ({why}); left out", stacklevel=2)
                continue
            yield _of_labels(entry) if family == "partitions" else entry


def everybody() -> None:
    """Every identity counts 1 in every round."""


def by_examples() -> str:
    """Every identity counts in proportion to its number of examples, on average 1."""
    return "by_examples"


def _listed_stake(shares: tuple) -> Counts:
    return stake(list(shares))


def snake(name: str) -> str:
    """`MultiKrum` -> `multi_krum`, `ALIE` -> `alie`, `NNM` -> `nnm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _classes(family: str, module: ModuleType, base: type) -> list[Entry]:
    """Public concrete classes of a family, and public functions that return one."""
    classes = [
        Entry(snake(name), family, value, _line(value))
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and not name.startswith("Abstract")
    ]
    return [*classes, *_functions(family, module, result=base)]


def _functions(family: str, module: ModuleType, *, first: str | None = None, result: type | None = None) -> list[Entry]:
    """Public functions with the given first parameter, or whose annotation says that they return a `result`."""
    found = []
    for name, value in vars(module).items():
        if not inspect.isfunction(value) or name.startswith("_"):
            continue
        signature = inspect.signature(value)
        parameters, returns = list(signature.parameters), signature.return_annotation
        makes = result is not None and inspect.isclass(returns) and issubclass(returns, result)
        if parameters[:1] == [first] or makes:
            found.append(Entry(snake(name), family, value, _line(value)))
    return found


def _of_labels(entry: Entry) -> Entry:
    """A partitioner without its labels, which only the task knows: the call makes a function of them."""
    whole = inspect.signature(entry.make)
    rest = whole.replace(parameters=list(whole.parameters.values())[1:])

    def make(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        rest.bind(*args, **kwargs)
        return lambda labels: entry.make(labels, *args, **kwargs)

    make.__signature__ = rest  # type: ignore[attr-defined]
    return entry._replace(make=make)


def _optimizers() -> list[Entry]:
    def wrap(factory: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **kwargs: Any) -> Optimizer:
            bound = inspect.signature(factory).bind(*args, **kwargs)
            return Optimizer(factory, **bound.arguments)

        make.__wrapped__ = factory  # type: ignore[attr-defined]
        return make

    found = []
    for name in sorted(vars(optax)):
        factory = getattr(optax, name)
        if inspect.isfunction(factory) and "learning_rate" in inspect.signature(factory).parameters:
            found.append(Entry(name, "optimizers", wrap(factory), _line(factory)))
    return found


def _line(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    paragraph = text.split("\n\n")[0].replace("\n", " ").strip()
    return re.split(r"(?<=[.])\s", paragraph)[0].rstrip(":.")


def _parameters(make: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(make).parameters if name not in ("self", "num_nodes")]
