"""Ed25519 keys of those who keep a log; they need the package cryptography."""

import importlib
import os
import stat
from pathlib import Path
from typing import Any

from ghostjax._files import create, read_plain
from ghostjax._types import ConfigurationError, require


class Key:
    """A private key, and the public one that goes with it."""

    def __init__(self, seed: bytes):
        self._private = _ed25519("Key", "seed", "...").Ed25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """64 bytes; equal messages have equal signatures."""
        return self._private.sign(message)


def read_key(path: str | Path) -> Key:
    """The key in the file at `path`, which is made, for its owner's eyes only (mode 0600), if nothing is there.

    Errors: `ConfigurationError` without the package cryptography, for a file that others may read, and for anything
    that is no key.
    """
    file = Path(path).expanduser()
    _ed25519("Ledger", "key", file)
    if not os.path.lexists(file):
        create(file, os.urandom(32).hex().encode() + b"\n", 0o600)
    try:
        content = read_plain(file)
        open_to = stat.S_IMODE(file.stat().st_mode) & 0o077 if os.name == "posix" else 0
    except OSError as error:
        raise ConfigurationError(f"Ledger: key={file}: cannot be read ({error.strerror or error})") from error
    require(not open_to, "Ledger", "key", file, f"others may read it; chmod 600 {file}")
    try:
        seed = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        seed = b""
    require(len(seed) == 32, "Ledger", "key", file, "holds no key; name a new file, and one is made")
    return Key(seed)


def signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that of `message` by the owner of `public_key`."""
    ed25519 = _ed25519("Head.by", "public_key", public_key.hex())
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except Exception as error:
        if type(error).__name__ in ("InvalidSignature", "ValueError"):  # forged; no key at all
            return False
        raise
    return True


def can_sign() -> bool:
    """Whether signatures can be made and checked here."""
    try:
        _ed25519("", "", "")
    except ConfigurationError:
        return False
    return True


def _ed25519(call: str, parameter: str, value: Any) -> Any:
    try:
        return importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError as error:
        raise ConfigurationError(
            f"{call}: {parameter}={value}: cryptography is not installed; pip install 'ghostjax[ledger]'"
        ) from error
