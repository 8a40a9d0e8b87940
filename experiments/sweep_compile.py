"""What a sweep pays for compiling: one cell against 64, and switches against one program per structure.

Prints CPU seconds of whole sweeps of two rounds in fresh caches, so nearly all of it is tracing and compiling.
`python experiments/sweep_compile.py`
"""

import time

import jax
import optax

import ghostjax as gj


F, LR = "protocol.aggregator.f", "protocol.optimizer.knobs.learning_rate"


def base(n: int = 64) -> gj.Simulation:
    task = gj.tasks.digits(n)
    protocol = gj.protocols.Server(gj.aggregators.TrimmedMean(f=n // 8), gj.Optimizer(optax.sgd, learning_rate=0.5))
    return gj.Simulation(task, protocol, attack=gj.attacks.ALIE(), byzantine=n // 8)


def seconds(axes: dict, rounds: int, **kwargs) -> float:
    """CPU seconds of a sweep that starts with nothing compiled."""
    jax.clear_caches()
    start = time.process_time()
    gj.sweep(base(), axes, rounds, progress=None, **kwargs)
    return time.process_time() - start


def main() -> None:
    one, many = {F: [1], LR: [0.1]}, {F: [1, 2, 3, 4, 5, 6, 7, 8], LR: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}
    gr = gj.aggregators
    rules = [gr.Mean(), gr.TrimmedMean(f=8), gr.MultiKrum(f=8), gr.GeometricMedian()]
    objects = {"attack": [gj.attacks.NoAttack(), gj.attacks.ALIE()], "protocol.aggregator": rules}
    seconds(one, 1)  # whatever is loaded once
    single, sixty_four = seconds(one, 1), seconds(many, 1)
    print(f"one cell {single:.1f} s, 64 cells of its structure {sixty_four:.1f} s: {sixty_four / single:.2f} times")
    for rounds in (1, 50):
        merged, apart = seconds(objects, rounds, merge=True), seconds(objects, rounds, merge=False)
        print(f"{2 * len(rules)} structures, {rounds} rounds: merged {merged:.1f} s, apart {apart:.1f} s")


if __name__ == "__main__":
    main()
