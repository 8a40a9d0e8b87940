"""What one backward pass costs: CPU time as a multiple of a forward run, and temporary memory.

The training of `adjoint_quality.py` (48 nodes, d = 2410, tanh), 60 rounds. Times are CPU times of compiled
programs, best of several alternating repetitions; memory is the temporary size that XLA reports.

    python experiments/adjoint_cost.py [--rules mean,trimmed_mean,...] [--repeats 5]
"""

import argparse
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from adjoint_quality import NODES, rules, simulation

import ghostjax as gj
from ghostjax.attribution._adjoint import _gradient


ROUNDS = 60


@eqx.filter_jit
def forward(sim, key, w):
    """The outcome of one run."""
    return gj.attribution.goal_loss(sim, gj.rollout(sim, key, w)[0])


def study(name: str, rule, repeats: int) -> None:
    """Prints one line for `rule`."""
    sim, key, w = simulation(rule), jax.random.key(0), jnp.ones((ROUNDS, NODES))
    outcome = gj.attribution.goal_loss
    modes = ("none", "round", "nested")
    start = time.process_time()
    jitted: Any = forward
    programs = {"forward": jitted.lower(sim, key, w).compile()}
    arguments = {"forward": (sim, key, w)}
    for mode in modes:
        programs[mode] = _gradient.lower(sim, key, w, outcome, mode).compile()
        arguments[mode] = (sim, key, w, outcome, mode)
    compiled = time.process_time() - start
    best = dict.fromkeys(programs, float("inf"))
    for _ in range(repeats):
        for kind, program in programs.items():
            start = time.process_time()
            jax.block_until_ready(program(*arguments[kind]))
            best[kind] = min(best[kind], time.process_time() - start)
    size = {k: p.compiled.memory_analysis().temp_size_in_bytes / 2**20 for k, p in programs.items()}
    print(
        f"{name}: forward {best['forward'] * 1e3:.0f} ms, {size['forward']:.1f} MiB; "
        + ", ".join(f"{mode} {best[mode] / best['forward']:.1f}x {size[mode]:.1f} MiB" for mode in modes)
        + f"; four programs compiled in {compiled:.0f} s"
    )


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rules", default=",".join(rules()), help="comma-separated; default: all")
    arguments = parser.parse_args()
    print(f"gradient over forward CPU time and temporary memory, {NODES} nodes, {ROUNDS} rounds")
    for name in arguments.rules.split(","):
        study(name, rules()[name], arguments.repeats)


if __name__ == "__main__":
    main()
