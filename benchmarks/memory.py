"""Device memory of whole rounds against 4 bytes x (3 n d + n d of momentum + 2 n^2 + data), from the compiled program.

python benchmarks/memory.py [--nodes 64 256]
"""

import argparse

import jax
from _rounds import lowered, rules, simulation


def measured(sim, rounds: int = 10) -> tuple[int, int]:
    """Bytes that the compiled program holds (arguments, results, scratch), and bytes that the formula allows."""
    program, (sim, *_) = lowered(sim, rounds)
    stats = program.compile().memory_analysis()
    used = stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes
    used -= stats.alias_size_in_bytes
    n, d = sim.num_nodes, sim.ravel.size
    data = sum(leaf.nbytes for leaf in jax.tree.leaves(sim.task) if hasattr(leaf, "nbytes"))
    # A batch of 32 inputs and two layers of activations with their gradients are data too.
    batch = n * 32 * (64 + 2 * (64 + 10)) * 4
    return used, 4 * (4 * n * d + 2 * n * n) + data + batch


def main() -> None:
    """Prints one row per rule and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256])
    arguments = parser.parse_args()
    print("| rule | n | used MB | allowed MB | used / (4 n d) |\n|---|---|---|---|---|")
    for n in arguments.nodes:
        for name, rule in rules(n // 5).items():
            used, allowed = measured(simulation(n, rule))
            print(
                f"| {name} | {n} | {used / 1e6:.1f} | {allowed / 1e6:.1f} | {used / (4 * n * 4810):.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
