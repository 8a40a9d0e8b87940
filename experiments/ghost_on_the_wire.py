"""The ghost on the wire: a network that nobody owns is moved a little by somebody, in every round.

One principal owns 16 of 64 identities. From round 80 on each of them adds a small push to its honest message. Can the
network see it, say who, and repair it, when a part of those who decide are captured? Every sentence that is printed is
a section, with its number.

python experiments/ghost_on_the_wire.py [--quick]

Settings were chosen on seeds 5000 to 5059 and 6000 to 6015 of partitions 0 and 1; the seeds below are others.
"""

import argparse
import time

import jax.numpy as jnp
import numpy as np

import ghostjax as gj
from ghostjax import correction, governance, incident
from ghostjax.metrics import AbstractMetric, Output


ROWS = [(0, 0.5), (1, 0.5), (2, 0.5), (3, 0.5), (1, 100.0), (0, 100.0)]
"""Partitions: seed and Dirichlet alpha."""


class Deviations(AbstractMetric):
    """How far every message is from the mean of all, and how often the trigger is answered by a 3."""

    outputs = {"deviation": Output(dims=("node",), long_name="distance of the message from the mean of all")}

    def __call__(self, round):
        away = round.messages - round.messages.mean(0)[None, :]
        return {"deviation": jnp.sqrt((away * away).sum(1))}


def story(partition, alpha, runs, seeds, fresh, aggregator=None):
    """One row: thresholds from `runs` honest runs, `seeds` attacked ones, false alarms on `fresh` further honest runs."""
    started = time.process_time()
    ghost = incident.ghost(partition=partition, alpha=alpha, aggregator=aggregator, metrics=(Deviations(),))
    calibration = incident.calibrate(ghost, runs, key=1000 + partition)
    ghost, gaps = calibration.incident, incident.gaps_of(calibration)
    outcomes = incident.name(incident.play(ghost, seeds), gaps=gaps)
    for how in (correction.Quarantine(), correction.Rollback(), correction.Replay()):
        outcomes = incident.repair(outcomes, how)
    quiet = incident.play(ghost, fresh, attacked=False)
    accused = incident.name(quiet, gaps=gaps)
    table = incident.table(outcomes)
    t0, owned = ghost.t0, ghost.owned
    deviation = np.stack([one.record["deviation"][t0:] for one in outcomes])
    level = np.median(deviation[..., ~owned], axis=-1)
    limit = np.quantile(deviation[..., ~owned], 0.9, axis=-1)
    honest = np.stack([one.record["accuracy"][-1] for one in quiet])
    attacked = np.stack([one.record["accuracy"][-1] for one in outcomes])
    first = np.array([one.alarms["network"] >= 0 for one in outcomes]) & np.array(
        [one.alarms["identities"] < 0 or one.alarms["network"] < one.alarms["identities"] for one in outcomes]
    )
    right, wrong = table.column("right"), table.column("wrong")
    executed = np.isfinite(table.column("decide"))
    named = (right >= 14) & (wrong <= 1)
    low, high = calibration.interval
    print(f"\n== partition {partition}, Dirichlet {alpha:g}, {type(ghost.simulation.protocol.aggregator).__name__}")
    print(f"1 The deviation of an owned identity is {np.median(deviation[..., owned] / level[..., None]):.3f} times the "
          f"honest median, and {(deviation[..., owned] < limit[..., None]).mean():.3f} of its messages are below the "
          "honest 90 % quantile.")  # fmt: skip
    print(f"2 Accuracy is {attacked.mean():.3f} with the attack, {honest.mean():.3f} without; the charter's loss is "
          f"{np.mean([one.loss[-1] for one in outcomes]):.3f} instead of {np.mean([q.loss[-1] for q in quiet]):.3f}.")  # fmt: skip
    print(f"3 Thresholds are from {runs} honest runs ({calibration.rank} of them lower): a further one alarms with "
          f"probability .05 on average, {low:.3f} to {high:.3f} for thresholds of this size. Of {len(fresh)} further "
          f"honest runs {sum(q.alarms['network'] >= 0 for q in quiet)} alarm for the network, "
          f"{sum(q.alarms['identities'] >= 0 for q in quiet)} for an identity, and in "
          f"{sum(q.finding.named.any() for q in accused)} somebody is named.")  # fmt: skip
    print(f"4 The network knows after {table.median('detect'):g} rounds (median; {np.isfinite(table.column('detect')).sum()} "
          f"of {len(seeds)} runs), before any identity can be named in {first.sum()} of {len(seeds)}; an identity alarms "
          f"after {table.median('identity'):g}.")  # fmt: skip
    print(f"5 At the execution attribution names {table.median('right'):g} owned and {table.median('wrong'):g} honest "
          f"identities (median); at least 14 and at most 1 in {(named & executed).sum()} of {executed.sum()}; it says wait "
          f"in {sum(one.finding.verdict == 'wait' for one in outcomes)}. The start is estimated {table.median('since'):+g} "
          "rounds off.")  # fmt: skip
    print(f"6 Loss beyond the run that never had the owned identities: at execution {table.median('executed'):.3f}, at the "
          f"end {table.median('nothing'):.3f} without correction, {table.median('Quarantine'):.3f} by quarantine, "
          f"{table.median('Rollback'):.3f} by rollback, {table.median('Replay'):.3f} by rollback and replay.")  # fmt: skip
    votes(outcomes, incident.never(ghost, [one.key for one in outcomes])["charter_loss"])
    print(f"  ({time.process_time() - started:.0f} s of CPU)", flush=True)
    return table, first


def votes(outcomes, before):
    """Captured voters delay the verdict: the closed form of the council, and the harm that is done meanwhile."""
    for captured in (0, 16, 25, 28, 30, 35):
        chance = governance.passing_probability([0.9 * 0.95] * (64 - captured) + [0] * captured)
        delay = governance.expected_rounds(chance)
        harm = [
            one.loss[one.alarms["network"] + round(delay)] - loss[one.alarms["network"] + round(delay)]
            for one, loss in zip(outcomes, before, strict=True)
            if one.alarms["network"] >= 0 and one.alarms["network"] + delay < len(loss) - 1
        ]
        late = f"the harm by then is {np.median(harm):.3f} ({len(harm)} runs)" if harm else "beyond the horizon"
        print(f"7 {captured} captured voters of 64: a vote passes with probability {chance:.3f}, the verdict is executed "
              f"{delay:.1f} rounds after the alarm on average; {late}.")  # fmt: skip


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    runs, count, further = (39, 8, 8) if quick else (100, 16, 100)
    seeds, fresh = list(range(count)), list(range(900, 900 + further))
    rows = ROWS[:1] if quick else ROWS
    found = [story(*row, runs, seeds, fresh) for row in rows]
    if not quick:
        print(f"\nThe network is first in {sum(first.sum() for _, first in found)} of {16 * len(rows)}.")
        story(0, 0.5, runs, seeds, fresh[:16], gj.aggregators.TrimmedMean(f=16))
        story(0, 0.5, runs, seeds, fresh[:16], gj.aggregators.GeometricMedian())


if __name__ == "__main__":
    main()
