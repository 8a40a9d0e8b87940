"""The seal of a folder: one small file, written last, that binds all others by their sha256.

Mixed or changed files are detected before a reader of their format opens them. A sha256 is no signature: somebody who
can write to the folder can write a matching seal.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ghostjax._files import read_plain, sha256
from ghostjax._run._archive import CorruptFile, write_managed


SEAL = "seal.json"


class Seal(NamedTuple):
    """`files` maps names in the folder to sha256; `about` is plain data about them."""

    files: dict[str, str]
    about: dict[str, Any]


def write_sealed(directory: Path, contents: Mapping[str, bytes], about: Mapping[str, Any], name: str = SEAL) -> None:
    """Writes every file of `contents`, then the seal over all of them. The files count only once the seal is there."""
    for file, content in contents.items():
        write_managed(directory / file, content)
    write_seal(directory, {file: sha256(content) for file, content in contents.items()}, about, name)


def write_seal(directory: Path, files: Mapping[str, str], about: Mapping[str, Any], name: str = SEAL) -> None:
    """Writes the seal over files that exist already; `files` are their sha256 by name."""
    write_managed(directory / name, _encoded(Seal(dict(files), dict(about))))


def read_seal(directory: Path, name: str = SEAL) -> Seal:
    """The seal of `directory`; `CorruptFile` if it is missing or any byte of it changed."""
    try:
        content = read_plain(directory / name)
        plain = json.loads(content)
        seal = Seal(plain["files"], plain["about"])
        whole = _encoded(seal) == content and all(_plain_name(file) for file in seal.files)
    except FileNotFoundError:
        raise CorruptFile(f"{name} is missing") from None
    except OSError as error:
        raise CorruptFile(f"{name} cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise CorruptFile(f"{name} is damaged: its checksum does not fit")
    return seal  # type: ignore[possibly-undefined]


def read_bound(directory: Path, seal: Seal, name: str) -> bytes:
    """The bytes of file `name`. `CorruptFile` if they are not those that were sealed."""
    try:
        content = read_plain(directory / name)
    except FileNotFoundError:
        raise CorruptFile(f"{name} is missing") from None
    except OSError as error:
        raise CorruptFile(f"{name} cannot be read ({error.strerror or error})") from error
    if sha256(content) != seal.files.get(name):
        raise CorruptFile(f"{name} is not the file that was sealed: its checksum does not fit")
    return content


def broken(directory: Path, seal: Seal) -> list[str]:
    """One line for every file of the seal that is missing or has changed."""
    faults = []
    for name in seal.files:
        try:
            read_bound(directory, seal, name)
        except CorruptFile as error:
            faults.append(str(error))
    return faults


def _plain_name(name: str) -> bool:
    """Whether `name` is inside the folder. No file outside is ever read."""
    return bool(name) and not Path(name).is_absolute() and ".." not in Path(name).parts


def _encoded(seal: Seal) -> bytes:
    body = {"about": seal.about, "files": seal.files}
    digest = sha256(json.dumps(body, sort_keys=True).encode())
    return json.dumps({**body, "sha256": digest}, sort_keys=True, indent=1).encode() + b"\n"
