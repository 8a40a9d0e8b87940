"""What compiling a round costs: cold, with a warm persistent cache, and a sweep of 64 cells against one cell.

    python benchmarks/compile.py [--nodes 64] [--rules NAME ...] [--no-sweep]

CPU seconds of tracing, lowering and compiling ten rounds, each in a fresh interpreter, after a full garbage collection:
whether one, mostly over what was imported, falls into the time is otherwise chance. "initial state" is the program
before the first round, the same for all rules: it draws the parameters of the MLP. The persistent cache of jax keeps a
program only if it took `jax_persistent_cache_min_compile_time_secs` (1 by default) to compile and is at least
`jax_persistent_cache_min_entry_size_bytes` large, so both are set to keep everything. Goals: 10 s cold, 0.5 s warm,
sweep at most 2.5 times one cell.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _rounds import cpu_seconds, rules, simulation


INITIAL = "initial state"


def compile_once(name: str, n: int) -> None:
    """Prints the CPU seconds of tracing and lowering, and of compiling, in this process."""
    import jax
    import jax.numpy as jnp

    import ghostjax as gj

    sim = simulation(n, rules(n // 5).get(name, gj.aggregators.Mean()))
    key, weights = jax.random.key(0), jnp.ones((10, n))
    jax.jit(lambda x: x + 1)(1.0).block_until_ready()
    state = jax.eval_shape(sim.init, key)
    gc.collect()
    start = cpu_seconds()
    if name == INITIAL:
        program = jax.jit(lambda sim, key: sim.init(key)).lower(sim, key)
    else:
        program = jax.jit(gj.rollout, compiler_options=gj.compiler_options()).lower(sim, key, weights, state)
    middle = cpu_seconds()
    program.compile()
    print(middle - start, cpu_seconds() - middle)


def sweep_once(n: int, cells: int) -> None:
    """Prints the CPU seconds of compiling `cells` simulations that differ in `f` and seed as one mapped program."""
    import jax
    import jax.numpy as jnp

    import ghostjax as gj

    sim = simulation(n, rules(n // 5)["trimmed mean"])
    assert isinstance(sim.protocol, gj.protocols.Server)
    optimizer = sim.protocol.optimizer
    fs, keys = jnp.linspace(1, n // 5, cells), jax.random.split(jax.random.key(0), cells)
    weights = jnp.ones((10, n))

    def cell(knob):
        f, key = knob
        protocol = gj.protocols.Server(gj.aggregators.TrimmedMean(f=f), optimizer)
        one = gj.Simulation(sim.task, protocol, attack=sim.attack, byzantine=sim.byzantine, metrics=())
        return gj.rollout(one, key, weights)[0].protocol.theta

    start = cpu_seconds()
    if cells == 1:
        jax.jit(lambda f, k: cell((f[0], k[0]))).lower(fs, keys).compile()
    else:
        jax.jit(lambda f, k: jax.lax.map(cell, (f, k), batch_size=4)).lower(fs, keys).compile()
    print(cpu_seconds() - start, 0.0)


def fresh(cache: Path | None, *arguments: str) -> tuple[float, float]:
    """The two figures that this script prints when run with `arguments` in a new interpreter."""
    environment = dict(os.environ)
    if cache is not None:
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    command = [sys.executable, __file__, *arguments]
    out = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
    first, second = out.split()[-2:]
    return float(first), float(second)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--rules", nargs="+", default=[INITIAL, *rules(1)])
    parser.add_argument("--no-sweep", action="store_true")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    parser.add_argument("--cells", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        return compile_once(arguments.once, arguments.nodes)
    if arguments.cells:
        return sweep_once(arguments.nodes, arguments.cells)
    print("| program | trace + lower | compile cold | trace + lower, warm | compile warm |\n|---|---|---|---|---|")
    for name in arguments.rules:
        with tempfile.TemporaryDirectory() as cache:
            figures = [fresh(Path(cache), "--once", name, "--nodes", str(arguments.nodes)) for _ in range(2)]
        (lower, cold), (again, warm) = figures
        print(f"| {name} | {lower:.2f} | {cold:.2f} | {again:.2f} | {warm:.2f} |", flush=True)
    if not arguments.no_sweep:
        one, many = (fresh(None, "--cells", str(k), "--nodes", "32")[0] for k in (1, 64))
        print(f"\nsweep of 64 cells, trimmed mean, n=32: {many:.2f} s; one cell: {one:.2f} s; ratio {many / one:.2f}")


if __name__ == "__main__":
    main()
