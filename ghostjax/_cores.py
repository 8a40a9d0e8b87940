"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """The cores that the process may run on; where the system does not tell, those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
