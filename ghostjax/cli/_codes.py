"""Exit codes."""

OK = 0
VIOLATED = 1
"""An invariant was violated."""
DAMAGED = 1
"""A file has changed since it was written."""
USAGE = 2
"""A wrong flag, key or value."""
FAILED = 3
"""The run failed."""
RESUMABLE = 75
"""Stopped between two chunks and saved."""
