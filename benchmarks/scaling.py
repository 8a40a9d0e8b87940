"""How the time of a round grows with the number of nodes, per rule: CPU ms and the exponent of a straight fit.

    python benchmarks/scaling.py [--nodes 16 64 256 1024] [--rules NAME ...]

Goals: exponent at most 1.1 (mean, geometric median), 1.25 (coordinate-wise), 1.6 (Krum).
"""

import argparse

import numpy as np
from _rounds import lowered, milliseconds, rules, simulation


ROUNDS = 20
"""Rounds per call, at every n: what a call itself costs, fresh pages above all, is shared by as many rounds."""


def main() -> None:
    """Prints one row per rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--rules", nargs="+", default=list(rules(1)))
    arguments = parser.parse_args()
    print("| rule | " + " | ".join(f"n={n}" for n in arguments.nodes) + " | exponent | us per node, last / first |")
    print("|---|" + "---|" * (len(arguments.nodes) + 2))
    for name in arguments.rules:
        times = []
        for n in arguments.nodes:
            program, inputs = lowered(simulation(n, rules(n // 5)[name]), ROUNDS)
            times.append(milliseconds(program.compile(), inputs, ROUNDS))
        slope = np.polyfit(np.log(arguments.nodes), np.log(times), 1)[0]
        growth = times[-1] / arguments.nodes[-1] / (times[0] / arguments.nodes[0])
        print(f"| {name} | " + " | ".join(f"{t:.3g}" for t in times) + f" | {slope:.2f} | {growth:.1f} |", flush=True)


if __name__ == "__main__":
    main()
