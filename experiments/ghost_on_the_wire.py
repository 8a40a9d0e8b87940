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
    """How far every message is from the mean of all."""

    outputs = {"deviation": Output(dims=("node",), long_name="distance of the message from the mean of all")}

    def __call__(self, round):
        away = round.messages - round.messages.mean(0)[None, :]
        return {"deviation": jnp.sqrt((away * away).sum(1))}


def said(number, *parts):
    """One sentence of the story."""
    print(number, " ".join(parts), flush=True)


def story(partition, alpha, runs, seeds, fresh, aggregator=None):
    """One row: thresholds from honest runs, attacked runs, and false alarms on further honest runs."""
    started = time.process_time()
    ghost = incident.ghost(partition=partition, alpha=alpha, aggregator=aggregator, metrics=(Deviations(),))
    calibration = incident.calibrate(ghost, runs, key=1000 + partition)
    ghost, gaps = calibration.incident, incident.gaps_of(calibration)
    outcomes = incident.name(incident.play(ghost, seeds), gaps=gaps)
    for how in (correction.Quarantine(), correction.Rollback(), correction.Replay()):
        outcomes = incident.repair(outcomes, how)
    quiet = incident.play(ghost, fresh, attacked=False)
    accused = [one.finding.named.any() for one in incident.name(quiet, gaps=gaps)]
    table, t0, owned = incident.table(outcomes), ghost.t0, ghost.owned
    deviation = np.stack([one.record["deviation"][t0:] for one in outcomes])
    level = np.median(deviation[..., ~owned], axis=-1)[..., None]
    limit = np.quantile(deviation[..., ~owned], 0.9, axis=-1)[..., None]
    first = np.array([_network_first(one.alarms) for one in outcomes])
    executed = np.isfinite(table.column("decide"))
    named = executed & (table.column("right") >= 14) & (table.column("wrong") <= 1)
    waits = sum(one.finding.verdict == "wait" for one in outcomes)
    low, high = calibration.interval
    median = {name: f"{table.median(name):.3g}" for name in table.names}
    print(f"\n== partition {partition}, Dirichlet {alpha:g}, {aggregator or 'mean'}")
    said(
        1,
        f"An owned identity deviates {np.median(deviation[..., owned] / level):.3f} times as far as the honest",
        f"median; {(deviation[..., owned] < limit).mean():.3f} of its messages are below the honest 90 % quantile.",
    )
    said(
        2,
        f"Accuracy is {_last(outcomes, 'accuracy'):.3f} with the attack and {_last(quiet, 'accuracy'):.3f} without;",
        f"the charter's loss is {_last(outcomes, 'charter_loss'):.3f} and {_last(quiet, 'charter_loss'):.3f}.",
    )
    said(
        3,
        f"By {runs} honest runs a further one alarms with probability .05 on average, {low:.3f} to {high:.3f} for",
        f"this many. Of {len(fresh)} further ones {_alarms(quiet, 'network')} alarm for the network and",
        f"{_alarms(quiet, 'identities')} for an identity; in {sum(accused)} somebody is named.",
    )
    said(
        4,
        f"The network alarms in {_alarms(outcomes, 'network')} of {len(seeds)} runs, {median['detect']} rounds after",
        f"the start (median), and before any identity in {first.sum()}; an identity after {median['identity']}.",
    )
    said(
        5,
        f"At the execution {median['right']} owned and {median['wrong']} honest identities are named (median), at",
        f"least 14 and at most 1 in {named.sum()} of {executed.sum()}; {waits} say wait. The start is estimated",
        f"{median['since']} rounds off (median).",
    )
    said(
        6,
        f"Loss beyond the run that never had the owned: {median['executed']} at the execution; at the end",
        f"{median['nothing']} without correction and, where somebody was named, {median.get('Quarantine', '-')} by",
        f"quarantine, {median.get('Rollback', '-')} by rollback, {median.get('Replay', '-')} by rollback and replay.",
    )
    votes(outcomes, table.before)
    print(f"  ({time.process_time() - started:.0f} s of CPU)", flush=True)
    return first


def _network_first(alarms):
    return alarms["network"] >= 0 and not 0 <= alarms["identities"] <= alarms["network"]


def _last(outcomes, entry):
    return np.mean([one.record[entry][-1] for one in outcomes])


def _alarms(outcomes, watch):
    return sum(one.alarms[watch] >= 0 for one in outcomes)


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
        said(
            7,
            f"With {captured} of 64 voters captured a vote passes with probability {chance:.3f}, and the verdict is",
            f"executed {delay:.1f} rounds after the alarm on average; {late}.",
        )


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    runs, count, further = (39, 8, 8) if quick else (100, 16, 100)
    seeds, fresh = list(range(count)), list(range(900, 900 + further))
    rows = ROWS[:1] if quick else ROWS
    found = [story(*row, runs, seeds, fresh) for row in rows]
    if not quick:
        print(f"\nThe network is first in {sum(first.sum() for first in found)} of {16 * len(rows)}.")
        story(0, 0.5, runs, seeds, fresh[:16], gj.aggregators.TrimmedMean(f=16))
        story(0, 0.5, runs, seeds, fresh[:16], gj.aggregators.GeometricMedian())


if __name__ == "__main__":
    main()
