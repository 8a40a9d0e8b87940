"""What a ledger of rounds writes: one encoding of every entry, the same bytes for the same facts.

An entry is JSON with sorted keys and no spaces, in ASCII. It has `v` (the version of this encoding), `kind` and
`round`; arrays stand in it as dtype, shape and base64 of their bytes.

    kind      holds
    --------  ----------------------------------------------------------------------------------------------------
    run       the root key, sha256 of simulation and start, the configuration if it is known, what will be committed
    program   versions and devices, and the digest of a round as it is traced; again where they change
    round     weights that took part, the verdict, digests made on the device, sha256 of all that was recorded
    state     sha256 of the models before round `round`, and a root over identities: memory, row that arrives, weight
    decision  what was decided on the host before round `round`
    end       result, sha256 of the models and of the whole state after `round` rounds

Rounds never go down along the log, and every round stands in it once.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


VERSION = 1
KINDS = ("run", "program", "round", "state", "decision", "end")


def encode(kind: str, round: int, facts: Mapping[str, Any]) -> bytes:
    """The bytes of an entry; equal facts have equal bytes."""
    said = {name: _plain(value) for name, value in facts.items()}
    return _text({"v": VERSION, "kind": kind, "round": round, **said})


def decode(entry: bytes) -> dict[str, Any]:
    """The facts of an entry, arrays as arrays; `ValueError` for bytes that `encode` does not write."""
    said = json.loads(entry)
    if not isinstance(said, dict) or _text(said) != entry:
        raise ValueError("it is not in the one form that entries have")
    if said.get("v") != VERSION or said.get("kind") not in KINDS or type(said.get("round")) is not int:
        raise ValueError("it is of another version, or of no known kind")
    return {name: _array(value) for name, value in said.items()}


def sha256(*arrays: Any) -> str:
    """The sha256 of dtypes, shapes and bytes, in this order."""
    digest = hashlib.sha256()
    for value in arrays:
        array = np.asarray(value)
        digest.update(f"{array.dtype.name}{list(array.shape)}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def sha256_of_row(row: Mapping[str, Any]) -> str:
    """The sha256 of all that a round recorded, by name."""
    digest = hashlib.sha256()
    for name in sorted(row):
        digest.update(f"{name} {sha256(row[name])}\n".encode())
    return digest.hexdigest()


def compact(weights: np.ndarray) -> np.ndarray:
    """Weights in a byte each where they are small whole numbers; the same numbers."""
    small = ((weights >= 0) & (weights <= 255) & (weights == np.floor(weights))).all()
    return weights.astype(np.uint8) if small else weights


def faults(entries: Iterable[bytes]) -> Iterable[str]:
    """The first entry that is no entry of a ledger of rounds, or does not stand where it may, in one line."""
    played, last = 0, 0
    for index, entry in enumerate(entries):
        try:
            facts = decode(entry)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            yield f"entry {index}: {str(error).splitlines()[0] if str(error) else 'is no entry'}"
            return
        kind, round = facts["kind"], facts["round"]
        wrong = (
            (kind == "run") != (index == 0)
            or round < last
            or round != (played if kind != "run" else 0)
        )  # fmt: skip
        if wrong:
            yield f"entry {index}: {kind} of round {round} does not belong here: {played} rounds are written before it"
            return
        last, played = round, played + (kind == "round")


def _text(said: Any) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": data}
    return value


def _array(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"dtype", "shape", "data"}:
        return np.frombuffer(base64.b64decode(value["data"]), _dtype(value["dtype"])).reshape(value["shape"])
    if isinstance(value, dict):
        return {name: _array(one) for name, one in value.items()}
    return value


def _dtype(name: str) -> np.dtype:
    import jax.numpy as jnp

    return np.dtype(jnp.dtype(name))  # bfloat16 is none of numpy's own
