"""What `import ghostjax` adds to importing jax and flax: CPU seconds, median over fresh interpreters taking turns.

    python benchmarks/import_time.py [--reps 7]

Compiled bytecode is kept between the runs, as it is wherever PYTHONDONTWRITEBYTECODE is not set. Goal: at most 0.7 s.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys


def seconds(code: str) -> float:
    """User and system time of a fresh interpreter that runs `code`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints the three figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=7)
    base, full = "import jax, flax", "import jax, flax, ghostjax"
    seconds(full)
    pairs = [(seconds(base), seconds(full)) for _ in range(parser.parse_args().reps)]
    print(f"import jax, flax:            {statistics.median(a for a, _ in pairs):.2f} s")
    print(f"import jax, flax, ghostjax:  {statistics.median(b for _, b in pairs):.2f} s")
    print(f"added:                       {statistics.median(b - a for a, b in pairs):.2f} s (goal 0.7)")


if __name__ == "__main__":
    main()
