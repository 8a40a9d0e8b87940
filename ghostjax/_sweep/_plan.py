"""The cells of a sweep: built, named by content, and grouped so that each group is one compiled program."""

import dataclasses
import hashlib
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, shown
from ghostjax._byzantine import IdleAttack
from ghostjax._run._describe import Describer, fingerprint
from ghostjax._simulation import Simulation
from ghostjax._sweep._axis import Axis
from ghostjax._sweep._paths import set_paths, unknown_path, with_field
from ghostjax._sweep._switch import AggregatorSwitch, AttackSwitch
from ghostjax._types import as_count, ConfigurationError, require
from ghostjax.attacks import NoAttack
from ghostjax.protocols import Server


SCHEMA = 3
"""The layout of a description; another one gives cells other names."""
MERGE_ABOVE = 3
"""More structures than this that differ only in attack or rule are merged into one program."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One training: its place in the product, what it is, the name of its file, and how many are Byzantine."""

    place: tuple[int, ...]
    simulation: Simulation
    seed: int
    name: str
    description: dict[str, Any]
    byzantine: int


@dataclasses.dataclass(eq=False)
class Group:
    """Cells that share one compiled program; `programs[i]` is what runs for `cells[i]`, on branch `branches[i]`."""

    cells: list[Cell]
    programs: list[Simulation]
    branches: list[tuple[int, ...]]


def build_cells(
    source: Simulation | Callable[..., Simulation],
    axes: list[Axis],
    seeds: list[int],
    rounds: int,
    participation: Any,
) -> list[Cell]:
    """Every cell of the product in C order, each checked, before anything compiles."""
    describer, pool = Describer(), _Pool()
    build, takes_seed = _builder(source, axes)
    common = {
        "schema": SCHEMA,
        "ghostjax": _minor_version(),
        "rounds": rounds,
        "participation": None if participation is None else describer(participation),
        "x64": jnp.result_type(float) == jnp.float64,
    }
    cells: list[Cell] = []
    missing: set[str] | None = None
    for place in itertools.product(*(range(len(axis.values)) for axis in axes)):
        made: tuple[Simulation, Any, int] | None = None
        for s, seed in enumerate(seeds):
            if made is None or takes_seed:
                with warnings.catch_warnings(action="ignore", category=IdleAttack):
                    simulation, absent = build(place, seed)
                missing = absent if missing is None else missing & absent
                simulation = pool.intern(simulation)
                made = simulation, describer(simulation), int(np.asarray(simulation.byzantine).sum())
            simulation, plain, byzantine = made
            description = {**common, "seed": seed, "simulation": plain}
            cells.append(Cell((*place, s), simulation, seed, fingerprint(description)[:16], description, byzantine))
    if missing:
        assert isinstance(source, Simulation)
        raise unknown_path(source, min(missing))
    idle = [cell.simulation.attack for cell in cells if not isinstance(cell.simulation.attack, NoAttack)]
    if idle and not any(cell.byzantine for cell in cells):
        warnings.warn(
            f"sweep: attack={shown(idle[0])}: no identity is Byzantine in any cell, so it never acts; give byzantine= "
            "a count, a share or a mask",
            IdleAttack,
            stacklevel=3,
        )
    return cells


def _builder(
    source: Any, axes: list[Axis]
) -> tuple[Callable[[tuple[int, ...], int], tuple[Simulation, set[str]]], bool]:
    """How a point becomes a simulation, and whether it wants the seed too."""
    if isinstance(source, Simulation):

        def from_paths(place: tuple[int, ...], seed: int) -> tuple[Simulation, set[str]]:
            del seed

            def settings(chosen: Iterable[tuple[Axis, int]]) -> dict[str, Any]:
                return {path: axis.values[i] for axis, i in chosen for path in axis.paths or ()}

            point = list(zip(axes, place, strict=True))
            try:
                return set_paths(source, settings(point))
            except Exception as error:
                for one in point:  # who of them cannot be set, whatever the others are
                    try:
                        set_paths(source, settings([one]))
                    except Exception as alone:
                        raise _refused([one], alone) from error
                raise _refused(point, error) from error

        return from_paths, False

    require(
        callable(source), "sweep", "simulation", type(source).__name__, "give a Simulation or a function of the axes"
    )
    parameters = inspect.signature(source).parameters
    takes_seed = "seed" in parameters
    point = {axis.name: axis.values[0] for axis in axes} | ({"seed": 0} if takes_seed else {})
    try:
        inspect.signature(source).bind(**point)
    except TypeError as error:
        raise ConfigurationError(
            f"sweep: axes={[axis.name for axis in axes]}: {error}; the axes must be the arguments of the builder, "
            f"{list(parameters)}"
        ) from None

    def from_builder(place: tuple[int, ...], seed: int) -> tuple[Simulation, set[str]]:
        point = {axis.name: axis.values[i] for axis, i in zip(axes, place, strict=True)}
        try:
            made = source(**point, **({"seed": seed} if takes_seed else {}))
        except ConfigurationError as error:
            raise _refused(zip(axes, place, strict=True), error) from error
        except Exception as error:  # the caller's own code: its traceback says where
            error.add_note(f"sweep: while building the cell {_point(zip(axes, place, strict=True))}, seed={seed}")
            raise
        require(
            isinstance(made, Simulation),
            "sweep",
            "simulation",
            type(made).__name__,
            "the builder must return a Simulation",
        )
        return made, set()

    return from_builder, takes_seed


def _point(point: Iterable[tuple[Axis, int]]) -> str:
    return ", ".join(f"axes[{axis.name!r}]={shown(axis.labels[i])}" for axis, i in point)  # type: ignore[index]


def _refused(point: Iterable[tuple[Axis, int]], error: Exception) -> ConfigurationError:
    """One line that says which cell cannot be built, and why."""
    why = (str(error).splitlines() or [""])[0].removeprefix("sweep: ")
    kind = "" if isinstance(error, ConfigurationError) else f"{type(error).__name__}: "
    return ConfigurationError(f"sweep: {_point(point)}: {kind}{why}")


def structure(tree: Any) -> Any:
    """What a compiled program depends on: the tree, static fields, shapes, dtypes; not the values of leaves."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((leaf.shape, str(leaf.dtype)) if eqx.is_array(leaf) else leaf for leaf in leaves)


def group_cells(cells: Iterable[Cell], merge: bool | str) -> list[Group]:
    """Groups of one structure each, merged over attacks and rules where `merge` says so.

    The grouping depends on the whole sweep, never on the shard or on what is already done, because a cell's
    bits may depend on the program that it runs in.
    """
    cells = list(cells)
    choice(merge, (True, False, "auto"), "sweep", "merge")
    families = _by([_family(cell.simulation) for cell in cells], cells)
    groups = []
    for family in families:
        apart = _by([structure(cell.simulation) for cell in family], family)
        if merge is True or (merge == "auto" and len(apart) > MERGE_ABOVE):
            groups.append(_merged(family))
        else:
            groups += [Group(part, [cell.simulation for cell in part], [()] * len(part)) for part in apart]
    return groups


def _by(keys: list[Any], cells: list[Cell]) -> list[list[Cell]]:
    found: dict[Any, list[Cell]] = {}
    for key, cell in zip(keys, cells, strict=True):
        found.setdefault(key, []).append(cell)
    return list(found.values())


def _family(simulation: Simulation) -> Any:
    """The structure without what a switch can choose: the attack, and the rule at a server."""
    rest = with_field(simulation, "attack", None, check=False)
    if isinstance(simulation.protocol, Server):
        rest = _with_rule(rest, None)
    return structure(rest), simulation.attack.per_receiver


def _merged(family: list[Cell]) -> Group:
    """One program for the whole family: options are the structures in order of appearance."""
    attacks = [cell.simulation.attack for cell in family]
    rules: list[Any] = [getattr(cell.simulation.protocol, "aggregator", None) for cell in family]
    if not isinstance(family[0].simulation.protocol, Server):
        rules = [None] * len(family)  # in gossip a switch would cost every rule its fused form
    attack_options, rule_options = _options(attacks), _options(rules)
    programs, branches = [], []
    for cell, attack, rule in zip(family, attacks, rules, strict=True):
        program, branch = cell.simulation, ()
        if len(attack_options) > 1:
            i = list(attack_options).index(structure(attack))
            options = [attack if j == i else option for j, option in enumerate(attack_options.values())]
            program = with_field(program, "attack", AttackSwitch(tuple(options), as_count(i)), check=False)
            branch += (i,)
        if len(rule_options) > 1:
            i = list(rule_options).index(structure(rule))
            options = [rule if j == i else option for j, option in enumerate(rule_options.values())]
            program = _with_rule(program, AggregatorSwitch(tuple(options), as_count(i)))
            branch += (i,)
        programs.append(program)
        branches.append(branch)
    return Group(family, programs, branches)


def _with_rule(simulation: Any, rule: Any) -> Any:
    protocol = with_field(simulation.protocol, "aggregator", rule, check=False)
    return with_field(simulation, "protocol", protocol, check=False)


def _options(objects: list[Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for thing in objects:
        found.setdefault(structure(thing), thing)
    return found


class _Pool:
    """Equal arrays become one object: memory, and telling which leaves differ between cells."""

    def __init__(self):
        self._kept: dict[Any, Any] = {}
        self._seen: dict[int, Any] = {}

    def intern(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: self._one(leaf) if eqx.is_array(leaf) else leaf, tree)

    def _one(self, leaf: Any) -> Any:
        if id(leaf) not in self._seen:
            raw = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            content = np.ascontiguousarray(np.asarray(raw))
            mark = (leaf.shape, str(leaf.dtype), hashlib.sha256(content.tobytes()).digest())
            self._seen[id(leaf)] = (leaf, self._kept.setdefault(mark, leaf))
        return self._seen[id(leaf)][1]


def _minor_version() -> str:
    from importlib.metadata import version

    return ".".join(version("ghostjax").split(".")[:2])
