"""The configuration of a run: frozen dataclasses, filled by YAML first and changed by flags."""

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, Literal

import jax
import tyro

from ghostjax._border import shown
from ghostjax._byzantine import byzantine_mask
from ghostjax._random import root_key
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError, require
from ghostjax.cli._expression import build, names_in, value as value_of
from ghostjax.cli._yaml import read, write
from ghostjax.metrics import standard
from ghostjax.sinks import AbstractSink, JSONL, Ledger, TensorBoard


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One training: who learns what, how it is aggregated, and who attacks it.

    Every object is written as a call, e.g. `trimmed_mean(f=byzantine)`; `ghostjax list` shows the names.
    The words `nodes`, `byzantine`, `rounds` and `seed` stand for the numbers of this configuration.
    """

    nodes: int = 64
    """Number of identities."""
    byzantine: int | float = 10
    """How many of them the adversary holds (the last ones); a fraction below 1 is a share of the nodes."""
    task: str = "digits(alpha=0.3)"
    """The learning problem, and its partition over the nodes."""
    learner: str = "momentum(beta=0.9)"
    """The local learning of a node between two exchanges."""
    attack: str = "alie"
    """The attack of the adversary."""
    aggregator: str = "trimmed_mean(f=byzantine)"
    """The rule that turns messages into one vector."""
    protocol: str = "server"
    """One server, or `gossip`: every node aggregates the messages of its neighbours."""
    topology: str = "random_regular(degree=12)"
    """Who receives from whom in gossip."""
    optimizer: str = "sgd(learning_rate=0.5)"
    """Any optax optimizer."""
    owner: str = "each"
    """The principal behind each identity: a different one each, or a list of their numbers, e.g. [0, 0, 1, 2]."""
    identity: str = "none"
    """How much each identity counts, e.g. identity.stake([1, 1, 2, ..]), reputation, age(rounds=20)."""
    channel: str = "none"
    """The channel between senders and receivers, e.g. drop(0.1)."""
    detectors: dict[str, str] = dataclasses.field(default_factory=dict)
    """Sequential tests on the public part of rounds, by name, e.g. network: watch(goal, 'loss', cusum(h=10))."""
    governance: str = "none"
    """Who decides what is done, e.g. scheduled(quarantine=[(30, 60, 2)]), council(alarm="network")."""
    electorate: str = "none"
    """Who votes on what a council puts to it, e.g. electorate(captured=0.25)."""
    metrics: list[str] = dataclasses.field(default_factory=list)
    """The recorded metrics, e.g. goal "every(5, worst_node)"; by default the goal and the standard ones."""
    participation: str = "everybody"
    """The weights of identities: everybody, by_examples, stake([..]), sampled(0.1), churn(0.2, 0.1),
    splitting(0, [8, 9], 20), whitewashing([0, 8], 20), or a list with a weight per node."""
    rounds: int = 200
    """Number of rounds."""
    evaluate_every: int = 1
    """Rounds between two evaluations of the stated goal, if `metrics` does not contain a period."""
    seed: int = 0
    """The root of all randomness."""
    chunk: int = 0
    """Rounds per chunk, after which the host acts (progress, checkpoint, signals); 0 takes as many as last a second."""
    checkpoint_seconds: float = 30.0
    """Seconds between two checkpoints, at least."""
    progress: Literal["auto", "lines", "none"] = "auto"
    """A bar on a terminal and lines elsewhere, always lines, or nothing."""
    track: str = ""
    """A folder for TensorBoard's event files, which needs `pip install 'ghostjax[track]'`; none unless given."""
    jsonl: str = ""
    """A file for a line of JSON per round; none unless given."""
    stop: str = "none"
    """What ends the run early, e.g. early_stopping('loss', patience=20)."""
    ledger: str = ""
    """A folder for a log of every round that nobody changes unnoticed; none unless given."""
    ledger_key: str = ""
    """The file of the key that signs the ledger, made if it is not there; needs `pip install 'ghostjax[ledger]'`."""
    ledger_every: int = 0
    """Rounds between two commitments of the ledger to the rows that identities send, for evidence; 0 for none."""
    allow_layout_change: bool = False
    """Whether a checkpoint of another device, mesh or float format may be continued."""
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
EXPRESSIONS = (
    "task",
    "learner",
    "attack",
    "aggregator",
    "protocol",
    "topology",
    "optimizer",
    "owner",
    "identity",
    "channel",
    "detectors",
    "governance",
    "electorate",
    "metrics",
    "participation",
)
"""Fields that are written as calls."""
NO_AXES = ("seed", "seeds", "rounds", "axes", "variables", "participation", "chunk", "checkpoint_seconds", "progress",
           "track", "jsonl", "stop", "ledger", "ledger_key", "ledger_every", "allow_layout_change")  # fmt: skip
HOW = ("chunk", "checkpoint_seconds", "progress", "track", "jsonl", "stop", "ledger", "ledger_key", "ledger_every",
       "allow_layout_change")  # fmt: skip
"""Fields that change how a run is played, or how far, and no bit of a round."""
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "gelu": jax.nn.gelu, "silu": jax.nn.silu}
"""Words for a model's activation, e.g. `mlp((64, 64, 10), tanh)`."""


def simulation(config: RunConfig) -> Simulation:
    """The simulation that `config` describes; raises `ConfigurationError` for one that cannot work."""
    for name, high in {"rounds": 2**31 - 1, "nodes": 2**24, "evaluate_every": 2**31 - 1}.items():
        require(getattr(config, name) >= 1, "run", name, getattr(config, name), "must be at least 1")
        require(getattr(config, name) <= high, "run", name, getattr(config, name), f"must be at most {high}")
    root_key(config.seed, "run", "seed")
    require(config.chunk >= 0, "run", "chunk", config.chunk, "must not be negative")
    words = _words(config)
    task = build("task", config.task, "tasks", words, config.nodes)
    require(
        task.num_nodes == config.nodes,
        "run",
        "task",
        config.task,
        f"makes {task.num_nodes} nodes where nodes={config.nodes}; write `nodes` as the number in its partition",
    )
    # Without Byzantine nodes the default attack is left out, so that it causes no warning.
    text = "no_attack" if config.byzantine == 0 and config.attack == RunConfig.attack else config.attack
    attack = build("attack", text, "attacks", words)
    require(
        not attack.says_who or config.byzantine in (0, RunConfig.byzantine), "run", "byzantine", config.byzantine,
        f"{shown(text)} itself decides who is Byzantine; leave it out",
    )  # fmt: skip
    return Simulation(
        task,
        _protocol(config, words),
        learner=build("learner", config.learner, "learners", words),
        attack=attack,
        byzantine=None if attack.says_who else config.byzantine,
        metrics=_metrics(config, words),
        owner=None if config.owner == "each" else _lists(value_of("owner", config.owner, words)),
        identity=_optional("identity", config.identity, "identity", words),
        channel=_optional("channel", config.channel, "channels", words),
        detectors={
            name: build(f"detectors[{name!r}]", text, "detectors", words) for name, text in config.detectors.items()
        },
        governance=_optional("governance", config.governance, "governance", words),
        electorate=_optional("electorate", config.electorate, "governance", words),
    )


def _optional(parameter: str, text: str, family: str, words: dict[str, Any]) -> Any:
    return None if text == "none" else build(parameter, text, family, words)


def rebuilt(plain: Any) -> Simulation | None:
    """The simulation of the configuration that `ghostjax run` kept in the provenance; None for any other."""
    names = {field.name for field in dataclasses.fields(RunConfig)}
    ours = isinstance(plain, Mapping) and {"nodes", "task", "aggregator", "protocol", "rounds"} <= plain.keys() <= names
    return simulation(RunConfig(**plain)) if ours else None


def participation(config: RunConfig) -> Any:
    """The participation of the configuration, for `simulate` and `sweep`."""
    text, words = config.participation, _words(config)
    if text.lstrip().startswith(("[", "(")):
        return _lists(value_of("participation", text, words))
    return build("participation", text, "participation", words)


def followers(config: RunConfig) -> list[AbstractSink]:
    """The sinks of the configuration: curves, a log, an early end, a ledger."""
    alone = config.ledger or not (config.ledger_key or config.ledger_every)
    require(alone, "run", "ledger", "none", "a key and a period are those of a ledger; name its folder, --ledger DIR")
    require(config.ledger_every >= 0, "run", "ledger_every", config.ledger_every, "must not be negative")
    given = [
        TensorBoard(config.track) if config.track else None,
        JSONL(config.jsonl) if config.jsonl else None,
        _optional("stop", config.stop, "sinks", _words(config)),
        Ledger(config.ledger, key=config.ledger_key or None, every=config.ledger_every or None)
        if config.ledger
        else None,
    ]
    return [sink for sink in given if sink is not None]


def _words(config: RunConfig) -> dict[str, Any]:
    """The variables of expressions. `byzantine` is the number of Byzantine nodes, also if a share was given."""
    require(
        not isinstance(config.byzantine, float) or 0 <= config.byzantine < 1, "run", "byzantine", config.byzantine,
        "write a whole number of nodes, or a fraction below 1, a share of them",
    )  # fmt: skip
    count = int(byzantine_mask(config.byzantine, config.nodes, "run").sum())
    numbers = {word: getattr(config, word) for word in WORDS} | {"byzantine": count}
    return {**ACTIVATIONS, **numbers, **config.variables}


def _protocol(config: RunConfig, words: dict[str, Any]) -> Any:
    """The protocol, with the rule, the topology and the optimizer of the configuration."""
    missing = {
        "aggregator": lambda: build("aggregator", config.aggregator, "aggregators", words),
        "topology": lambda: build("topology", config.topology, "topologies", words, config.nodes),
        "optimizer": lambda: build("optimizer", config.optimizer, "optimizers", words),
    }
    return build("protocol", config.protocol, "protocols", words, missing=missing)


def _metrics(config: RunConfig, words: dict[str, Any]) -> Any:
    if not config.metrics:
        return standard(every=config.evaluate_every)
    made = [build("metrics", text, "metrics", words) for text in config.metrics]
    require(
        config.evaluate_every == 1, "run", "evaluate_every", config.evaluate_every,
        "metrics say it themselves, e.g. every(5, goal); leave it out",
    )  # fmt: skip
    return made


def _lists(values: Any) -> Any:
    return list(map(_lists, values)) if isinstance(values, tuple) else values


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
    for key, given in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            raise ConfigurationError(f"config={path}: unknown key {shown(key)}; {hint}")
        content[key] = given = _written(key, given)
        problem = _mismatch(fields[key].type, given)
        if problem:
            raise ConfigurationError(f"config={path}: {key}={shown(given)}: {problem}")
    if isinstance(content.get("axes"), dict):
        content["axes"] = {
            name: [_written(name, one) for one in _rejoined(values)] if isinstance(values, list) else values
            for name, values in content["axes"].items()
        }
    config = kind(**content)
    _check_variables(path, config)
    if isinstance(config, SweepConfig):
        _check_axes(path, config)
    return config


def _written(name: str, value: Any) -> Any:
    """A field in its stored form: one metric becomes a list, a list of weights becomes text."""
    if name == "metrics":
        return _rejoined(value) if isinstance(value, list) else [value] if isinstance(value, str) else value
    if name in ("owner", "participation") and isinstance(value, list):
        return " ".join(str(value).split())
    return value


def _rejoined(items: list[Any]) -> list[Any]:
    """Rejoins calls that YAML has split at their commas: `[goal, every(5, drift)]` has two items."""
    found: list[Any] = []
    depth = 0
    for item in items:
        if depth > 0:
            found[-1] = f"{found[-1]}, {item}"
        else:
            found.append(item)
        depth = found[-1].count("(") - found[-1].count(")") if isinstance(found[-1], str) else 0
    return found


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
    used = {name for text in texts for one in _listed(text) for name in names_in(str(one))}
    for name, values in config.axes.items():
        call, parameter = f"config={path}", f"axes[{name!r}]"
        require(isinstance(values, list), call, parameter, values, "write a list of values, e.g. [a, b]")
        require(
            name not in NO_AXES, call, parameter, values,
            "cannot be an axis; `seed` and `seeds` say which seeds there are, and all cells have the same `rounds` and "
            "`participation`",
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
    if isinstance(values, dict):
        return list(values.values())
    return values if isinstance(values, list) else [values]


def dump(config: RunConfig) -> str:
    """`config` as YAML that `load` reads back."""
    return write(dataclasses.asdict(config))


def _mismatch(kind: Any, value: Any) -> str | None:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return None if value in get_args(kind) else f"must be one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is UnionType:
        kinds = get_args(kind)
        if any(_mismatch(one, value) is None for one in kinds):
            return None
        return f"must be {' or '.join(one.__name__ for one in kinds)}, not {type(value).__name__}"
    if kind == dict[str, str]:
        texts = isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
        return None if texts else "must be a mapping of names to calls, e.g. {network: \"watch(goal, 'loss', cusum)\"}"
    if kind == list[str]:
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return None if texts else "must be a list of texts, e.g. [goal, every(5, worst_node)]"
    kind = get_origin(kind) or kind
    fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    return None if fits else f"must be {'a mapping' if kind is dict else kind.__name__}, not {type(value).__name__}"
