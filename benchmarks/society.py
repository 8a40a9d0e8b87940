"""What watching and deciding cost: rounds with detectors, council and audit beside plain ones, and many incidents.

    python benchmarks/society.py [--nodes 256] [--pairs 21] [--incidents 32]

A ratio is the median over pairs of runs that take turns, with a 95 % interval by order statistics. All play the same
training: the council is advisory, so that models stay equal. Goals: detectors, council and a ring of four snapshots at
most 1.15 of the plain round, with the audit set read in every round at most 1.25; an incident of 64 nodes and 240
rounds at most .1 s beyond compilation, where 512 are played in one program.
"""

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _rounds import cpu_seconds, lowered
from scipy.stats import binom

import ghostjax as gj
from ghostjax import detectors, governance, incident


class Sizes(gj.metrics.AbstractMetric):
    """The length of every message, and of the aggregate: what can be watched without an audit set."""

    outputs = {"size": gj.metrics.Output(), "sizes": gj.metrics.Output(dims=("node",))}

    def __call__(self, round: Any) -> dict[str, Any]:
        return {"size": jnp.linalg.norm(round.result), "sizes": jnp.linalg.norm(round.messages, axis=1)}


def watched(signal: Any, network: str, identities: str) -> dict[str, Any]:
    """A mixture on the network and one on every identity, each against its own past."""
    test, past = detectors.ShiryaevRoberts(), detectors.OwnPast(rounds=5)
    return {
        "network": detectors.Watch(signal, network, test, past),
        "identities": detectors.Watch(signal, identities, test, past),
    }


LEARNERS = {"gradients, snapshots of the model": gj.learners.Gradient(), "momentum, snapshots of it too": None}
"""What a snapshot holds: with momentum an array `[n, d]` beside the model."""


def societies(n: int, learner: Any) -> dict[str, gj.Simulation]:
    """Plain rounds and rounds that are watched and governed: n nodes, MLP 64-120-10 (d = 9010), batch 32."""
    task = gj.tasks.digits(n, model=gj.tasks.models.MLP((64, 120, 10)))
    server = gj.protocols.Server(gj.aggregators.Mean())
    sizes = watched(Sizes(), "size", "sizes")
    audit = watched(gj.metrics.Charter(gj.charters.BlankPixels(32)), "charter_rise", "charter_push")
    council = governance.Council(
        names="identities", quarantine=False, rollback=False, snapshots=governance.Snapshots(capacity=4)
    )
    decided = {"governance": council, "electorate": governance.Electorate()}
    parts = {
        "plain": {},
        "detectors": {"detectors": sizes},
        "detectors and council": {"detectors": sizes, **decided},
        "with audit": {"detectors": audit, **decided},
    }
    return {name: gj.Simulation(task, server, learner=learner, metrics=(), **part) for name, part in parts.items()}


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics."""
    ordered = np.sort(values)
    low = int(binom(len(values), 0.5).ppf(0.025))
    return float(np.median(ordered)), float(ordered[low]), float(ordered[-1 - low])


def ratios(n: int, rounds: int, pairs: int, learner: str) -> None:
    """Prints CPU times of a round, and their ratios to the plain one."""
    programs = {}
    for name, sim in societies(n, LEARNERS[learner]).items():
        program, arguments = lowered(sim, rounds)
        programs[name] = program.compile(), arguments
    ends = {name: jax.block_until_ready(play(*arguments))[0] for name, (play, arguments) in programs.items()}
    plain = np.asarray(ends["plain"].protocol.theta)
    for end in ends.values():
        np.testing.assert_allclose(np.asarray(end.protocol.theta), plain, atol=1e-4)

    def seconds(name: str) -> float:
        play, arguments = programs[name]
        start = cpu_seconds()
        jax.block_until_ready(play(*arguments))
        return (cpu_seconds() - start) / rounds

    print(f"\n{learner}: n = {n}, d = {plain.size}, {rounds} rounds a turn, {pairs} pairs")
    print(f"{'':<30} ms a round   ratio to plain, 95 %")
    plain_times: list[float] = []
    for name in list(programs)[1:]:
        turns = [(seconds("plain"), seconds(name)) for _ in range(pairs)]
        plain_times += [one for one, _ in turns]
        middle, low, high = interval([other / one for one, other in turns])
        print(f"{name:<30} {1e3 * np.median([b for _, b in turns]):10.2f}   {middle:.3f} ({low:.3f} to {high:.3f})")
    print(f"{'plain':<30} {1e3 * np.median(plain_times):10.2f}")


def incidents(count: int) -> None:
    """Prints the time of an incident: 64 nodes, 240 rounds, two watches on the charter, all of one program."""
    ghost = incident.ghost()
    incident.play(ghost, [0])
    cpu, wall = cpu_seconds(), time.perf_counter()
    incident.play(ghost, list(range(1, 1 + count)))
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    print(f"\n{count} incidents, compiled before: {wall / count:.3f} s each, {cpu / count:.3f} s of CPU")
    if count < 512:
        print(f"512 at this rate (a batch takes as long as the last): {512 * wall / count:.0f} s")


def main() -> None:
    """Prints ratios and the time of incidents."""
    parser = argparse.ArgumentParser(description="Detectors, council and audit beside plain rounds; many incidents.")
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--incidents", type=int, default=32)
    given = parser.parse_args()
    for learner in LEARNERS:
        ratios(given.nodes, given.rounds, given.pairs, learner)
    incidents(given.incidents)


if __name__ == "__main__":
    main()
