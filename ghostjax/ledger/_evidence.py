"""A bundle of facts about a few identities in a few rounds, for whoever does not trust the one who tells."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ghostjax._border import folder, shown, whole
from ghostjax._files import write_atomic
from ghostjax._run._archive import pack
from ghostjax._training import Training
from ghostjax._types import ConfigurationError, require
from ghostjax.ledger import _disk
from ghostjax.ledger._canonical import WIDTH
from ghostjax.ledger._draw import candidates, drawn
from ghostjax.ledger._entries import decode
from ghostjax.ledger._identities import per_identity, Scene, scene
from ghostjax.ledger._log import Log
from ghostjax.sinks._base import AbstractSink


ROUNDS = 8
"""Rounds of a bundle at most, unless it is told."""
BYTES = 1_000_000
"""Bytes of a bundle, to which the number of rounds is cut unless it is told."""


class _Watcher(AbstractSink):
    """Keeps what comes into the rounds that are asked for."""

    def __init__(self, training: Training, rounds: Sequence[int], every: int):
        self.every, self.looks = every, self._look
        self.scenes: dict[int, Scene] = {}
        self._training, self._rounds = training, set(rounds)

    def begin(self, beginning: Any) -> None:
        pass

    def rows(self, rows: Any, start: int) -> None:
        pass

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        pass

    def _look(self, state: Any, round: int) -> None:
        if round in self._rounds:
            training = self._training
            self.scenes[round] = scene(training.simulation, state, training.weights[round], training.key)


def evidence(
    training: Training,
    directory: str | Path,
    accused: Sequence[int],
    seed: int,
    path: str | Path,
    *,
    rounds: int | None = None,
) -> Path:
    """Writes what the ledger in `directory` commits about the `accused`, with proofs, to one file at `path`.

    The bundle holds the head (signed if the log is), the program, and for rounds drawn by the verifier's `seed` and the
    head: the round's entry, the row that each accused identity sent, its memory, the models that came into the round,
    and a proof for each up to the head. `gj.ledger.check` recomputes the rows from that. The training is played once
    more, and has to be the one that was logged. Drawn are `rounds` of those in which the ledger committed to rows
    (`every=`): unless given as many as fit into a megabyte, at least 1 and at most 8.

    **What it proves:** that these rows, from these models and seeds, were in the log when the head was made. It does
    not prove the ranking that led to the accusation, and not that rows of other rounds were honest.

    Errors: `ConfigurationError` for more than 16 identities or ones that are not audited, a ledger without committed
    rows, and a training that is not the one that was logged.
    """
    from ghostjax._run import simulate

    who = [whole(one, "evidence", "accused", 0) for one in accused]
    require(0 < len(who) <= WIDTH, "evidence", "accused", shown(accused), f"name 1 to {WIDTH} identities")
    require(len(set(who)) == len(who), "evidence", "accused", shown(accused), "name each identity once")
    whole(seed, "evidence", "seed", 0)
    with Log(folder(directory, "evidence", "directory"), readonly=True) as log:
        require(len(log) > 0, "evidence", "directory", directory, "its ledger is empty")
        facts = [decode(entry) for entry in log.entries()]
        start, every = facts[0], facts[0].get("every")
        audited = start["audited"] or list(range(start["nodes"]))
        require(every is not None, "evidence", "directory", directory, "its ledger commits to no rows; log with every=")
        require(set(who) <= set(audited), "evidence", "accused", shown(accused), f"audited are {shown(audited)}")
        assert every is not None
        there = candidates(every, played(facts[-1]))
        require(len(there) > 0, "evidence", "directory", directory, "no round is logged there")
        most = _fitting(training, len(who)) if rounds is None else whole(rounds, "evidence", "rounds", 1)
        chosen = drawn(seed, log.head.root, there, most)
        watcher = _Watcher(training, chosen, every)
        simulate(training, sinks=[watcher], progress=None)
        where = {(one["kind"], one["round"]): i for i, one in enumerate(facts)}
        program = max(i for i, one in enumerate(facts) if one["kind"] == "program")
        needed = [0, program, len(facts) - 1]
        needed += [where[kind, round] for round in chosen for kind in ("state", "round")]
        arrays: dict[str, Any] = {}
        for round in chosen:
            found = watcher.scenes[round]
            tree = found.tree(audited)
            if tree.root().hex() != facts[where["state", round]]["identities"]:
                raise ConfigurationError(
                    f"evidence: training={training!r}: what comes into its round {round} is not what was logged; give "
                    "the training of the ledger, on the backend where it was played"
                )
            arrays |= _facts(found, round, who, [tree.inclusion(audited.index(one)) for one in who], training)
        entries = {str(i): log[i].decode("ascii") for i in sorted(set(needed))}
        arrays |= {f"proof.{i}": _hashes(log.inclusion(int(i))) for i in entries}
        manifest = {
            "bundle": 1,
            "ledger": (log.directory / _disk.ABOUT).read_text(),
            "head": log.head.text(),
            "seed": seed,
            "rounds": most,
            "accused": who,
            "program": program,
            "entries": entries,
        }
        file = Path(path)
        write_atomic(file, pack(arrays, manifest))
    return file


def played(last: Any) -> int:
    """Rounds that are written in a log whose last entry says `last`."""
    return last["round"] + (last["kind"] == "round")


def _facts(found: Scene, round: int, who: list[int], proofs: list[list[bytes]], training: Training) -> dict[str, Any]:
    shared = training.simulation.protocol.topology is None
    arrays: dict[str, Any] = {f"memory.{round}.{name}": leaf[who] for name, leaf in found.memory.items()}
    arrays |= {f"models.{round}": found.models} if shared else {}
    arrays |= {f"rows.{round}": found.rows[who], f"weights.{round}": found.weights[who]}
    arrays[f"identities.{round}"] = _hashes([one for proof in proofs for one in proof])
    return arrays | {f"lengths.{round}": np.asarray([len(proof) for proof in proofs], np.uint8)}


def _hashes(proof: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(proof), np.uint8).reshape(len(proof), 32)


def _fitting(training: Training, accused: int) -> int:
    """Rounds whose facts fit into `BYTES`."""
    simulation, n = training.simulation, training.simulation.num_nodes
    state = jax.eval_shape(simulation.init, training.key)
    memory = sum(leaf.size * leaf.dtype.itemsize // n for leaf in per_identity(simulation, state).values())
    row = simulation.ravel.size * simulation.ravel.dtype.itemsize
    shared = row if simulation.protocol.topology is None else 0
    entries = 4_000 + 6 * n + 500 * accused  # an entry each for round and state, proofs, names
    return int(np.clip((BYTES - 10_000) // (accused * (row + memory) + shared + entries), 1, ROUNDS))
