"""A worker of a sweep: it computes the cells that are neither finished nor claimed by another worker."""

import warnings
from typing import Any

import numpy as np

from ghostjax._declared import attributes_of
from ghostjax._output import with_blanks
from ghostjax._run._chunk import ChunkSizer
from ghostjax._run._dataset import declared_dims
from ghostjax._run._describe import describe
from ghostjax._run._program import program_digest
from ghostjax._run._provenance import changed, LAYOUT
from ghostjax._run._result import judge
from ghostjax._run._signals import Interruption
from ghostjax._simulation import Simulation
from ghostjax._sweep._batch import default_batch, play_batch, play_one, shared_leaves
from ghostjax._sweep._cells import CellStore
from ghostjax._sweep._claims import Claim
from ghostjax._sweep._plan import Cell, Group
from ghostjax._sweep._switch import structure
from ghostjax._training import Training
from ghostjax.sinks._reporter import Reporter


BITS_DEPEND_ON = ("source", "jax", "jaxlib", *LAYOUT)
"""The parts of the environment on which a cell's bits may depend, beside its traced program."""


class Worker:
    """Claims, computes and stores the cells of one group after the other."""

    def __init__(
        self,
        store: CellStore,
        participation: Any,
        rounds: int,
        width: int | None,
        chunk: int | str,
        report: Reporter,
        interruption: Interruption,
        environment: dict[str, Any],
    ):
        self.store, self.participation, self.rounds, self.width, self.chunk = store, participation, rounds, width, chunk
        self.report, self.interruption, self.environment = report, interruption, environment
        self.done: set[str] = set()
        self.postponed: set[str] = set()
        self._outdated: set[str] = set()
        self._warned = False
        self._digests: dict[Any, str] = {}

    def play(self, group: Group, mine: set[str]) -> None:
        """Computes the cells of `group` that are `mine`."""
        todo: dict[tuple[int, ...], list[int]] = {}
        for i, cell in enumerate(group.cells):
            if cell.name in mine and cell.name not in self.done:
                todo.setdefault(group.branches[i], []).append(i)
        if not todo:
            return
        width = self.width or default_batch(group.cells[0].simulation, max(map(len, todo.values())))
        shared = shared_leaves(group.programs, group.branches) if width > 1 else []
        sizer = ChunkSizer(self.chunk, "sweep")
        for places in todo.values():
            batch: list[tuple[int, Claim]] = []
            try:
                for i in places:
                    if self.interruption.requested:
                        break
                    claim = self._claim(group.cells[i], {group.cells[j].name for j, _ in batch})
                    if claim is not None:
                        batch.append((i, claim))
                    if len(batch) == width:
                        self._compute(group, batch, width, shared, sizer)
                        _release(batch)
                if batch:
                    self._compute(group, batch, width, shared, sizer)
            finally:
                _release(batch)

    def _claim(self, cell: Cell, held: set[str]) -> Claim | None:
        """The claim to compute `cell`, or None if it is finished, repeated in the sweep, or claimed elsewhere."""
        if cell.name in held or cell.name in self.done:
            return None
        if self._usable(cell):
            self._finished(cell)
            return None
        claim = self.store.claim(cell.name)
        if claim is None:
            self.postponed.add(cell.name)
            return None
        try:
            finished = self._usable(cell)  # between the look and the claim
        except BaseException:
            claim.release()
            raise
        if finished:
            claim.release()
            self._finished(cell)
            return None
        return claim

    def _usable(self, cell: Cell) -> bool:
        """Whether `cell` is finished, by the program that would run now."""
        loaded = self.store.load(cell.name)
        if loaded is None:
            return False
        other = changed(loaded.manifest["environment"], self.environment, BITS_DEPEND_ON)
        if not other and loaded.manifest["program"] != self._program(cell.simulation):
            other = ["its trace differs"]
        if not other:
            self._outdated.discard(cell.name)
            return True
        self._outdated.add(cell.name)
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"sweep: finished cells were made by another program ({'; '.join(other)}), {cell.name} is the first; "
                "they are computed again",
                stacklevel=5,
            )
        return False

    def _program(self, simulation: Simulation) -> str:
        """The digest of what one round traces to: one trace per structure, and none without a folder."""
        if not self.store.shared:
            return ""
        key = structure(simulation)
        if key not in self._digests:
            self._digests[key] = program_digest(simulation)
        return self._digests[key]

    def _compute(
        self, group: Group, batch: list[tuple[int, Claim]], width: int, shared: list[bool], sizer: ChunkSizer
    ) -> None:
        cells = [group.cells[i] for i, _ in batch]

        def heartbeat() -> bool:
            lost = [cell for cell, (_, claim) in zip(cells, batch, strict=True) if not claim.heartbeat()]
            # A worker that lost its claims goes on, so that some worker finishes, unless all its cells are finished.
            needless = len(lost) == len(cells) and all(self.store.has(cell.name) for cell in lost)
            return not (self.interruption.requested or needless)

        programs = [group.programs[i] for i, _ in batch]
        trainings = [
            Training(program, self.rounds, cell.seed, self.participation, call="sweep")
            for program, cell in zip(programs, cells, strict=True)
        ]
        if width == 1:
            one = play_one(trainings[0], sizer, heartbeat)
            played = None if one is None else [one]
        else:
            played = play_batch(trainings, shared, width, sizer, heartbeat)
        if played is None:
            self.postponed |= {cell.name for cell in cells}
            return
        for (i, _), cell, program, (record, state) in zip(batch, cells, programs, played, strict=True):
            record = with_blanks(record, program.outputs)
            manifest = {
                "result": judge(program, record, state).name,
                "dims": {name: list(dims) for name, dims in declared_dims(program, record).items()},
                "attributes": attributes_of(program),
                "environment": self.environment,
                "program": self._program(cell.simulation),
                "width": width,
                "merged": describe(group.branches[i]),
                "config": cell.description,
            }
            kept = self.store.save(cell.name, record, manifest, replace=cell.name in self._outdated)
            if not kept and not self._usable(cell):  # finished meanwhile by another program
                self.store.save(cell.name, record, manifest, replace=True)
            self._finished(cell, record)

    def _finished(self, cell: Cell, record: dict[str, np.ndarray] | None = None) -> None:
        self.done.add(cell.name)
        self.postponed.discard(cell.name)
        self.report.update(len(self.done), record)


def _release(batch: list[tuple[int, Claim]]) -> None:
    while batch:
        batch.pop()[1].release()
