"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """The number of cores that the process may use, or those of the machine if the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
