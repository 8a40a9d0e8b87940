"""Prints the XLA flags under which the quick suite compiles: those of a list that the installed jaxlib knows.

The quick suite compiles far longer than it runs. Without MLIR's fusion emitters, and without the passes of LLVM
(`JAX_DISABLE_MOST_OPTIMIZATIONS`), XLA takes half the time for the same programs; its own passes run as ever. One LLVM
module per program instead of several takes a tenth less: two workers keep two cores busy anyway. A flag that is unknown
ends the process, so each is tried in one of its own.
"""

import os
import subprocess
import sys


FLAGS = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")


def known(flag: str) -> bool:
    """Whether a program can be compiled under this flag."""
    environment = os.environ | {"XLA_FLAGS": flag}
    program = [sys.executable, "-c", "import jax; jax.numpy.ones(1).block_until_ready()"]
    return subprocess.run(program, env=environment, capture_output=True).returncode == 0


if __name__ == "__main__":
    print(*filter(known, FLAGS))
