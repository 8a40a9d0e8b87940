"""Checks the folder of a run: every file is read, and nothing is moved."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._run._archive import CorruptFile
from ghostjax._run._checkpoint import Checkpoint, listed, read
from ghostjax._run._load import read_saved
from ghostjax._run._run import FILES, identity, SCHEMA
from ghostjax._run._seal import broken, read_seal, SEAL, Seal
from ghostjax._types import ConfigurationError


def verify_run(directory: Path) -> list[str]:
    """One line for every fault of the run in `directory`; none if all files are whole, also of an unfinished run.

    The checks are: the seal and the files that it binds; their content against the seal; for every checkpoint its
    checksum, its content and the pieces of the record that it binds; and that checkpoints and results belong to one run
    and agree on the rounds that both hold. A sha256 is no signature: somebody who can write to the folder can seal any
    content.
    """
    faults: list[str] = []
    saved = _saved(directory, faults)
    checkpoints = []
    for path in listed(directory):
        try:
            checkpoints.append(read(path))
        except FileNotFoundError:  # a broken link
            faults.append(f"{path.name}: leads nowhere")
        except CorruptFile as error:
            faults.append(str(error).replace(f"{directory}{os.sep}", ""))
        except ConfigurationError:
            faults.append(f"{path.name}: was written in another layout of files")
    for checkpoint in checkpoints:
        faults += _compared(checkpoint, checkpoints[-1], saved)
    return faults


def is_run(directory: Path) -> bool:
    """Whether anything in `directory` has a name that a run writes."""
    named = any(os.path.lexists(directory / name) for name in (SEAL, *FILES))
    return named or any(directory.glob("checkpoint-*.npz")) or any(directory.glob("record-*.npz"))


def _saved(directory: Path, faults: list[str]) -> tuple[Any, dict[str, Any], dict[str, Any]] | None:
    """The saved result if it is whole. Otherwise its faults are added to `faults`."""
    if not any(os.path.lexists(directory / name) for name in (SEAL, *FILES)):
        return None  # not finished yet
    try:
        seal = read_seal(directory)
    except CorruptFile as error:
        faults.append(str(error))
        return None
    wrong = broken(directory, seal) or _foreign(seal)
    if not wrong:
        try:
            saved = read_saved(directory)
            wrong = _unlike(seal, saved)
            if not wrong:
                return saved
        except CorruptFile as error:
            wrong = [str(error)]
    faults += wrong
    return None


def _foreign(seal: Seal) -> list[str]:
    if seal.files.keys() != FILES or seal.about.get("kind") != "run":
        return [f"{SEAL} is not that of a run: it binds {', '.join(sorted(seal.files)) or 'nothing'}"]
    if seal.about.get("schema") != SCHEMA:
        return [f"{SEAL} was written in another layout of files"]
    return []


def _unlike(seal: Seal, saved: tuple[Any, dict[str, Any], dict[str, Any]]) -> list[str]:
    """The statements of the seal that the files contradict."""
    dataset, _, parts = saved
    found = {
        "result": parts["result"].name,
        "rounds": dataset.sizes["round"],
        "run": identity(parts["provenance"]),
    }
    return [
        f"{SEAL} says another {name} than results.nc" for name, value in found.items() if seal.about.get(name) != value
    ]


def _compared(one: Checkpoint, last: Checkpoint, saved: tuple[Any, dict[str, Any], dict[str, Any]] | None) -> list[str]:
    """The contradictions between a checkpoint and the last one, or the saved result."""
    name, manifest = one.status.path.name, one.status.manifest
    faults = []
    for part in ("key", "simulation"):
        if manifest[part] != last.status.manifest[part]:
            faults.append(f"{name}: is of another run than {last.status.path.name} (another {part})")
        elif saved is not None and manifest[part] != saved[2]["provenance"].get(part):
            faults.append(f"{name}: is of another run than results.nc (another {part})")
    if not faults and not _same_rounds(one.record, last.record):
        faults.append(f"{name}: holds other rounds than {last.status.path.name}")
    elif not faults and saved is not None:
        record = {str(key): column.values for key, column in saved[0].data_vars.items()}
        if not _same_rounds(one.record, record):
            faults.append(f"{name}: holds other rounds than results.nc")
        state = {key: value for key, value in saved[1].items() if key.startswith("state")}
        if not faults and state and one.status.round == saved[0].sizes["round"] and not _same(one.arrays, state):
            faults.append(f"{name}: holds another final state than final.npz")
    return faults


def _same_rounds(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two records agree on the rounds that both have."""
    if one.keys() != other.keys():
        return False
    common = min(len(column) for column in (*one.values(), *other.values()))
    return all(_equal(column[:common], other[name][:common]) for name, column in one.items())


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())


def _equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype:  # bfloat16 is kept as float32 in netCDF
        a, b = a.astype(np.float64), b.astype(np.float64)
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
