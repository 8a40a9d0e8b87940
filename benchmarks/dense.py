"""The gradients of all nodes with `dense_product` against the same with `x @ w`: CPU ms, in turns.

python benchmarks/dense.py [--nodes 64 256]
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from _rounds import cpu_seconds

from ghostjax._kernels import dense_product


def program(product, n: int, repeats: int = 20):
    """`repeats` rounds of per-node gradients of an MLP 64-64-10 on fixed batches of 32, averaged over nodes."""
    keys = jax.random.split(jax.random.key(0), 3)
    x, y = jax.random.normal(keys[0], (n, 32, 64)), jax.random.randint(keys[1], (n, 32), 0, 10)
    a, b = (jax.random.normal(k, s) / 8 for k, s in zip(jax.random.split(keys[2]), ((64, 64), (64, 10)), strict=True))

    def loss(params, x, y):
        z = product(jax.nn.relu(product(x, params[0])), params[1])
        return (jax.nn.logsumexp(z, 1) - jnp.take_along_axis(z, y[:, None], 1)[:, 0]).mean()

    def once(params, _):
        gradients = jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(params, x, y)
        flat = jnp.concatenate([g.reshape(n, -1) for g in gradients], 1)
        mean = jnp.full(n, 1 / n) @ flat
        return (params[0] - mean[:4096].reshape(64, 64), params[1] - mean[4096:].reshape(64, 10)), None

    compiled = jax.jit(lambda params: jax.lax.scan(once, params, None, length=repeats)[0]).lower((a, b)).compile()
    return lambda: jax.block_until_ready(compiled((a, b))), repeats


def main() -> None:
    """Prints one row per number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256])
    print("| n | x @ w | dense_product | ratio | largest difference |\n|---|---|---|---|---|")
    for n in parser.parse_args().nodes:
        runs = [program(product, n) for product in (jnp.matmul, dense_product)]
        outputs = [run() for run, _ in runs]
        gap = max(float(jnp.abs(p - q).max()) for p, q in zip(*outputs, strict=True))
        times: list[list[float]] = [[], []]
        for _ in range(7):
            for column, (run, repeats) in zip(times, runs, strict=True):
                start, count = cpu_seconds(), 0
                while cpu_seconds() - start < 0.2:
                    run()
                    count += 1
                column.append((cpu_seconds() - start) / count / repeats * 1e3)
        plain, fast = (np.median(column) for column in times)
        ratio = np.median(np.array(times[0]) / np.array(times[1]))
        print(f"| {n} | {plain:.3f} | {fast:.3f} | {ratio:.2f} | {gap:.1e} |", flush=True)


if __name__ == "__main__":
    main()
