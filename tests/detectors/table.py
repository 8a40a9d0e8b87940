"""One row per test, reference and detector: every law of `check_test` and `check_detector` runs on each."""

import jax.numpy as jnp
import numpy as np

from ghostjax import detectors, metrics


class Norms(metrics.AbstractMetric):
    """An entry per node that participants see."""

    outputs = {"norm": metrics.Output(dims=("node",))}

    def __call__(self, round):
        return {"norm": jnp.linalg.norm(round.messages, axis=1)}


TESTS = {
    "cusum": lambda: detectors.CUSUM(k=0.5, h=6.0),
    "cusum_zero": lambda: detectors.CUSUM(k=0.25, h=0.0),
    "shiryaev_roberts": lambda: detectors.ShiryaevRoberts(h=6.0),
    "any_tails": lambda: detectors.ShiryaevRoberts(h=6.0, shifts=detectors.Shifts(tails="any")),
    "e_process": lambda: detectors.EProcess(h=4.0, shifts=detectors.Shifts(0.1, 2.0, 5)),
}
DETECTORS = {
    # The detector, and what the battery has to know of it; the period of a signal is static.
    "loss": lambda: (_watch(metrics.Goal(), "loss"), {"quiet": 4}),
    "lower": lambda: (_watch(metrics.Goal(), "loss", worse="lower"), {"quiet": 4}),
    "consensus": lambda: (_watch(metrics.Consensus(), "consensus_distance"), {"quiet": 4, "gossip": True}),
    "now and then": lambda: (_watch(metrics.Every(2, metrics.Goal()), "loss"), {"quiet": 4, "skip": ["trace"]}),
    "honest runs": lambda: (_watch(metrics.Goal(), "loss", reference=HONEST), {}),
    "peers": lambda: (_watch(Norms(), "norm", reference=detectors.Peers()), {}),
    "standard": lambda: (_watch(metrics.Goal(), "loss", reference=detectors.Standard()), {}),
}
HONEST = detectors.HonestRuns(np.random.default_rng(0).normal(size=(5, 8)) + 10, limit=4.0)


def _watch(signal, entry, reference=None, **options):
    past = detectors.OwnPast(rounds=4) if reference is None else reference
    return detectors.Watch(signal, entry, detectors.CUSUM(), past, **options)
