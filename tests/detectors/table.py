"""One row per test, reference and detector: every law of `check_test` and `check_detector` runs on each."""

from ghostjax import detectors, metrics


TESTS = {
    "cusum": lambda: detectors.CUSUM(k=0.5, h=6.0),
    "cusum_zero": lambda: detectors.CUSUM(k=0.25, h=0.0),
}
DETECTORS = {
    # The detector, and what the battery has to know of it; the period of a signal is static.
    "loss": lambda: (_watch(metrics.Goal(), "loss"), {"quiet": 4}),
    "lower": lambda: (_watch(metrics.Goal(), "loss", worse="lower"), {"quiet": 4}),
    "consensus": lambda: (_watch(metrics.Consensus(), "consensus_distance"), {"quiet": 4, "gossip": True}),
    "now and then": lambda: (_watch(metrics.Every(2, metrics.Goal()), "loss"), {"quiet": 4, "skip": ["trace"]}),
}


def _watch(signal, entry, **options):
    return detectors.Watch(signal, entry, detectors.CUSUM(), detectors.OwnPast(rounds=4), **options)
