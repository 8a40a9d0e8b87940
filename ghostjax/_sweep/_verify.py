"""Checks the folder of a sweep: every file is read, and nothing is moved."""

import os
from pathlib import Path

from ghostjax._run._archive import CorruptFile
from ghostjax._sweep._cells import NAME, read_cell
from ghostjax._sweep._sealed import PLAN, read_plan


def verify_sweep(directory: Path) -> list[str]:
    """One line for every fault of the sweep in `directory`; none if all files are whole, also of an unfinished sweep.

    The checks are: the seal of `sweep.json`; for every cell its checksum, content and name, and its seed and rounds
    against the plan; for a finished sweep, each file against its seal. Cells of earlier, larger plans are no fault. A
    sha256 is no signature: somebody who can write to the folder can seal any content.
    """
    faults: list[str] = []
    plan, bound = None, {}
    try:
        seal = read_plan(directory)
        plan, bound = seal.about, seal.files
    except CorruptFile as error:
        faults.append(str(error))
    sound: dict[str, str] = {}
    meant = {} if plan is None else _expected(plan)
    for path in sorted((directory / "cells").glob("*.npz")):
        short = f"cells/{path.name}"
        if not NAME.fullmatch(path.stem):
            faults.append(f"{short}: is no name of a cell")
            continue
        try:
            cell = read_cell(path)
        except FileNotFoundError:  # a broken link
            faults.append(f"{short}: leads nowhere")
            continue
        except CorruptFile as error:
            faults.append(str(error).replace(str(path), short))
            continue
        sound[short] = cell.sha256
        if (
            path.stem in meant
            and (cell.manifest["config"]["rounds"], cell.manifest["config"]["seed"]) != meant[path.stem]
        ):
            faults.append(f"{short}: is of another seed or number of rounds than {PLAN} says")
    for name, digest in bound.items():
        if name not in sound:
            if not os.path.lexists(directory / name):
                faults.append(f"{name}: is missing")
        elif sound[name] != digest:
            faults.append(f"{name}: is not the file that was sealed")
    return faults


def _expected(plan: dict) -> dict[str, tuple[int, int]]:
    """Rounds and seed of every cell; equal cells have equal seeds."""
    seeds = plan["seeds"]
    return {name: (plan["rounds"], seeds[i % len(seeds)]) for i, name in enumerate(plan["cells"])}
