"""How many steps the geometric median takes on inputs where Weiszfeld's fixed-point iteration crawls.

For each input, in float64 with nu = 1e-3 ("sqrt"): Newton's steps in coefficient space (gossip, and up to 128 rows;
they follow up to 12 of Weiszfeld's, which may be all that it takes), steps of conjugate gradients over the rows (more
rows), and Weiszfeld's steps until the shares rest (at most 2000).

    python experiments/median_steps.py [--nodes 12] [--length 20]
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._kernels import squared_distances
from ghostjax._kernels.geometric_median import solve
from ghostjax._kernels.median_rows import over_rows


def inputs(n: int, d: int) -> dict[str, np.ndarray]:
    """The inputs by name, `[n, d]` each."""
    rng = np.random.default_rng(1)
    x, first = rng.normal(size=(n, d)), np.arange(n)[:, None]
    line = rng.normal(size=(n, 1)) * np.ones((1, d))
    return {
        "ordinary": x,
        "a fifth at one point": np.where(first < n // 5, -3.0, x),
        "consensus, a quarter far away": 1e-3 * x + 3.0 * (first < n // 4),
        "consensus, five twelfths far away": 1e-3 * x + 3.0 * (first < 5 * n // 12),
        "on a line": line,
        "near a line": line + 1e-2 * x,
        "half in one point": np.where(first < n // 2, x[:1], x),
        "half near one point": np.where(first < n // 2, x[:1] + 1e-4 * x, x),
        "two balanced clusters": x + 10.0 * np.where(first < n // 2, 1, -1),
        "six decades": x * 10.0 ** rng.uniform(-3, 3, size=(n, 1)),
    }


def weiszfeld(dist2: np.ndarray, nu: float) -> int:
    """Weiszfeld's steps from the mean until the shares move by 16 units in the last place."""
    a = np.full(len(dist2), 1 / len(dist2))
    for step in range(2000):
        b = 1 / np.sqrt(np.maximum(dist2 @ a - 0.5 * a @ dist2 @ a, 0) + nu**2)
        before, a = a, b / b.sum()
        if np.abs(a - before).sum() <= 16 * np.finfo(float).eps:
            return step
    return 2000


def main() -> None:
    """Prints one row per input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=12)
    parser.add_argument("--length", type=int, default=20)
    arguments = parser.parse_args()
    dense, sparse = (jax.jit(f, static_argnums=3) for f in (solve, over_rows))
    print("| input | Newton | over rows | Weiszfeld |")
    print("|---|---|---|---|")
    with jax.enable_x64(True):
        w, nu = jnp.ones(arguments.nodes), 1e-3
        for name, x in inputs(arguments.nodes, arguments.length).items():
            dist2 = squared_distances(jnp.asarray(x), w)
            newton, rows = (
                dense(dist2, w, jnp.asarray(nu), "sqrt")[2],
                sparse(jnp.asarray(x), w, jnp.asarray(nu), "sqrt")[3],
            )
            print(f"| {name} | {newton} | {rows} | {weiszfeld(np.asarray(dist2), nu)} |", flush=True)


if __name__ == "__main__":
    main()
