"""A run in a process of its own, to be killed: `worker.py DIRECTORY ROUNDS CHUNK`."""

import os
import sys
import time

from run_problem import simulation

import ghostjax as gj


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
