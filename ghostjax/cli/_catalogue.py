"""What exists, by name: read off the public names of each family, so nothing has to be registered."""

import inspect
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, NamedTuple

import optax

from ghostjax import aggregators, attacks, learners, metrics, tasks, topologies
from ghostjax._optimizer import Optimizer


class Entry(NamedTuple):
    """A name that a configuration may use: what it makes, of which family, and one line about it."""

    name: str
    family: str
    make: Callable[..., Any]
    line: str

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
    "optimizers",
)


@cache
def catalogue() -> dict[str, Entry]:
    """Every name, from the package and from installed plug-ins (entry points `ghostjax.<family>`)."""
    entries = [
        *_classes("aggregators", aggregators, aggregators.AbstractAggregator),
        *_classes("attacks", attacks, attacks.AbstractAttack),
        *_classes("learners", learners, learners.AbstractLearner),
        *_classes("metrics", metrics, metrics.AbstractMetric),
        *_classes("models", tasks.models, tasks.models.AbstractModel),
        *_functions("tasks", tasks, first="num_nodes"),
        *_functions("topologies", topologies, first="num_nodes"),
        *_functions("partitions", tasks.partition, result=tasks.partition.Partition),
        *_optimizers(),
    ]
    for family in FAMILIES:
        for point in entry_points(group=f"ghostjax.{family}"):
            make = point.load()
            entries.append(Entry(point.name, family, make, _line(make)))
    return {entry.name: entry for entry in entries}


def snake(name: str) -> str:
    """`MultiKrum` -> `multi_krum`, `ALIE` -> `alie`, `NNM` -> `nnm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _classes(family: str, module: ModuleType, base: type) -> list[Entry]:
    return [
        Entry(snake(name), family, value, _line(value))
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and not name.startswith("Abstract")
    ]


def _functions(family: str, module: ModuleType, *, first: str | None = None, result: Any = None) -> list[Entry]:
    found = []
    for name, value in vars(module).items():
        if not inspect.isfunction(value) or name.startswith("_"):
            continue
        signature = inspect.signature(value)
        parameters = list(signature.parameters)
        if (first and parameters[:1] == [first]) or (result and signature.return_annotation is result):
            found.append(Entry(name, family, value, _line(value)))
    return found


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
