"""The rounds that the benchmarks here play: digits over n nodes, MLP 64-64-10 (d = 4810), a fifth Byzantine."""

import resource
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ghostjax as gj


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rules(f: float) -> dict[str, Any]:
    """The rules by name."""
    rules = gj.aggregators
    return {
        "mean": rules.Mean(),
        "trimmed mean": rules.TrimmedMean(f=f),
        "median": rules.Median(),
        "Krum": rules.Krum(f=f),
        "multi-Krum": rules.MultiKrum(f=f),
        "geometric median": rules.GeometricMedian(),
        "centered clipping": rules.CenteredClipping(),
        "NNM + trimmed mean": rules.NNM(rules.TrimmedMean(f=f), f=f),
    }


def simulation(
    n: int, rule: Any, attack: Any = None, *, local: int = 64, model: Any = None, metrics: tuple = ()
) -> gj.Simulation:
    """n nodes with `local` examples each, batch 32, momentum 0.9, the last n // 5 sending the opposite of the mean."""
    draw = np.random.default_rng(0)
    indices = np.stack([draw.choice(1200, local, replace=False) for _ in range(n)]).astype(np.int32)
    partition = gj.tasks.partition.Partition(indices, np.full(n, local, np.int32))
    task = gj.tasks.digits(n, partition=partition, model=model)
    attack = gj.attacks.SignFlip.of_mean() if attack is None else attack
    return gj.Simulation(task, gj.protocols.Server(rule), attack=attack, byzantine=n // 5, metrics=metrics)


def lowered(sim: gj.Simulation, rounds: int) -> tuple[Any, tuple]:
    """The lowered program of `rounds` rounds under the options of `simulate`, and the arguments it takes."""
    key = jax.random.key(0)
    state = jax.jit(lambda sim: sim.init(key))(sim)
    arguments = (sim, key, jnp.ones((rounds, sim.num_nodes)), state)
    return jax.jit(gj.rollout, compiler_options=gj.compiler_options()).lower(*arguments), arguments


def milliseconds(compiled: Any, arguments: tuple, rounds: int, *, seconds: float = 0.4, reps: int = 3) -> float:
    """CPU time of one round: the median over repetitions of at least `seconds` each."""
    jax.block_until_ready(compiled(*arguments))
    times = []
    for _ in range(reps):
        start, count = cpu_seconds(), 0
        while cpu_seconds() - start < seconds:
            jax.block_until_ready(compiled(*arguments))
            count += 1
        times.append((cpu_seconds() - start) / count / rounds * 1e3)
    return float(np.median(times))
