"""What a ledger costs: leaves per second, a run with one beside a run without, a bundle of evidence and its check.

    python benchmarks/ledger.py [--leaves 100000] [--directory DIR]

Goals: 1e5 leaves of 200 bytes a second in batches on one core; a bundle of 16 identities and d = 1210 of at most 1 MB,
checked in at most 10 % of the time of the run.
"""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ghostjax as gj
from ghostjax.ledger import check, evidence, extends, includes, leaf_hash, Log, Tree


N, ROUNDS, EVERY = 64, 200, 10


def seconds(call, repeat=1):
    """CPU and wall seconds of the fastest of a few calls, and what the last one returned."""
    times: list[tuple[float, float]] = []
    found: Any = None
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        found = call()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return *min(times), found


def leaves(count, root):
    """Rates of appending, opening, verifying and proving."""
    entries = [(hashlib.sha256(str(i).encode()).digest() * 7)[:200] for i in range(count)]
    print(f"{count} leaves of 200 bytes, in batches         CPU s   wall s   leaves per CPU s")
    for batch in (100, 1000, 10_000):
        with Log(root / str(batch)) as log:
            append = lambda log=log, batch=batch: [log.append(entries[i : i + batch]) for i in range(0, count, batch)]
            cpu, wall, _ = seconds(append)
        print(f"append, {batch:>6} a batch                      {cpu:7.2f}  {wall:7.2f}   {count / cpu:9.0f}")
    cpu, wall, hashes = seconds(lambda: [leaf_hash(entry) for entry in entries])
    cpu, wall, tree = seconds(lambda: Tree(map(leaf_hash, entries)))
    print(f"the tree alone                              {cpu:7.2f}  {wall:7.2f}   {count / cpu:9.0f}")
    cpu, wall, _ = seconds(lambda: Log(root / "1000", readonly=True))
    print(f"open                                        {cpu:7.2f}  {wall:7.2f}   {count / cpu:9.0f}")
    cpu, wall, faults = seconds(lambda: gj.verify(root / "1000"))
    assert faults == []
    print(f"verify                                      {cpu:7.2f}  {wall:7.2f}   {count / cpu:9.0f}")
    at, whole = list(range(1, count, max(1, count // 2000))), tree.root()
    cpu, _, shown = seconds(lambda: [tree.inclusion(i) for i in at])
    print(f"make an inclusion proof, us                 {1e6 * cpu / len(at):7.1f}")
    cpu, _, right = seconds(lambda: [includes(hashes[i], i, count, p, whole) for i, p in zip(at, shown, strict=True)])
    print(f"check one, us                               {1e6 * cpu / len(at):7.1f}")
    shown = [(m, tree.root(m), tree.consistency(m)) for m in at]
    cpu, _, same = seconds(lambda: [extends(m, root, count, whole, proof) for m, root, proof in shown])
    print(f"check a consistency proof, us               {1e6 * cpu / len(at):7.1f}")
    assert all(right) and all(same)


def simulation(metrics=()):
    """64 nodes on digits, d = 1210, a sixth of them attackers."""
    task = gj.tasks.digits(N, batch_size=8, model=gj.tasks.models.MLP((64, 16, 10)))
    server = gj.protocols.Server(gj.aggregators.TrimmedMean(f=10))
    return gj.Simulation(
        task,
        server,
        attack=gj.attacks.ALIE(),
        byzantine=10,
        metrics=[gj.metrics.Goal(), gj.metrics.TrainingLoss(), *metrics],
    )


def runs(root):
    """A run with and without a ledger; a bundle and its check."""
    plain, digests = simulation(), simulation([gj.metrics.Digest(key=1)])
    kinds = {
        "without": (plain, lambda path: []),
        "with one": (plain, lambda path: [gj.sinks.Ledger(path)]),
        "with rows every 10": (plain, lambda path: [gj.sinks.Ledger(path, every=EVERY)]),
        "digests alone": (digests, lambda path: []),
        "with one and digests": (digests, lambda path: [gj.sinks.Ledger(path)]),
    }
    print(f"\nn = {N}, d = {plain.ravel.size}, {ROUNDS} rounds                   CPU s   wall s, compiled before")
    found = {}
    for name, (sim, sinks) in kinds.items():
        play = lambda sim=sim, sinks=sinks, name=name, i=[0]: gj.simulate(
            sim, ROUNDS, 0, sinks=sinks(root / f"{name} {i.append(0) or len(i)}"), progress=None
        )
        play()
        cpu, wall, run = seconds(play, 5)
        found[name] = cpu, run
        print(f"{name:<30}            {cpu:8.2f} {wall:8.2f}")
    assert all(np.array_equal(run.models, found["without"][1].models) for _, run in found.values())
    cpu, run = found["with rows every 10"]
    make = lambda: evidence(run.training, root / "with rows every 10 2", list(range(48, 64)), 0, root / "bundle.npz")
    first, _, path = seconds(make)
    again, _, path = seconds(make)
    cold, _, told = seconds(lambda: check(path, plain, 0))
    warm, _, told = seconds(lambda: check(path, plain, 0), 3)
    print(f"make a bundle: {first:.2f} CPU s, {again:.2f} compiled before; {path.stat().st_size} bytes, "
          f"{len(told.rounds)} rounds, {len(told.accused)} identities")  # fmt: skip
    print(f"check it: {cold:.2f} CPU s with compiling, {warm:.3f} after, {warm / cpu:.1%} of the run that was logged")
    honest = told.deviation[:, :6]
    print(
        f"deviation of honest rows at most {honest.max():.2g}, of attackers at least {told.deviation[:, 6:].min():.2g}"
    )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, default=None, help="a disk to measure; a temporary folder else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        leaves(arguments.leaves, Path(folder) / "leaves")
        runs(Path(folder))


if __name__ == "__main__":
    main()
