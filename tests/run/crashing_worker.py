"""A run in a process of its own that is killed at its k-th file operation.

python -m tests.run.crashing_worker DIRECTORY K
"""

import sys

from .crash_points import dying_at
from .test_crash_points import play


with dying_at(int(sys.argv[2]), kill=True):
    play(sys.argv[1])
