"""Errors for combinations whose verdict would be unsound."""


class Unsound(ValueError):
    """A combination whose verdict would mean nothing, e.g. liveness with symmetry reduction."""
