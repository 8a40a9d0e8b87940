"""The cells of a sweep: built, named by content, and grouped so that each group is one compiled program.

A cell is a point of the product of axes with one seed. Its name is a hash of its whole description, so an equal cell
in another sweep or process has the same file. Cells of one `structure` (tree, static fields, shapes, dtypes; not the
values of knobs) share a program. Cells whose structures differ only in members that a switch can choose (what
simulation and protocol declare as `switchable`: attack, learner, identity, channel, detectors, governance, electorate,
and the rule at a server) form a family, and a family of more than `MERGE_ABOVE` structures is merged: at each such
place every cell gets a `switch` over all options of the family, and its branch is a traced index. Members whose
declarations give the round another shape, or that pass on arrays of other kinds, are kept apart. **Invariant:** the
grouping is a function of the whole sweep alone, never of the shard or of finished cells, because the bits of a cell
may depend on the program that computes it.
"""

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
from ghostjax._sweep._paths import at_path, set_paths, unknown_path, with_path
from ghostjax._sweep._switch import agreed, structure, switch, Unlike
from ghostjax._types import ConfigurationError, Key, require
from ghostjax.attacks import NoAttack


SCHEMA = 3
"""The version of the layout of a description. Another version gives cells other names."""
MERGE_ABOVE = 3
"""A family of more structures than this is merged into one program: below, compiling each costs less."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One training: its place in the product, its simulation and seed, its file, and the number of Byzantine nodes."""

    place: tuple[int, ...]
    simulation: Simulation
    seed: int
    name: str
    description: dict[str, Any]
    byzantine: int


@dataclasses.dataclass(eq=False)
class Group:
    """Cells that share one compiled program: `programs[i]` runs for `cells[i]`, on branch `branches[i]`."""

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
    """The function from a point to its simulation, and whether the function takes the seed."""
    if isinstance(source, Simulation):

        def from_paths(place: tuple[int, ...], seed: int) -> tuple[Simulation, set[str]]:
            del seed

            def settings(chosen: Iterable[tuple[Axis, int]]) -> dict[str, Any]:
                return {path: axis.values[i] for axis, i in chosen for path in axis.paths or ()}

            point = list(zip(axes, place, strict=True))
            try:
                return set_paths(source, settings(point))
            except Exception as error:
                for one in point:  # find the axis that cannot be set alone
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


def group_cells(cells: Iterable[Cell], merge: bool | str) -> list[Group]:
    """Groups of one structure each, merged over the members that a switch can choose if `merge` says so.

    The grouping ignores the shard and finished cells, because a cell's bits may depend on the program that it runs in.
    """
    cells = list(cells)
    choice(merge, (True, False, "auto"), "sweep", "merge")
    families = _by([_family(cell.simulation) for cell in cells], cells)
    groups = []
    for family in families:
        apart = _by([structure(cell.simulation) for cell in family], family)
        if merge is True or (merge == "auto" and len(apart) > MERGE_ABOVE):
            groups += _merged(family, apart)
        else:
            groups += [Group(part, [cell.simulation for cell in part], [()] * len(part)) for part in apart]
    return groups


def _by(keys: list[Any], cells: list[Cell]) -> list[list[Cell]]:
    found: dict[Any, list[Cell]] = {}
    for key, cell in zip(keys, cells, strict=True):
        found.setdefault(key, []).append(cell)
    return list(found.values())


def _families(simulation: Simulation) -> dict[tuple[str, ...], type[eqx.Module]]:
    """The places where a switch may choose among members, with their families."""
    found: dict[tuple[str, ...], type[eqx.Module]] = {}
    for place in ((), ("protocol",)):
        module = at_path(simulation, place)
        for name, family in module.switchable.items():
            member = getattr(module, name)
            if isinstance(member, dict):
                found |= {(*place, name, key): family for key in sorted(member)}
            elif member is not None:
                found[(*place, name)] = family
    return found


def _family(simulation: Simulation) -> Any:
    """The structure without the members that a switch can choose, and the parts that their options must share."""
    rest, common = simulation, []
    for path in _families(simulation):
        common.append(agreed(at_path(simulation, path)))
        rest = with_path(rest, path, None)
    return structure(rest), tuple(common)


def _merged(family: list[Cell], apart: list[list[Cell]]) -> list[Group]:
    """One program for a whole family, or as few as the arrays allow that its structures, `apart`, pass on."""
    whole = _switched(family)
    if len(apart) == 1 or _traces(whole):
        return [whole]
    groups: list[Group] = []
    for part in apart:
        for i, group in enumerate(groups):
            joined = _switched(group.cells + part)
            if _traces(joined):
                groups[i] = joined
                break
        else:
            groups.append(_switched(part))
    return groups


def _traces(group: Group) -> bool:
    """Whether the options of the group's switches pass on arrays of the same kinds."""
    program = group.programs[0]

    def played(key: Key) -> Any:
        return program.step(program.init(key), jnp.ones(program.num_nodes, program.ravel.dtype), key)

    try:
        jax.eval_shape(played, jax.random.key(0))
    except Unlike:
        return False
    return True


def _switched(family: list[Cell]) -> Group:
    """One program for cells of one family: options are the structures in order of appearance."""
    programs = [cell.simulation for cell in family]
    branches: list[tuple[int, ...]] = [()] * len(family)
    for path, kind in _families(family[0].simulation).items():
        members = [at_path(cell.simulation, path) for cell in family]
        structures = [structure(member) for member in members]
        options = dict(zip(reversed(structures), reversed(members), strict=True))  # the first of each
        places = list(dict.fromkeys(structures))
        if len(places) == 1:
            continue
        for cell, (member, treedef) in enumerate(zip(members, structures, strict=True)):
            chosen = tuple(member if place == treedef else options[place] for place in places)
            programs[cell] = with_path(programs[cell], path, switch(kind, chosen, places.index(treedef)))
            branches[cell] = (*branches[cell], places.index(treedef))
    return Group(family, programs, branches)


class _Pool:
    """Makes equal arrays one object: it saves memory, and identity then tells which leaves differ between cells."""

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
