"""What can be seen is the quality of the reference: three observers of the same runs.

The same network and the same quiet backdoor, watched identity by identity: by messages alone, by a charter's probes
beside controls, and by an auditor to whom every node has committed its data. Thresholds of the first two are set by
honest runs; that of the third is the guarantee of its test.

    python experiments/observers.py [--honest 39] [--seeds 8]
"""

import argparse
import dataclasses
import math

import numpy as np

import ghostjax as gj
from ghostjax import incident
from ghostjax.detectors import OwnPast, ShiryaevRoberts, Standard, Watch


def observers(charter, streams):
    """Watches by name; the last one alarms by its guarantee, in at most 5 % of honest runs of all streams together."""
    past = OwnPast(rounds=40, skip=20)
    return {
        "messages": Watch(gj.metrics.Deviation(), "deviation", ShiryaevRoberts(), past),
        "probes": Watch(gj.metrics.Charter(charter), "charter_push", ShiryaevRoberts(), past),
        "committed": Watch(
            gj.metrics.Committed(charter), "committed_push", ShiryaevRoberts(h=math.log(streams / 0.05)), Standard()
        ),
        "network": Watch(gj.metrics.Charter(charter), "charter_rise", ShiryaevRoberts(), past),
    }


def main():
    """Prints one line per observer."""
    options = argparse.ArgumentParser()
    options.add_argument("--honest", type=int, default=39)
    options.add_argument("--seeds", type=int, default=8)
    given = options.parse_args()
    ghost = incident.ghost()
    rounds, n, families = ghost.rounds, ghost.num_nodes, ghost.charter.num_families
    case = dataclasses.replace(ghost, watches=observers(ghost.charter, rounds * n * families))
    guaranteed = {"committed": float(case.watches["committed"].test.h)}
    calibrated = incident.calibrate(case, given.honest, key=77).incident.with_thresholds(guaranteed)
    quiet = incident.play(calibrated, list(range(700, 700 + given.seeds)), attacked=False)
    attacked = incident.play(calibrated, list(range(given.seeds)))
    print(f"{given.honest} honest runs set thresholds, that of committed data is log(rounds x streams / .05)")
    for name in calibrated.watches:
        alarms = np.array([one.alarms[name] for one in attacked])
        delays = alarms[alarms >= 0] - ghost.t0
        when = f"{np.median(delays):.0f} rounds after the start (median)" if delays.size else "never"
        false = sum(one.alarms[name] >= 0 for one in quiet)
        print(
            f"{name:>10}: alarms in {delays.size} of {given.seeds} attacked runs, {when}; in {false} of {given.seeds} "
            "honest ones"
        )


if __name__ == "__main__":
    main()
