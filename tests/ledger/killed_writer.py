"""Writers that are killed: `killed_writer.py FOLDER KILLS SEED` prints a line per kill, `acknowledged found`.

Each writer is a child of this process that appends batches to the log in FOLDER, telling each head that it got; it is
killed after a drawn time, and the log is read. Entries are their own numbers, so that a changed one is seen.
"""

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from ghostjax.ledger import Log


def entry(index):
    return f"entry {index} ".encode() * (1 + index % 30)


def write(folder, told):
    with Log(folder) as log:
        os.write(told, b"%d\n" % len(log))
        while True:
            first = len(log)
            head = log.append([entry(i) for i in range(first, first + 1 + first % 50)])
            os.write(told, b"%d\n" % head.size)


def kill_one(folder, rng):
    """The size that the writer was last told, and the log that it left."""
    reads, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(folder, told)
        finally:
            os._exit(3)
    os.close(told)
    with os.fdopen(reads, "rb") as file:
        said = file.readline()  # it has begun
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        lines = [said, *file.read().splitlines(keepends=True)]
    return max(int(line) for line in lines if line.endswith(b"\n"))


def main():
    folder, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    warnings.simplefilter("ignore")  # jax warns of forks; no thread of it has begun
    for _ in range(kills):
        acknowledged = kill_one(folder, rng)
        with Log(folder, readonly=True) as log:
            assert list(log.entries()) == [entry(i) for i in range(len(log))]
            print(acknowledged, len(log), flush=True)


if __name__ == "__main__":
    main()
