"""Checkpoints: the whole state in one file per kept round, which binds the pieces of the record so far."""

import re
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import folder
from ghostjax._files import remove
from ghostjax._run._archive import content_digest, CorruptFile, pack, quarantine, unpack, write_managed
from ghostjax._run._chunk import named_leaves
from ghostjax._run._describe import differences
from ghostjax._run._present import Present
from ghostjax._run._provenance import changed, LAYOUT, VERSIONS
from ghostjax._run._segments import Link, read_segments, remove_others, write_segment
from ghostjax._types import ConfigurationError, require


KEPT = 2
SCHEMA = 2
NAME = re.compile(r"checkpoint-(\d{8,})\.npz")


class CheckpointStatus(NamedTuple):
    """The state of a run's folder: rounds played, rounds planned, the newest usable file and its manifest."""

    round: int
    rounds: int
    path: Path
    manifest: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether every round was played."""
        return self.round >= self.rounds


class Checkpoint(NamedTuple):
    """A checkpoint that was read: the arrays of the state, the record so far, and the files of the record."""

    status: CheckpointStatus
    arrays: dict[str, Any]
    record: dict[str, np.ndarray]
    pieces: list[str]


class Keeper:
    """Writes the checkpoints of one run: each time the whole state and the new rows of the record.

    The last `KEPT` are kept. `done` rounds are on the disk; `last` is the last piece of their record.
    """

    def __init__(
        self, directory: Path, manifest: dict[str, Any], seconds: float, found: Checkpoint | None, present: Present
    ):
        self._directory, self._manifest, self._seconds, self._present = directory, manifest, seconds, present
        self.done = 0 if found is None else found.status.round
        self._last: Link | None = None if found is None else tuple(found.status.manifest["record"])
        self._when = time.monotonic()
        remove_others(directory, [] if found is None else found.pieces)
        self._prune()

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another one."""
        return time.monotonic() - self._when >= self._seconds

    def save(self, state: Any, pieces: list[dict[str, np.ndarray]], done: int) -> Path:
        """Writes the state after `done` rounds with the rows since the last call, and returns the file."""
        rows = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        last = write_segment(self._directory, rows, self.done, done, self._last)
        arrays = {f"state{name}": leaf for name, leaf in named_leaves(state)}
        manifest = {
            **self._manifest,
            "schema": SCHEMA,
            "round": done,
            "weights": self._present.upto(done),
            "record": last,
            "state": content_digest(arrays),
        }
        path = self._directory / f"checkpoint-{done:08d}.npz"
        write_managed(path, pack(arrays, manifest))
        self._prune()
        self.done, self._last, self._when = done, last, time.monotonic()
        return path

    def _prune(self) -> None:
        for old in listed(self._directory)[:-KEPT]:
            remove(old)


def checkpoint_status(directory: str | Path) -> CheckpointStatus | None:
    """The newest usable checkpoint of `directory`, or None.

    Corrupt files are set aside with a warning, as when a run is continued.
    """
    found = newest(folder(directory, "checkpoint_status", "directory"))
    return None if found is None else found.status


def listed(directory: Path) -> list[Path]:
    """All files with the name of a checkpoint, the oldest first."""
    found = ((NAME.fullmatch(path.name), path) for path in directory.glob("checkpoint-*.npz"))
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def newest(directory: Path) -> Checkpoint | None:
    """The newest usable checkpoint. Corrupt newer ones are set aside."""
    for path in reversed(listed(directory)):
        try:
            return read(path)
        except FileNotFoundError:
            continue  # a run that shares the folder has moved on
        except CorruptFile as error:
            quarantine(path, error)
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint at `path`. `CorruptFile` if a byte of it, or of the record that it binds, has changed."""
    arrays, manifest = unpack(path)
    require(
        manifest.get("schema") == SCHEMA,
        "simulate",
        "directory",
        path.parent,
        f"{path.name} was written in another layout of files (version {manifest.get('schema')}, here {SCHEMA}) by "
        "another version of ghostjax; give another directory, or resume=False to start over",
    )
    for name, kind in FIELDS.items():
        if not isinstance(manifest.get(name), kind):
            raise CorruptFile(f"{path}: its {name} is {type(manifest.get(name)).__name__}")
    done, named = manifest["round"], NAME.fullmatch(path.name)
    if named is None or done != int(named[1]) or not 1 <= done <= manifest["rounds"]:
        raise CorruptFile(f"{path}: it says round {done} of {manifest['rounds']}")
    if content_digest(arrays) != manifest["state"] or np.asarray(arrays.get("state.round")).tolist() != done:
        raise CorruptFile(f"{path}: its state is not that of its round")
    try:
        record, pieces = read_segments(path.parent, manifest["record"], done)
    except CorruptFile as error:
        raise CorruptFile(f"{path}: {error}") from error
    return Checkpoint(CheckpointStatus(done, manifest["rounds"], path, manifest), arrays, record, pieces)


FIELDS = {
    "round": int,
    "rounds": int,
    "key": dict,
    "simulation": dict,
    "environment": dict,
    "program": str,
    "weights": str,
    "state": str,
}


def restore(arrays: dict[str, Any], like: Any, path: Path) -> Any:
    """The state, laid out on devices as `like` is."""

    def leaf(name: str, target: jax.Array) -> Any:
        value = arrays.get(f"state{name}")
        if value is None or value.shape != target.shape or value.dtype != target.dtype:
            seen = "nothing" if value is None else f"{value.dtype}{list(value.shape)}"
            raise ConfigurationError(
                f"simulate: directory={path.parent}: {path.name} holds {seen} for state{name} where this simulation "
                f"has {target.dtype}{list(target.shape)}; give another directory"
            )
        # A copy, since the state is donated: on CPU a device array could be a view of the file's bytes.
        value = jnp.copy(value) if isinstance(value, jax.Array) else jnp.array(value)
        return jax.device_put(value, target.sharding)

    leaves = [leaf(name, target) for name, target in named_leaves(like)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def check_same(old: dict[str, Any], new: dict[str, Any], directory: Path, allow_layout_change: bool) -> None:
    """Refuses a checkpoint of another run. Warns if only versions differ.

    `new["weights"]` is the digest of participation in the rounds that `old` has played.
    """
    require(
        new["rounds"] >= old["round"],
        "simulate",
        "rounds",
        new["rounds"],
        f"{directory} holds {old['round']} rounds already; give at least {old['round']}, or another directory",
    )
    for part in ("key", "participation", "simulation", "start"):
        if part == "participation" and old["weights"] == new["weights"]:
            continue
        if old.get(part) != new.get(part) or part == "participation":
            lines = differences(old.get(part), new.get(part), "" if part == "simulation" else part)
            lines = lines or ["participation: other weights in rounds that were played"]
            more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
            raise ConfigurationError(
                f"simulate: directory={directory}: it holds another run ({'; '.join(lines[:3])}{more}); "
                "give another directory, or resume=False to start over"
            )
    layout = changed(old["environment"], new["environment"], LAYOUT)
    if layout and not allow_layout_change:
        raise ConfigurationError(
            f"simulate: directory={directory}: begun on another layout ({'; '.join(layout)}), so the result would not "
            "have the bits of an uninterrupted run; go back to it, or allow_layout_change=True"
        )
    versions = changed(old["environment"], new["environment"], VERSIONS)
    if versions:
        warnings.warn(
            f"continuing a run begun with other versions ({'; '.join(versions)}): bits may differ", stacklevel=3
        )


def check_program(old: dict[str, Any], new: dict[str, Any], directory: Path, allow_layout_change: bool) -> None:
    """Refuses to continue if a round traces to another program than the recorded rounds did."""
    if old["program"] == new["program"]:
        return
    other = changed(old["environment"], new["environment"], (*VERSIONS, *LAYOUT))
    if other and allow_layout_change:
        warnings.warn(f"continuing with another program ({'; '.join(other)}): bits differ", stacklevel=3)
        return
    why = f" ({'; '.join(other)})" if other else ": its code, or a function that it calls, has changed"
    out = ", or allow_layout_change=True to mix both" if other else ""
    raise ConfigurationError(
        f"simulate: directory={directory}: the program of the simulation has changed{why}; give another directory, or "
        f"resume=False to start over{out}"
    )
