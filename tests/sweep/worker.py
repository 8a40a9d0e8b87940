"""A sweep in a process of its own, to be killed: `python -m tests.sweep.worker DIRECTORY`."""

import sys
import time

import ghostjax as gj

from ..run.run_problem import simulation


def slowly(done, total, latest):
    print(done, flush=True)
    time.sleep(0.1)


axes = {"protocol.aggregator.f": [0.5, 1, 1.5, 2], "protocol.optimizer.knobs.learning_rate": [0.1, 0.2]}
result = gj.sweep(simulation(), axes, 70, seeds=2, directory=sys.argv[1], progress=slowly)
print(f"{int(result.dataset['done'].sum())} done")
sys.exit(75 if result.interrupted else 0)
