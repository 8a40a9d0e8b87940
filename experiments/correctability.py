"""The correctability map of the ghost on the wire: captured members x quorum x threshold -> does the incident end?

A cell is the probability that the charter's loss ends within `epsilon` of that of the run that never had the owned
identities, by rollback and replay, or by quarantine. The first two thresholds are order statistics of honest runs, of
which a further one alarms with probability .5 and .05 on average; the third is twice the second. A line `===` is the
frontier of a quorum: below it captured members keep every vote from passing, whoever comes.

    python experiments/correctability.py [--quick] [--epsilon 0.05] [--within 120]
"""

import argparse
import math
import time

import numpy as np

from ghostjax import incident


LEVELS = (0.5, 0.05)
CAPTURED = (0, 8, 16, 22, 25, 28, 30, 32, 35)
QUORUMS = (1 / 3, 0.5, 2 / 3)


def calibrated(quick):
    """The ghost with thresholds, three values of the first of them, and the gaps of honest runs."""
    options = {"eps": 0.7, "t0": 60, "rounds": 200} if quick else {"partition": 1}
    found = incident.calibrate(incident.ghost(**options), 19 if quick else 100, key=1001)
    maxima = np.sort(found.maxima[found.incident.alarm])
    ranks = [math.ceil((1 - level) * (len(maxima) + 1) - 1e-9) - 1 for level in LEVELS]
    low, high = np.nextafter(maxima[ranks], np.float32(np.inf)).tolist()
    return found, [low, high, 2 * high], incident.gaps_of(found)


def printed(found, correction, quorum):
    """One table: a row per number of captured members, a column per threshold."""
    cells = found[correction].isel(quorum=quorum)
    frontier = int(found["frontier"][quorum])
    print(f"\n{correction}, quorum {QUORUMS[quorum]:.3f}: the probability that the incident ends")
    print("captured   share      P  " + "".join(f"  h {h:6.2f}" for h in found["threshold"].values))
    drawn = False
    for i, members in enumerate(found["captured"].values):
        if members > frontier and not drawn:
            print(f"{'=' * 24}  frontier: {frontier} of the members")
            drawn = True
        row = "".join(f"  {float(cell):8.3f}" for cell in cells[i])
        print(f"{members:8d}  {float(found['share'][i]):6.3f}  {float(found['passing'][i, quorum]):5.3f}  {row}")


def main() -> None:
    """Prints the map."""
    parser = argparse.ArgumentParser(description="Captured members x quorum x threshold: does the incident end?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--epsilon", type=float, default=0.05)
    parser.add_argument("--within", type=int, default=None, help="rounds from the start of the attack; default: all")
    given = parser.parse_args()
    started = time.process_time()
    calibration, thresholds, gaps = calibrated(given.quick)
    outcomes = incident.play(calibration.incident, list(range(8 if given.quick else 16)))
    fresh = incident.play(calibration.incident, list(range(900, 908 if given.quick else 1000)), attacked=False)
    found = incident.correctability(
        outcomes, captured=CAPTURED, quorum=QUORUMS, threshold=thresholds, epsilon=given.epsilon,
        within=given.within, gaps=gaps, honest=fresh, judged=2 if given.quick else 6,
    )  # fmt: skip
    case = calibration.incident
    print(
        f"{case.num_nodes} members, {int(case.owned.sum())} owned by one, {len(outcomes)} attacked runs of "
        f"{case.rounds} rounds from round {case.t0}; within {given.epsilon} of never; "
        f"{float(found['nothing']):.3f} end uncorrected"
    )
    print("threshold            " + "".join(f"  {h:8.2f}" for h in found["threshold"].values))
    for what, said in (
        ("false_alarms", "fresh honest alarm"),
        ("detected", "attacked alarm"),
        ("named", "somebody is named"),
    ):
        print(f"{said:<21}" + "".join(f"  {share:8.3f}" for share in found[what].values))
    for correction in ("replay", "quarantine"):
        for quorum in range(len(QUORUMS)):
            printed(found, correction, quorum)
    print(f"\n({time.process_time() - started:.0f} s of CPU)")


if __name__ == "__main__":
    main()
