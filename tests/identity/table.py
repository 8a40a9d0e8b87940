"""One row per identity layer: every law of `check_identity` runs on each."""

from ghostjax import identity


STAKES = [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 7.0]
TABLE = {
    "equal": lambda: identity.Equal(),
    "stake": lambda: identity.Stake(STAKES),
    "square_root": lambda: identity.SquareRoot(STAKES),
    "capped": lambda: identity.Capped(STAKES, cap=3.5),
    "reputation": lambda: identity.Reputation(keep=0.5, limit=1.5, prior=0.4, floor=0.1),
    "age": lambda: identity.Age(rounds=2.5, start=0.3),
}
