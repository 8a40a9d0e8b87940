"""One row per identity layer: every law of `check_identity` runs on each."""

from ghostjax import identity


TABLE = {
    "stake": lambda: identity.Stake([1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 7.0]),
}
