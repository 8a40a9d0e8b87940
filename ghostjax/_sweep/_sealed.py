"""`sweep.json`: the sealed plan of a folder's cells; once all are finished, also the sha256 of their files."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostjax._run._archive import CorruptFile
from ghostjax._run._seal import read_seal, Seal, write_seal
from ghostjax._sweep._axis import storable, TAKEN
from ghostjax._sweep._cells import Loaded, NAME
from ghostjax._sweep._plan import SCHEMA as SCHEMA


PLAN = "sweep.json"


def begin_plan(directory: Path, plan: Mapping[str, Any]) -> None:
    """Writes the plan unless the same plan is there already. Every worker writes the same one."""
    if _about(directory) != plan:
        write_seal(directory, {}, plan, PLAN)


def end_plan(directory: Path, plan: Mapping[str, Any], cells: Mapping[str, Loaded | None]) -> None:
    """Binds the files of all cells by sha256 once every cell is finished, so that later changes are detected."""
    files = {f"cells/{name}.npz": cell.sha256 for name, cell in sorted(cells.items()) if cell is not None}
    if len(files) < len(cells):
        return
    try:
        seal = read_seal(directory, PLAN)
    except CorruptFile:
        seal = None
    # Another call may have written a larger plan meanwhile. It stays.
    if seal is None or (seal.about == plan and seal.files != files):
        write_seal(directory, files, plan, PLAN)


def read_plan(directory: Path) -> Seal:
    """The seal of a sweep's folder. `CorruptFile` if its `about` is no valid plan."""
    seal = read_seal(directory, PLAN)
    fault = _fault(seal.about)
    if fault:
        raise CorruptFile(f"{PLAN}: {fault}")
    return seal


def _about(directory: Path) -> Any:
    try:
        return read_seal(directory, PLAN).about
    except CorruptFile:
        return None


def _fault(plan: Any) -> str | None:
    """Why this is no plan, or None. Another version, or somebody else, may have sealed any content."""
    if not isinstance(plan, dict) or plan.get("kind") != "sweep":
        return "is no plan of a sweep"
    if plan.get("schema") != SCHEMA:
        return f"is of another version ({plan.get('schema')}, here {SCHEMA})"
    try:
        names = [axis["name"] for axis in plan["axes"]]
        sizes = [len(axis["labels"]) for axis in plan["axes"]] + [len(plan["seeds"])]
        labels = [label for axis in plan["axes"] for label in axis["labels"]]
        whole = all(storable(name) and "/" not in name for name in names) and not TAKEN & set(names)
        whole = whole and all(isinstance(label, bool | int | float | str) for label in labels)
        whole = whole and len(set(names)) == len(names) and isinstance(plan["rounds"], int) and plan["rounds"] >= 1
        whole = whole and all(isinstance(seed, int) for seed in plan["seeds"])
        whole = whole and math.prod(sizes) == len(plan["cells"]) == len(plan["byzantine"]) > 0
        whole = whole and all(isinstance(name, str) and NAME.fullmatch(name) for name in plan["cells"])
        whole = whole and all(isinstance(count, int) for count in plan["byzantine"])
        whole = whole and isinstance(plan["environment"], dict)
    except (KeyError, TypeError, AttributeError):
        whole = False
    return None if whole else "its checksum fits and its content does not"
