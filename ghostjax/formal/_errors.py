"""What is refused rather than answered wrongly."""


class Unsound(ValueError):
    """A combination whose verdict would mean nothing, e.g. liveness with symmetry reduction."""
