"""Damage to a folder of files, as a Hypothesis strategy: `damages(files)` draws one, `Damage.apply` does it.

Bytes are flipped, files cut, parts zeroed, files swapped with another one or replaced by their twin of another folder,
deleted, replaced by a folder, or by a link (to a twin, to nowhere, to a device that never ends).
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st


KINDS = ("flip", "cut", "zero", "swap", "twin", "delete", "folder", "link", "nowhere", "endless")


class Damage(NamedTuple):
    """What is done to which file: `at` and `width` are fractions of its length."""

    kind: str
    file: str
    other: str
    at: float
    width: float

    def apply(self, folder: Path, twins: Path) -> None:
        """Damages `folder`; `twins` is a folder like it, of another seed."""
        path = folder / self.file
        content = bytearray(path.read_bytes())
        start = int(self.at * (len(content) - 1))
        stop = min(len(content), start + 1 + int(self.width * 600))
        twin = self._twin(twins)
        match self.kind:
            case "flip":
                content[start] ^= 1 << int(self.width * 7.99)
                path.write_bytes(content)
            case "cut":
                path.write_bytes(content[:start])
            case "zero":
                content[start:stop] = bytes(stop - start)
                path.write_bytes(content)
            case "swap":
                other = folder / self.other
                kept = other.read_bytes()
                other.write_bytes(content)
                path.write_bytes(kept)
            case "twin":
                shutil.copy(twin, path)
            case "delete":
                path.unlink()
            case "folder":
                path.unlink()
                path.mkdir()
                (path / "inside").write_bytes(content)
            case "link":
                path.unlink()
                path.symlink_to(twin)
            case "nowhere":
                path.unlink()
                path.symlink_to(folder / "gone")
            case "endless":
                path.unlink()
                path.symlink_to("/dev/zero")

    def _twin(self, twins: Path) -> Path:
        """The file of the same name, or one whose name begins alike: names can hold hashes."""
        same = twins / self.file
        if same.exists():
            return same
        stem = self.file.rsplit("-", 1)[0]
        found = sorted(p for p in twins.rglob("*") if p.is_file() and str(p.relative_to(twins)).startswith(stem))
        return found[0] if found else sorted(p for p in twins.rglob("*") if p.is_file())[0]


def damages(files: list[str]) -> st.SearchStrategy[Damage]:
    """One damage to one of `files` (paths inside the folder)."""
    part = st.floats(0, 1)
    return st.builds(Damage, st.sampled_from(KINDS), st.sampled_from(files), st.sampled_from(files), part, part)


def files_of(folder: Path) -> list[str]:
    """All files below `folder`, as paths inside it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
