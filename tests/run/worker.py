"""A run in a process of its own, to be killed: `python -m tests.run.worker DIRECTORY ROUNDS CHUNK`."""

import os
import sys
import time

import ghostjax as gj

from .run_problem import simulation


def slowly(done, total, latest):
    print(done, flush=True)
    time.sleep(0.02)


run = gj.simulate(
    simulation(),
    int(sys.argv[2]),
    5,
    chunk=int(sys.argv[3]),
    directory=sys.argv[1],
    checkpoint_seconds=0,
    progress=slowly,
)
print(run.result.name, os.getpid())
sys.exit(75 if run.result is gj.RunResult.interrupted else 0)
