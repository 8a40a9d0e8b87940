"""Errors for combinations whose verdict would be unsound."""


class Unsound(ValueError):
    """A combination whose verdict would be unsound, e.g. liveness with symmetry reduction."""
