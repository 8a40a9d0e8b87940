"""Checkpoints: the whole state and the record so far, in one file per kept round."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._run._archive import CorruptFile, pack, quarantine, unpack, write_atomic
from ghostjax._run._chunk import named_leaves
from ghostjax._run._describe import differences
from ghostjax._run._provenance import changed, LAYOUT, VERSIONS
from ghostjax._types import ConfigurationError, require


KEPT = 2
SCHEMA = 1


class CheckpointStatus(NamedTuple):
    """What lies in a run's folder: rounds played, rounds wanted, the newest usable file and its manifest."""

    round: int
    rounds: int
    path: Path
    manifest: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether every round was played."""
        return self.round >= self.rounds


def checkpoint_status(directory: str | Path) -> CheckpointStatus | None:
    """The newest checkpoint of `directory` whose checksum fits, or None.

    Corrupt files are set aside with a warning, as when a run is continued.
    """
    found = newest(Path(directory))
    return None if found is None else found[0]


def newest(directory: Path) -> tuple[CheckpointStatus, dict[str, Any]] | None:
    """The newest usable checkpoint and its arrays; corrupt ones on the way are set aside."""
    for path in sorted(directory.glob("checkpoint-*.npz"), reverse=True):
        try:
            arrays, manifest = unpack(path)
        except FileNotFoundError:
            continue  # a run that shares the folder has moved on
        except CorruptFile as error:
            quarantine(path, error)
            continue
        require(
            manifest.get("schema") == SCHEMA,
            "simulate",
            "directory",
            directory,
            f"{path.name} was written in another layout of files (version {manifest.get('schema')}, here {SCHEMA}) by "
            "another version of ghostjax; give another directory, or resume=False to start over",
        )
        return CheckpointStatus(manifest["round"], manifest["rounds"], path, manifest), arrays
    return None


def save(directory: Path, state: Any, record: dict[str, np.ndarray], manifest: dict[str, Any]) -> Path:
    """Writes the checkpoint of `manifest["round"]` and removes all but the last `KEPT`."""
    arrays = {f"state{name}": leaf for name, leaf in named_leaves(state)}
    arrays |= {f"record/{name}": column for name, column in record.items()}
    path = directory / f"checkpoint-{manifest['round']:08d}.npz"
    write_atomic(path, pack(arrays, {**manifest, "schema": SCHEMA}))
    for old in sorted(directory.glob("checkpoint-*.npz"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def restore(arrays: dict[str, Any], like: Any, path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The state, laid out on devices as `like` is, and the record."""

    def leaf(name: str, target: jax.Array) -> Any:
        value = arrays.get(f"state{name}")
        if value is None or value.shape != target.shape or value.dtype != target.dtype:
            seen = "nothing" if value is None else f"{value.dtype}{list(value.shape)}"
            raise ConfigurationError(
                f"simulate: directory={path.parent}: {path.name} holds {seen} for state{name} where this simulation "
                f"has {target.dtype}{list(target.shape)}; give another directory"
            )
        # A copy: on CPU the device array could otherwise be a view of the file's bytes, and it is donated.
        value = jnp.copy(value) if isinstance(value, jax.Array) else jnp.array(value)
        return jax.device_put(value, target.sharding)

    leaves = [leaf(name, target) for name, target in named_leaves(like)]
    record = {name.removeprefix("record/"): np.asarray(a) for name, a in arrays.items() if name.startswith("record/")}
    return jax.tree.unflatten(jax.tree.structure(like), leaves), record


def check_same(old: dict[str, Any], new: dict[str, Any], directory: Path, allow_layout_change: bool) -> None:
    """Refuses a checkpoint of another run; warns where only versions differ."""
    for part in ("rounds", "key", "participation", "simulation"):
        if old[part] != new[part]:
            lines = differences(old[part], new[part], "" if part == "simulation" else part)
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
