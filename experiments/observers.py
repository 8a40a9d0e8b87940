"""What can be seen is the quality of the reference: observers of the same runs.

The same network and the same quiet backdoor, watched by messages alone, by a charter's probes beside controls, and by
an auditor to whom every node has committed its data; the last two watch every identity, and the network as a whole.
Thresholds of the first two are set by honest runs; those of the auditor are the guarantee of its test, which asks for
mean and variance alone.

    python experiments/observers.py [--quick]
"""

import argparse
import dataclasses
import math

import numpy as np

import ghostjax as gj
from ghostjax import incident
from ghostjax.detectors import OwnPast, Shifts, ShiryaevRoberts, Standard, Watch


def observers(charter, rounds, n):
    """Watches by name; each of the auditor's alarms in at most 5 % of honest runs, all its streams together."""
    past = OwnPast(rounds=40, skip=20)
    probes, known = gj.metrics.Charter(charter), gj.metrics.Committed(charter)

    def guaranteed(entry, streams):
        # R_t - t is a supermartingale: R reaches A within T rounds with probability at most T / A.
        h = math.log1p(rounds * streams / 0.05)
        return Watch(known, entry, ShiryaevRoberts(h=h, shifts=Shifts(tails="any")), Standard())

    return {
        "messages": Watch(gj.metrics.Deviation(), "deviation", ShiryaevRoberts(), past),
        "probes": Watch(probes, "charter_push", ShiryaevRoberts(), past),
        "network": Watch(probes, "charter_rise", ShiryaevRoberts(), past),
        "committed": guaranteed("committed_push", n * charter.num_families),
        "committed_network": guaranteed("committed_step", charter.num_families),
    }


def main():
    """Prints one line per observer."""
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    honest, seeds = (19, 4) if options.parse_args().quick else (39, 8)
    ghost = incident.ghost()
    case = dataclasses.replace(ghost, watches=observers(ghost.charter, ghost.rounds, ghost.num_nodes))
    kept = {name: float(watch.test.h) for name, watch in case.watches.items() if name.startswith("committed")}
    calibrated = incident.calibrate(case, honest, key=77).incident.with_thresholds(kept)
    quiet = incident.play(calibrated, list(range(700, 700 + honest)), attacked=False)
    attacked = incident.play(calibrated, list(range(seeds)))
    print(f"{honest} honest runs set thresholds; those of committed data are log(1 + rounds x streams / .05)")
    for number, name in enumerate(calibrated.watches, 1):
        alarms = np.array([one.alarms[name] for one in attacked])
        true = alarms >= ghost.t0
        when = f"{np.median(alarms[true] - ghost.t0):.0f} rounds after the start (median)" if true.any() else "never"
        false = sum(one.alarms[name] >= 0 for one in quiet)
        early = f", in {(~true & (alarms >= 0)).sum()} before the attack" if (~true & (alarms >= 0)).any() else ""
        print(
            f"{number} {name} alarms in {true.sum()} of {seeds} attacked runs, {when}{early}; in {false} of {honest} "
            "further honest ones."
        )
        if name == "committed":
            found = [one.record[f"alarm_{name}"].any((0, 2)) for one in attacked]
            owned = [int(one[ghost.owned].sum()) for one in found]
            wrong = [int(one[~ghost.owned].sum()) for one in found]
            print(
                f"  It accuses {np.median(owned):.0f} of {ghost.owned.sum()} owned identities by the end (median), and "
                f"{sum(wrong)} honest ones in all runs."
            )


if __name__ == "__main__":
    main()
