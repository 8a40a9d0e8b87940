"""What a run is, in words: frozen dataclasses that YAML fills first and flags change."""

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, Literal

import jax
import tyro
import yaml

from ghostjax._random import root_key
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError, require
from ghostjax.cli._expression import build, names_in
from ghostjax.cli._yaml import read
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


WORDS = ("nodes", "byzantine", "rounds", "seed")
"""Numbers of a configuration that its expressions may use."""
EXPRESSIONS = ("task", "learner", "attack", "aggregator", "topology", "optimizer")
"""Fields that are written as calls."""
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "gelu": jax.nn.gelu, "silu": jax.nn.silu}
"""Words for a model's activation, e.g. `mlp((64, 64, 10), tanh)`."""


def simulation(config: RunConfig) -> Simulation:
    """The simulation that `config` describes; raises `ConfigurationError` for one that cannot work."""
    require(config.rounds >= 1, "run", "rounds", config.rounds, "must be at least 1")
    root_key(config.seed, "run", "seed")
    require(config.evaluate_every >= 1, "run", "evaluate_every", config.evaluate_every, "must be at least 1")
    words = {**ACTIVATIONS, **{word: getattr(config, word) for word in WORDS}, **config.variables}
    aggregator = build("aggregator", config.aggregator, "aggregators", words)
    optimizer = build("optimizer", config.optimizer, "optimizers", words)
    if config.protocol == "server":
        protocol = Server(aggregator, optimizer)
    else:
        topology = build("topology", config.topology, "topologies", words, config.nodes)
        protocol = Gossip(aggregator, topology, optimizer)
    task = build("task", config.task, "tasks", words, config.nodes)
    require(
        task.num_nodes == config.nodes,
        "run",
        "task",
        config.task,
        f"makes {task.num_nodes} nodes where nodes={config.nodes}; write nodes where its partition names a number",
    )
    # The attack that nobody chose is not missed where nobody would carry it out.
    attack = "no_attack" if config.byzantine == 0 and config.attack == RunConfig.attack else config.attack
    return Simulation(
        task,
        protocol,
        learner=build("learner", config.learner, "learners", words),
        attack=build("attack", attack, "attacks", words),
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
    content = read(path)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            raise ConfigurationError(f"config={path}: unknown key {key!r}; {hint}")
        problem = _mismatch(fields[key].type, value)
        if problem:
            raise ConfigurationError(f"config={path}: {key}={value!r}: {problem}")
    config = kind(**content)
    _check_variables(path, config)
    if isinstance(config, SweepConfig):
        _check_axes(path, config)
    return config


def _check_variables(path: Path, config: RunConfig) -> None:
    for name, value in config.variables.items():
        call = f"config={path}"
        require(isinstance(name, str) and name.isidentifier(), call, "variables", name, "a variable is a word")
        taken = name in WORDS or name in ACTIVATIONS
        require(not taken, call, f"variables[{name!r}]", value, "this word has a meaning already; use another one")


def _check_axes(path: Path, config: SweepConfig) -> None:
    """Every axis must change something: a field of a run, or a word that some expression uses."""
    fields = {field.name: field for field in dataclasses.fields(RunConfig)}
    texts = [getattr(config, name) for name in EXPRESSIONS]
    texts += [value for name, values in config.axes.items() if name in EXPRESSIONS for value in _listed(values)]
    used = {name for text in texts for name in names_in(str(text))}
    for name, values in config.axes.items():
        call, parameter = f"config={path}", f"axes[{name!r}]"
        require(isinstance(values, list), call, parameter, values, "write a list of values, e.g. [a, b]")
        require(
            name not in ("seed", "seeds", "rounds", "axes", "variables"), call, parameter, values,
            "cannot be an axis; `seed` and `seeds` say which seeds there are, and all cells have the same `rounds`",
        )  # fmt: skip
        if name in fields:
            for value in values:
                problem = _mismatch(fields[name].type, value)
                require(problem is None, call, parameter, repr(value), problem or "")
        else:
            near = difflib.get_close_matches(str(name), [*fields, *used], n=1)
            hint = f"did you mean {near[0]}?" if near else "name a field of a run, or use the word in an expression"
            require(name in used, call, parameter, values, f"no field and no expression uses this word; {hint}")


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


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
