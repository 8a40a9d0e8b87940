"""One row per governance, with what it does within twelve rounds: every law of `check_governance` runs on each."""

import jax.numpy as jnp

from ghostjax import detectors, governance, metrics


class Norms(metrics.AbstractMetric):
    """The norm of every message, and the largest."""

    outputs = {"norm": metrics.Output(dims=("node",)), "largest": metrics.Output()}

    def __call__(self, round):
        norms = jnp.linalg.norm(round.messages, axis=1)
        return {"norm": norms, "largest": norms.max()}


def watched(network=2.0, identities=2.0, rounds=3):
    """A detector of the network, and one of every identity."""
    past = detectors.OwnPast(rounds=rounds, floor=0.1)
    return {
        "network": detectors.Watch(Norms(), "largest", detectors.CUSUM(h=network), past),
        "identities": detectors.Watch(Norms(), "norm", detectors.CUSUM(h=identities), past),
    }


def council(**knobs):
    """A council that is through within a few rounds."""
    quick = {"names": "identities", "voting": 1, "timelock": 1, "pause": 2, "margin": 1, "probation": 1, "rest": 1}
    snapshots = governance.Snapshots(capacity=4, every=2)
    return governance.Council(**{**quick, "snapshots": snapshots, **knobs})


TABLE = {
    # The governance, and what the battery has to know of it.
    "scheduled": lambda: (
        governance.Scheduled(
            quarantine=[(2, 5, 2), (4, 9, 0.3)],
            rollback=[(5, 4), (9, 7), (11, 0)],
            snapshots=governance.Snapshots(capacity=4, every=2),
        ),
        {},
    ),
    "council": lambda: (council(), {"detectors": watched(), "electorate": governance.Electorate(captured=0.2)}),
}
ELECTORATES = {
    "electorate": lambda: governance.Electorate(captured=0.3, participation=0.8, accuracy=0.9),
    "two captured": lambda: governance.Electorate(captured=2),
    "nobody captured": lambda: governance.Electorate(),
}
