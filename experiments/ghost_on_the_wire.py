"""The ghost on the wire: a network that nobody owns is moved a little by somebody, in every round.

One principal owns 16 of 64 identities. From round 80 on each of them adds a small push to its honest message. Can the
network see it, say who, and repair it, when a part of those who decide are captured? Every sentence that is printed is
a section, with its number.

python experiments/ghost_on_the_wire.py [--quick] [--out runs/ghost]

A finished row is kept in the folder and not played again. Settings were chosen on seeds 5000 to 5059 and 6000 to 6015
of partitions 0 and 1 (naming also on 6000 to 6015 of partition 1 at Dirichlet 100); the seeds below are others.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import ghostjax as gj
from ghostjax import correction, governance, incident


ROWS = [
    (0, 0.5, "mean"), (1, 0.5, "mean"), (2, 0.5, "mean"), (3, 0.5, "mean"), (1, 100.0, "mean"), (0, 100.0, "mean"),
    (0, 0.5, "trimmed mean"), (0, 0.5, "geometric median"),
]  # fmt: skip
"""Partition, Dirichlet alpha, rule."""
RULES = {
    "mean": gj.aggregators.Mean(),
    "trimmed mean": gj.aggregators.TrimmedMean(f=16),
    "geometric median": gj.aggregators.GeometricMedian(),
}
CAPTURED = (0, 16, 25, 28, 30, 35)


def story(partition, alpha, rule, runs, seeds, fresh):
    """One row: thresholds from honest runs, attacked runs, and false alarms on further honest runs."""
    started, said = time.process_time(), []
    ghost = incident.ghost(partition=partition, alpha=alpha, aggregator=RULES[rule], metrics=(gj.metrics.Deviation(),))
    calibration = incident.calibrate(ghost, runs, key=1000 + partition)
    ghost, gaps = calibration.incident, incident.gaps_of(calibration)
    played = incident.play(ghost, seeds)
    prompt = incident.name(played, gaps=gaps)
    aged = incident.name(played, gaps=gaps, until=ghost.t0 + 75)
    last = incident.name(played, gaps=gaps, until=ghost.rounds - 1)
    outcomes = incident.name(played, gaps=gaps, patience=64)
    for how in (correction.Quarantine(), correction.Rollback(), correction.Replay()):
        outcomes = incident.repair(outcomes, how)
    quiet = incident.play(ghost, fresh, attacked=False)
    alarmed = [one for one in quiet if one.alarms["network"] >= 0]
    accused = sum(one.finding.named.any() for one in (incident.name(alarmed, gaps=gaps) if alarmed else ()))
    table, owned = incident.table(outcomes), ghost.owned
    deviation = np.stack([one.record["deviation"][ghost.t0 :] for one in outcomes])
    level = np.median(deviation[..., ~owned], axis=-1)[..., None]
    limit = np.quantile(deviation[..., ~owned], 0.9, axis=-1)[..., None]
    first = [network_first(one.alarms) for one in outcomes]
    low, high = calibration.interval
    median = {name: f"{table.median(name):.3g}" for name in table.names}
    said += [
        f"1 An owned identity deviates {np.median(deviation[..., owned] / level):.3f} times as far as the honest "
        f"median; {(deviation[..., owned] < limit).mean():.3f} of its messages are below the honest 90 % quantile.",
        f"2 Accuracy is {ends(outcomes, 'accuracy'):.3f} with the attack and {ends(quiet, 'accuracy'):.3f} without; "
        f"the charter's loss is {ends(outcomes, 'charter_loss'):.3f} and {ends(quiet, 'charter_loss'):.3f}.",
        f"3 By {runs} honest runs a further one alarms with probability .05 on average, {low:.3f} to {high:.3f} for "
        f"this many. Of {len(fresh)} further ones {alarms(quiet, 'network')} alarm for the network and "
        f"{alarms(quiet, 'identities')} for an identity; in {accused} somebody is named.",
        f"4 The network alarms in {alarms(outcomes, 'network')} of {len(seeds)} runs, {median['detect']} rounds after "
        f"the start (median), and before any identity in {sum(first)}; an identity after {median['identity']}.",
        f"5 At the execution {names(prompt)}. If a verdict that is not decisive waits, 64 rounds at most: "
        f"{names(outcomes)}. 75 rounds after the start: {names(aged)}. At the end: {names(last)}. "
        f"The start is estimated {median['since']} rounds off (median).",
        f"6 Loss beyond the run that never had the owned: {median['executed']} at the execution; at the end "
        f"{median['nothing']} without correction and, where somebody was named, {median.get('Quarantine', '-')} by "
        f"quarantine, {median.get('Rollback', '-')} by rollback, {median.get('Replay', '-')} by rollback and replay. "
        f"{sum(one.result == 'never_decided' for one in outcomes)} verdicts came beyond the horizon.",
        *votes(outcomes, table.before),
    ]
    false = [alarms(quiet, watch) for watch in ("network", "identities")]
    seconds = time.process_time() - started
    return {"said": said, "first": int(sum(first)), "false": false, "fresh": len(fresh), "seconds": seconds}


def names(outcomes):
    """Who is named, in words: of the runs with an alarm, those that name 14 owned and at most 1 honest identity."""
    heard = [one for one in outcomes if one.alarms["network"] >= 0]
    right, wrong = ([int((one.finding.named & who).sum()) for one in heard] for who in sides(heard))
    above = [[int((one.finding.candidates & who).sum()) for one in heard] for who in sides(heard)]
    good, close = (sum(r >= 14 and w <= 1 for r, w in zip(*pair, strict=True)) for pair in ((right, wrong), above))
    waits = sum(one.finding.verdict == "wait" for one in heard)
    return (
        f"{good} of {len(heard)} name at least 14 owned and at most 1 honest, {waits} wait, the most honest named are "
        f"{max(wrong, default=0)} (of those above the gap, decisive or not, {close})"
    )


def sides(outcomes):
    """The owned and the honest identities."""
    owned = outcomes[0].incident.owned if outcomes else np.zeros(1, bool)
    return owned, ~owned


def network_first(heard):
    """Whether the network alarms strictly before any identity."""
    return heard["network"] >= 0 and not 0 <= heard["identities"] <= heard["network"]


def ends(outcomes, entry):
    """The mean of the last round."""
    return np.mean([one.record[entry][-1] for one in outcomes])


def alarms(outcomes, watch):
    """In how many runs a watch alarms."""
    return sum(one.alarms[watch] >= 0 for one in outcomes)


def votes(outcomes, before):
    """Captured voters delay the verdict: the closed form of the council, and the harm that is done meanwhile."""
    said = []
    for captured in CAPTURED:
        chance = governance.passing_probability([0.9 * 0.95] * (64 - captured) + [0] * captured)
        delay = governance.expected_rounds(chance)
        ends_at = [min(one.alarms["network"] + delay, len(one.loss) - 1) for one in outcomes]
        harm = [
            one.loss[int(end)] - loss[int(end)]
            for one, loss, end in zip(outcomes, before, ends_at, strict=True)
            if one.alarms["network"] >= 0
        ]
        said.append(
            f"7 With {captured} of 64 voters captured a vote passes with probability {chance:.3f}, the verdict comes "
            f"{delay:.1f} rounds after the alarm on average, and the harm by then, or at the horizon, is "
            f"{np.median(harm) if harm else 0:.3f} (median)."
        )
    return said


def main():
    """Prints the story of every row; `--quick` plays the first, with fewer runs."""
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    options.add_argument("--out", type=Path, default=Path("runs/ghost"))
    given = options.parse_args()
    runs, count, further = (39, 8, 8) if given.quick else (100, 16, 100)
    found = []
    for row in ROWS[:1] if given.quick else ROWS:
        fresh = 100 + further if row[2] == "mean" else 116
        path = given.out / f"{'-'.join(map(str, (*row, runs, count)))}.json"
        if not path.exists():
            one = story(*row, runs, list(range(count)), list(range(100, fresh)))
            given.out.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(one))
            draft.replace(path)
        one = json.loads(path.read_text())
        print(f"\n== partition {row[0]}, Dirichlet {row[1]:g}, {row[2]} ({one['seconds']:.0f} s of CPU)")
        print("\n".join(one["said"]), flush=True)
        found += [one] if row[2] == "mean" else []
    total = sum(one["fresh"] for one in found)
    false = [sum(one["false"][i] for one in found) for i in range(2)]
    print(f"\nThe network is first in {sum(one['first'] for one in found)} of {count * len(found)} runs.")
    print(f"Of {total} honest runs {false[0]} alarm for the network and {false[1]} for an identity.")


if __name__ == "__main__":
    main()
