"""One row per governance, with what it does within twelve rounds: every law of `check_governance` runs on each."""

from ghostjax import governance


TABLE = {
    "scheduled": lambda: governance.Scheduled(
        quarantine=[(2, 5, 2), (4, 9, 0.3)],
        rollback=[(5, 4), (9, 7), (11, 0)],
        snapshots=governance.Snapshots(capacity=4, every=2),
    ),
}
