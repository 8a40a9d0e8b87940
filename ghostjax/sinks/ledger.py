"""A log of every round that nobody can change unnoticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ghostjax._border import folder, shown, whole
from ghostjax._types import ConfigurationError, require
from ghostjax.ledger._entries import compact, decode, encode, sha256, sha256_of_row
from ghostjax.ledger._identities import scene, sha256_of_tree
from ghostjax.ledger._keys import Key, read_key
from ghostjax.ledger._log import Log
from ghostjax.ledger._merkle import leaf_hash
from ghostjax.sinks._base import AbstractSink, Beginning


DIGESTS = ("digest_start", "digest_model", "digest_rows")
"""Entries of the record that `metrics.Digest` makes."""


class Ledger(AbstractSink):
    """Writes an entry per round to a Merkle log in `directory`: weights, verdict, digests, sha256 of what was recorded.

    A chunk's entries are one batch, acknowledged (`gj.ledger.Log`) when `rows` returns. With `every`, the host waits
    before rounds 0, `every`, `2 every`, ... and commits to what comes into them: the sha256 of the models, and a root
    over the identities named by `audited` (all unless given) of their memory, the row that they send and what it
    counts for. `gj.ledger.evidence` makes a bundle of proofs from that. Key, simulation, start and program stand in the
    log too: with the configuration it suffices to play the run again (`gj.ledger.training`). A decision that was taken
    on the host is an entry, `decide`.

    **Guarantee.** The log depends on the training, `every` and `audited` alone, not on the chunks: a run that is killed
    and continued goes on in the same log, without a round twice, to the same head as one that was not. A round that is
    played again and differs from what was acknowledged ends the run. With a `key` (a file, made if it is not there)
    heads are signed; without one whoever can write the folder can write another log, and `ledger.signed` says so. The
    log says what the run computed and not that it should have.

    **Cost.** `every` compiles the first half of a round once more and plays it each time, and brings memory and rows
    `[n, d]` to the host.

    Errors: `ConfigurationError` before the first round for a folder that holds something else or the ledger of another
    run, `every` or `audited`, for one that has a writer, and for a `key` where cryptography is not installed.

    ```python
    >>> import tempfile, ghostjax as gj
    >>> directory = tempfile.mkdtemp()
    >>> simulation = gj.Simulation(gj.tasks.quadratic(3, 2), gj.protocols.Server(gj.aggregators.Mean()))
    >>> run = gj.simulate(simulation, 4, sinks=[gj.sinks.Ledger(directory)], progress=None)
    >>> gj.verify(directory), len(gj.ledger.Log(directory, readonly=True))
    ([], 7)

    ```
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        key: str | Path | None = None,
        every: int | None = None,
        audited: Any = None,
    ):
        self.directory = folder(directory, "Ledger", "directory")
        self.every = None if every is None else whole(every, "Ledger", "every", 1)
        self.looks = None if every is None else self._look
        self._audited = None if audited is None else _listed(audited)
        self._key: Key | None = None if key is None else read_key(key)
        self._log: Log | None = None
        self._about: dict[str, Any] = {}
        self._known: dict[tuple[str, int], bytes] = {}
        self._decided: set[bytes] = set()
        self._rounds = 0

    @property
    def signed(self) -> bool:
        """Whether the heads are signed."""
        return self._key is not None

    def begin(self, beginning: Beginning) -> None:
        self._training, simulation = beginning.training, beginning.training.simulation
        n = simulation.num_nodes
        self._who = list(range(n)) if self._audited is None else self._audited
        require(max(self._who, default=0) < n, "Ledger", "audited", self._audited, f"there are {n} identities")
        self._about = {"holds": "rounds", "run": beginning.name}
        self._log = self._opened()
        program = self._read()
        provenance = beginning.provenance
        self._add("run", 0, {
            "name": beginning.name,
            "key": provenance["key"],
            "simulation": _fingerprint(provenance["simulation"]),
            "start": provenance["start"],
            "nodes": n,
            "size": simulation.ravel.size,
            "every": self.every,
            "audited": self._audited,
        })  # fmt: skip
        if beginning.round:
            self.rows(beginning.record, 0)
        now = {name: provenance.get(name) for name in ("environment", "program", "config")}
        if json.loads(json.dumps(now)) != program:
            self._log.append([encode("program", self._rounds, now)])

    def rows(self, rows: Mapping[str, np.ndarray], start: int) -> None:
        count = len(next(iter(rows.values()))) if rows else 0
        entries = [self._round({name: column[i] for name, column in rows.items()}, start + i) for i in range(count)]
        self._append(entries)

    def saved(self, path: Path, round: int) -> None:
        pass

    def end(self, run: Any) -> None:
        if run is not None and self._log is not None and run.result.name != "interrupted":
            facts = {"result": run.result.name, "models": sha256(run.models), "state": sha256_of_tree(run.state)}
            self._append([("end", run.rounds, facts)])
        if self._log is not None:
            self._log.close()
            self._log = None

    def decide(self, round: int, decision: Mapping[str, Any]) -> None:
        """Writes down what was decided on the host before round `round`; the same decision is written once.

        Errors: `ConfigurationError` for a round that is written already, or that does not follow the last one.
        """
        whole(round, "Ledger.decide", "round", 0)
        entry = encode("decision", round, {"decision": dict(decision)})
        opened = self._log is None
        if opened:
            self._log = self._opened()
            self._read()
        try:
            if leaf_hash(entry) not in self._decided:
                remedy = f"{self._rounds} rounds are written; a decision comes before the next one"
                require(round == self._rounds, "Ledger.decide", "round", round, remedy)
                assert self._log is not None
                self._log.append([entry])
                self._decided.add(leaf_hash(entry))
        finally:
            if opened and self._log is not None:
                self._log.close()
                self._log = None

    def _look(self, state: Any, round: int) -> None:
        """Commits to what comes into round `round`."""
        training = self._training
        if ("state", round) not in self._known and round < self._rounds:
            return  # attached later: rounds after it are written
        found = scene(training.simulation, state, training.weights[round], training.key)
        facts = {"models": sha256(found.models), "identities": found.tree(self._who).root()}
        self._append([("state", round, facts)])

    def _round(self, row: Mapping[str, Any], round: int) -> tuple[str, int, dict[str, Any]]:
        facts: dict[str, Any] = {"weights": compact(self._training.weights[round]), "record": sha256_of_row(row)}
        digests = {name.removeprefix("digest_"): np.asarray(row[name]) for name in DIGESTS if name in row}
        if digests:
            facts["digest"] = digests
        if self._training.simulation.governance is not None:
            clocks = {name: int(row[name]) for name in ("age", "restored")}
            facts["verdict"] = {"factor": np.asarray(row["factor"]), **clocks}
        return "round", round, facts

    def _opened(self) -> Log:
        return Log(self.directory, key=self._key, about=self._about or None)

    def _read(self) -> Any:
        """Learns what is acknowledged; the program that played last."""
        assert self._log is not None
        self._known, self._decided, self._rounds, program = {}, set(), 0, None
        for index, entry in enumerate(self._log.entries()):
            try:
                facts = decode(entry)
            except ValueError as error:
                raise ConfigurationError(f"Ledger: directory={self.directory}: entry {index}: {error}") from error
            kind, round = facts["kind"], facts["round"]
            if kind == "decision":
                self._decided.add(leaf_hash(entry))
            elif kind == "program":
                program = {name: facts[name] for name in ("environment", "program", "config")}
            else:
                self._known[kind, round] = leaf_hash(entry)
            self._rounds = max(self._rounds, round + 1) if kind == "round" else self._rounds
        return program

    def _add(self, kind: str, round: int, facts: Mapping[str, Any]) -> None:
        self._append([(kind, round, facts)])

    def _append(self, entries: list[tuple[str, int, dict[str, Any]]] | list[Any]) -> None:
        """Adds what is not there yet, as one batch; what is there has to be the same."""
        assert self._log is not None
        new = []
        for kind, round, facts in entries:
            entry = encode(kind, round, facts)
            there = self._known.get((kind, round))
            if there is None and (kind != "end" or round >= self._rounds):
                new.append(entry)
                self._known[kind, round] = leaf_hash(entry)
                self._rounds = max(self._rounds, round + 1) if kind == "round" else self._rounds
            elif there is not None and there != leaf_hash(entry):
                of = {"run": "the run", "round": f"round {round}", "state": f"the state before round {round}"}
                raise ConfigurationError(
                    f"Ledger: directory={self.directory}: {of.get(kind, f'the end after {round} rounds')} is not the "
                    "one that was acknowledged; choose another folder, or find out what has changed"
                )
        self._log.append(new)


def _fingerprint(description: Any) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _listed(audited: Any) -> list[int]:
    fits = isinstance(audited, list | tuple | range | np.ndarray) and len(audited) > 0
    require(fits, "Ledger", "audited", shown(audited), "give a list of identities")
    found = [whole(one, "Ledger", "audited", 0) for one in audited]
    require(len(set(found)) == len(found), "Ledger", "audited", shown(audited), "name each identity once")
    return sorted(found)
