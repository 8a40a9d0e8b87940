"""What a run is, in words: frozen dataclasses that YAML fills first and flags change."""

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, Literal

import jax
import tyro
import yaml

from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError
from ghostjax.cli._expression import build
from ghostjax.metrics import standard
from ghostjax.protocols import Gossip, Server


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One training: who learns what, how it is aggregated, and who attacks it.

    Every object is written as a call, e.g. `trimmed_mean(f=byzantine)`; `ghostjax list` shows the names.
    The words `nodes`, `byzantine`, `rounds` and `seed` stand for the numbers of this configuration.
    """

    nodes: int = 64
    """Number of identities."""
    byzantine: int = 10
    """How many of them the adversary holds (the last ones)."""
    task: str = "digits(alpha=0.3)"
    """What is learned, and how it is spread over the nodes."""
    learner: str = "momentum(beta=0.9)"
    """What a node does between two exchanges."""
    attack: str = "alie"
    """What the adversary does."""
    aggregator: str = "trimmed_mean(f=byzantine)"
    """The rule that turns messages into one vector."""
    protocol: Literal["server", "gossip"] = "server"
    """One server, or every node aggregating what its neighbours send."""
    topology: str = "random_regular(degree=12)"
    """Who hears whom in gossip."""
    optimizer: str = "sgd(learning_rate=0.5)"
    """Any optax optimizer."""
    rounds: int = 200
    """Number of rounds."""
    evaluate_every: int = 1
    """Rounds between two evaluations of the stated goal."""
    seed: int = 0
    """The root of all randomness."""
    variables: Annotated[dict[str, Any], tyro.conf.Suppress] = dataclasses.field(default_factory=dict)
    """Further words that expressions may use."""


@dataclasses.dataclass(frozen=True)
class SweepConfig(RunConfig):
    """Many trainings: every point of the product of `axes`, each over `seeds` seeds.

    An axis is a field of a run (`aggregator: [mean, krum(f=byzantine)]`) or a new word that expressions use
    (`alpha: [0.1, 1, 10]` with `task: digits(alpha=alpha)`).
    """

    axes: Annotated[dict[str, list[Any]], tyro.conf.Suppress] = dataclasses.field(default_factory=dict)
    """Values of each axis."""
    seeds: int = 3
    """Number of seeds, paired over all points."""


ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "gelu": jax.nn.gelu, "silu": jax.nn.silu}
"""Words for a model's activation, e.g. `mlp((64, 64, 10), tanh)`."""


def simulation(config: RunConfig) -> Simulation:
    """The simulation that `config` describes; raises `ConfigurationError` for one that cannot work."""
    words = {
        **ACTIVATIONS,
        "nodes": config.nodes,
        "byzantine": config.byzantine,
        "rounds": config.rounds,
        "seed": config.seed,
        **config.variables,
    }
    aggregator = build("aggregator", config.aggregator, "aggregators", words)
    optimizer = build("optimizer", config.optimizer, "optimizers", words)
    if config.protocol == "server":
        protocol = Server(aggregator, optimizer)
    else:
        topology = build("topology", config.topology, "topologies", words, config.nodes)
        protocol = Gossip(aggregator, topology, optimizer)
    return Simulation(
        build("task", config.task, "tasks", words, config.nodes),
        protocol,
        learner=build("learner", config.learner, "learners", words),
        attack=build("attack", config.attack, "attacks", words),
        byzantine=config.byzantine,
        metrics=standard(every=config.evaluate_every),
    )


def at(config: SweepConfig, point: Mapping[str, Any]) -> RunConfig:
    """The run at one point of a sweep: fields of a run replaced, every other axis a word that expressions use."""
    names = {field.name for field in dataclasses.fields(RunConfig)}
    values = {name: getattr(config, name) for name in names}
    words = {name: value for name, value in point.items() if name not in names}
    values |= {name: value for name, value in point.items() if name in names}
    return RunConfig(**{**values, "variables": {**config.variables, **words}})


def load(path: Path, kind: type) -> Any:
    """The configuration in the YAML file `path`; unknown keys and wrong types are refused by name."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"config={path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config={path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"config={path}: holds {type(content).__name__}; needs a mapping of fields to values")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            raise ConfigurationError(f"config={path}: unknown key {key!r}; {hint}")
        problem = _mismatch(fields[key].type, value)
        if problem:
            raise ConfigurationError(f"config={path}: {key}={value!r}: {problem}")
    return kind(**content)


def dump(config: RunConfig) -> str:
    """`config` as YAML that `load` reads back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def _mismatch(kind: Any, value: Any) -> str | None:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return None if value in get_args(kind) else f"must be one of {', '.join(map(str, get_args(kind)))}"
    kind = get_origin(kind) or kind
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    return None if fits else f"must be {'a mapping' if kind is dict else kind.__name__}, not {type(value).__name__}"
