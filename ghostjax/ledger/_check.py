"""What a bundle of evidence proves, recomputed."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import number
from ghostjax._run._archive import CorruptFile, unpack
from ghostjax._run._describe import describe, fingerprint
from ghostjax._run._program import program_digest
from ghostjax._run._provenance import environment
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError
from ghostjax.ledger import _disk
from ghostjax.ledger._canonical import CanonicalReplay
from ghostjax.ledger._draw import candidates, drawn
from ghostjax.ledger._entries import decode, sha256
from ghostjax.ledger._evidence import played
from ghostjax.ledger._head import Head
from ghostjax.ledger._identities import identity_leaf, per_identity
from ghostjax.ledger._merkle import includes, leaf_hash


REGION = 1e-4
"""Relative distance up to which a row counts as the protocol's: ten times what the order of float32 sums makes."""
BACKEND = ("platform", "device", "jaxlib", "x64")
"""What has to be equal for a replay to have equal bits."""


class Findings(NamedTuple):
    """What a bundle proves.

    `deviation [rounds, accused]` is `|row - recomputed| / |recomputed|` (the norm of the row where that is 0; nan where
    the identity was absent), `inside` whether it lies in the acceptance region, `weights` what each row counted for.
    `size` and `root` are those of the head, `signed` whether `public_key` signed it, `same_backend` whether the rows
    were recomputed where they were computed first.
    """

    accused: list[int]
    rounds: list[int]
    deviation: np.ndarray
    inside: np.ndarray
    weights: np.ndarray
    size: int
    root: bytes
    signed: bool
    same_backend: bool

    def __str__(self) -> str:
        worst = {one: float(np.nanmax(self.deviation[:, i])) if (self.weights[:, i] > 0).any() else float("nan")
                 for i, one in enumerate(self.accused)}  # fmt: skip
        out = [f"{one} ({worst[one]:.2g})" for i, one in enumerate(self.accused) if not self.inside[:, i].all()]
        who = "signed" if self.signed else "unsigned: nobody answers for this head"
        told = f"outside the region: {', '.join(out)}" if out else "all rows lie in the region"
        where = "" if self.same_backend else "; recomputed on another backend"
        return f"{self.size} entries, {who}; rounds {', '.join(map(str, self.rounds))}: {told}{where}"


def check(
    bundle: str | Path,
    simulation: Simulation,
    seed: int,
    *,
    head: Head | None = None,
    public_key: bytes | None = None,
    region: float = REGION,
) -> Findings:
    """Verifies the bundle that `evidence` wrote, and recomputes the rows of the accused with `CanonicalReplay`.

    Looked at: that the head is the one known (`head`), and signed by `public_key`, if these are given; that the rounds
    are those that `seed` draws; that each entry, row, memory and model is under the head; that the `simulation` is the
    one that is logged, and its round still the same program. A row counts as the protocol's where its relative
    distance from the recomputed one is at most `region`. The default is ten times the rounding of float32 sums: wider
    for a channel that alters rows. **A row outside the region** was not computed by the protocol from that model and
    batch: by a lie, poisoned data, or a fault. **Inside**, nothing is proved of other rounds.

    Errors: `ConfigurationError` in one line for the first thing that is not as it should be; nothing is then shown.
    """
    number(region, "check", "region", 0)
    try:
        arrays, manifest = unpack(Path(bundle))
        return _Bundle(arrays, manifest, str(bundle)).findings(simulation, seed, head, public_key, float(region))
    except FileNotFoundError as error:
        raise ConfigurationError(f"check: bundle={bundle}: is not there; name the file that evidence wrote") from error
    except CorruptFile as error:
        raise ConfigurationError(f"check: bundle={bundle}: {str(error).splitlines()[0]}; ask for it again") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, _disk.Damaged) as error:
        if isinstance(error, ConfigurationError):
            raise
        why = str(error).splitlines() or [type(error).__name__]
        raise ConfigurationError(f"check: bundle={bundle}: holds no evidence ({why[0]}); ask for it again") from error


class _Bundle:
    """A bundle that was read; whatever is in it may be forged."""

    def __init__(self, arrays: dict[str, Any], manifest: dict[str, Any], name: str):
        self._arrays, self._manifest, self._name = arrays, manifest, name
        self._need(manifest["bundle"] == 1, "it is of another version")
        self._head = Head.parse(manifest["head"])
        content = manifest["ledger"].encode()
        _, self._key = _disk.parse_about(content)
        self._need(self._head.origin == _disk.origin(content), "its head is that of another log")
        self._facts = {int(i): self._entry(int(i), text.encode()) for i, text in manifest["entries"].items()}
        self._who: list[int] = list(manifest["accused"])

    def findings(
        self, simulation: Simulation, seed: int, head: Head | None, public_key: bytes | None, region: float
    ) -> Findings:
        mine, ours = self._head, self._key if public_key is None else public_key
        same = head is None or (head.origin, head.size, head.root) == (mine.origin, mine.size, mine.root)
        self._need(same, "its head is not the one that is known: compare both with split_view")
        signed = ours is not None and bool(mine.signature) and mine.by(ours)
        self._need(signed or public_key is None, "its head is not signed by this key")
        self._need(signed or not mine.signature, "its head is not signed by the key of its log")
        start, program = self._facts[0], self._facts[self._manifest["program"]]
        like = jax.eval_shape(simulation.init, jax.random.key(0))
        self._same_program(simulation, start, program, like)
        rounds = self._drawn(seed, start)
        key = jax.random.wrap_key_data(jnp.asarray(start["key"]["key"], jnp.uint32), impl=start["key"]["impl"])
        replay, shape = CanonicalReplay(simulation), (len(rounds), len(self._who))
        deviation, weights = np.zeros(shape), np.zeros(shape)
        for i, round in enumerate(rounds):
            models, memory, rows, weights[i] = self._scene(round, start, simulation, like)
            honest = replay.rows(key, round, models, memory, self._who)
            deviation[i] = np.where(weights[i] > 0, _apart(rows, honest), np.nan)
        here = json.loads(json.dumps(environment(simulation)))
        return Findings(
            self._who,
            rounds,
            deviation,
            ~(deviation > region),
            weights,
            mine.size,
            mine.root,
            signed,
            all(here[name] == program["environment"][name] for name in BACKEND),
        )

    def _entry(self, index: int, entry: bytes) -> dict[str, Any]:
        proof = [one.tobytes() for one in self._arrays[f"proof.{index}"]]
        there = includes(leaf_hash(entry), index, self._head.size, proof, self._head.root)
        self._need(there, f"entry {index} is not under its head")
        return decode(entry)

    def _same_program(self, simulation: Simulation, start: Any, program: Any, like: Any) -> None:
        self._need(start["kind"] == "run" and program["kind"] == "program", "it does not say what was played")
        same = fingerprint(json.loads(json.dumps(describe(simulation)))) == start["simulation"]
        self._need(same, "its log is of another simulation; give the one that was logged")
        self._need(
            program_digest(simulation, None, like) == program["program"],
            "a round of the simulation is another program now",
        )

    def _drawn(self, seed: int, start: Any) -> list[int]:
        last = self._facts[self._head.size - 1]
        there, most = candidates(start["every"], played(last)), self._manifest["rounds"]
        self._need(self._manifest["seed"] == seed, "it was drawn by another seed")
        self._need(type(most) is int and most > 0, "it draws no rounds")
        audited = start["audited"] or range(start["nodes"])
        known = bool(self._who) and len(set(self._who)) == len(self._who) and set(self._who) <= set(audited)
        self._need(known, "it accuses identities that are not audited")
        return drawn(seed, self._head.root, there, most)

    def _scene(self, round: int, start: Any, simulation: Simulation, like: Any) -> tuple[Any, dict[str, Any], Any, Any]:
        """Models, memory, rows and weights of a round, all of them under the head."""
        found = {(one["kind"], one["round"]): one for one in self._facts.values()}
        self._need(("state", round) in found and ("round", round) in found, f"round {round} is missing")
        fixed = found["state", round]
        models = None
        if simulation.protocol.topology is None:
            models = self._arrays[f"models.{round}"]
            self._need(sha256(models) == fixed["models"], f"the model of round {round} is not the one in the log")
        prefix = f"memory.{round}."
        memory = {name.removeprefix(prefix): leaf for name, leaf in self._arrays.items() if name.startswith(prefix)}
        known = per_identity(simulation, like)
        self._need(memory.keys() == known.keys(), f"the memory of round {round} is not that of the simulation")
        rows, weights = self._arrays[f"rows.{round}"], self._arrays[f"weights.{round}"]
        audited = start["audited"] or list(range(start["nodes"]))
        lengths = self._arrays[f"lengths.{round}"]
        proofs = self._arrays[f"identities.{round}"]
        whole = len(lengths) == len(self._who) and int(lengths.sum()) == len(proofs)
        self._need(whole, f"a proof of round {round} is not the one in the log")
        shown = np.split(proofs, np.cumsum(lengths, dtype=int)[:-1])
        for i, one in enumerate(self._who):
            leaf = identity_leaf(one, [memory[name][i] for name in sorted(memory)], rows[i], weights[i])
            proof = [one_hash.tobytes() for one_hash in shown[i]]
            there = includes(
                leaf_hash(leaf), audited.index(one), len(audited), proof, bytes.fromhex(fixed["identities"])
            )
            self._need(there, f"the row of identity {one} in round {round} is not the one in the log")
        return models, memory, rows, weights

    def _need(self, condition: bool, why: str) -> None:
        if not condition:
            raise ConfigurationError(f"check: bundle={self._name}: {why}")


def _apart(rows: np.ndarray, honest: np.ndarray) -> np.ndarray:
    """The distance of each row, relative to what it should be."""
    rows, honest = rows.astype(np.float64), honest.astype(np.float64)
    scale = np.linalg.norm(honest, axis=1)
    apart = np.linalg.norm(rows - honest, axis=1)
    return np.where(scale > 0, apart / np.where(scale > 0, scale, 1), apart)
