"""How long a quorum takes to correct: the vote machine alone beside the closed form, by captured members.

    E[rounds] = (voting + 1) / P + timelock,    P = P[Binomial(n - captured, participation accuracy) >= ceil(quorum n)]

One program plays all draws of a row; the last columns are of the draws that were decided within the horizon.

    python experiments/votes.py [--nodes 64] [--quorum 0.5] [--draws 2000] [--horizon 800]
"""

import argparse

import numpy as np

from ghostjax.governance import Council, Electorate, expected_rounds, passing_probability, rounds_to_execution


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Time to correct: the vote machine beside its closed form.")
    for name, kind, default in [
        ("nodes", int, 64), ("quorum", float, 0.5), ("voting", int, 5), ("timelock", int, 10),
        ("participation", float, 0.9), ("accuracy", float, 0.95), ("draws", int, 2000), ("horizon", int, 800),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--captured", type=int, nargs="*", default=[0, 16, 25, 28, 30, 35])
    given = parser.parse_args()
    council = Council(quorum=given.quorum, voting=given.voting, timelock=given.timelock)
    print("captured  share      P  closed form   mean  median     sd  undecided")
    for captured in given.captured:
        members = Electorate(captured / given.nodes, given.participation, given.accuracy)
        chance = passing_probability(
            [given.participation * given.accuracy] * (given.nodes - captured) + [0] * captured, given.quorum
        )
        taken = rounds_to_execution(council, members, given.nodes, draws=given.draws, horizon=given.horizon)
        decided = taken[np.isfinite(taken)]
        closed = expected_rounds(chance, given.voting, given.timelock)
        shown = (decided.mean(), np.median(decided), decided.std()) if len(decided) else (np.inf, np.inf, np.nan)
        print(
            f"{captured:8d}  {captured / given.nodes:5.2f}  {chance:5.3f}  {closed:11.1f}  "
            f"{shown[0]:5.1f}  {shown[1]:6.1f}  {shown[2]:5.1f}  {1 - len(decided) / len(taken):9.3f}"
        )


if __name__ == "__main__":
    main()
