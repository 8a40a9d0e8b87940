"""One JSON object per line on stdin, one per line on stdout: `setup` with a case, then `run` with a count.

A worker is `serve(setup)`. `setup(case)` returns `(step, result)`: `step(count)` does the work at least `count` times
and returns how often it did; `result()` returns the arrays to compare, by name. A worker that cannot do a case raises
`Skip` with the reason.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np


if "BENCHMARK_CORES" in os.environ and hasattr(os, "sched_setaffinity"):
    # Before a library computes anything: pools of threads are made for the cores that a process may use.
    os.sched_setaffinity(0, map(int, os.environ["BENCHMARK_CORES"].split(",")))


class Skip(Exception):
    """This library cannot do this case; the message says why."""


def cpu_seconds() -> float:
    """User and system time of this process and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def serve(setup: Callable[[dict], tuple[Callable[[int], int], Callable[[], dict]]], versions: dict[str, str]) -> None:
    """Answers requests until stdin ends."""
    # Libraries print; only this descriptor reaches the other side.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def early(*_: Any) -> NoReturn:
        raise RuntimeError("the first request is a setup")

    step: Callable[[int], int] = early
    result: Callable[[], dict] = early
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply: dict[str, Any] = {}
            if "setup" in request:
                start = cpu_seconds()
                step, result = setup(request["setup"])
                step(request["setup"].get("warm", 1))
                reply = {"versions": versions, "setup_cpu": cpu_seconds() - start}
            elif "result" in request:
                np.savez(request["result"], **result())
            else:
                wall, cpu = time.perf_counter(), cpu_seconds()
                count = step(request["run"])
                reply = {"count": count, "cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
                reply["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        except Skip as reason:
            reply = {"skip": str(reason)}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        out.write(json.dumps(reply) + "\n")
        out.flush()
