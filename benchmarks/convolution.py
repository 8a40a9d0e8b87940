"""CPU time of a training step of every node's own gradient: patches and a product against XLA's own convolution.

    python benchmarks/convolution.py [--nodes 64] [--batch 32] [--repeats 7]

Gradients of the digits network (d = 3818) for all nodes at one shared model, with the nodes as one batch (`vmap`) or
one after the other (`map`, what a simulation does on CPU), in one alternating run; the gradients are compared before a
ratio is printed.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._tree import Ravel
from ghostjax.tasks import cross_entropy
from ghostjax.tasks.models import cnn, cnn_digits


def direct(x, kernel, bias, padding=0):
    """The convolution of XLA in the layout of the network's own."""
    pad = ((padding, padding), (padding, padding))
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), pad, dimension_numbers=("CHWN", "HWIO", "CHWN"))
    return y + bias[:, None, None, None]


def compiled(convolve, one_by_one, params, x, y):
    """The gradients of all nodes, compiled with `convolve` in place of the network's own."""
    ours, cnn.convolve = cnn.convolve, convolve
    try:
        model = cnn_digits()

        def gradients(params, x, y):
            def one(row):
                gradient = jax.grad(lambda p: cross_entropy(model.apply(p, row[0], None), row[1]).mean())(params)
                return Ravel(params).ravel(gradient)

            return jax.lax.map(one, (x, y)) if one_by_one else jax.vmap(one)((x, y))

        return jax.jit(gradients).lower(params, x, y).compile()
    finally:
        cnn.convolve = ours


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    params = cnn_digits().init(jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (given.nodes, given.batch, 64))
    y = jax.random.randint(jax.random.key(2), (given.nodes, given.batch), 0, 10, jnp.int32)
    forms = {
        f"{name}, {'map' if one_by_one else 'vmap'}": compiled(convolve, one_by_one, params, x, y)
        for name, convolve in {"patches": cnn.convolve, "lax.conv": direct}.items()
        for one_by_one in (True, False)
    }
    results = {name: np.asarray(form(params, x, y)) for name, form in forms.items()}
    best = "patches, map"
    for result in results.values():
        np.testing.assert_allclose(result, results[best], rtol=1e-3, atol=1e-5)
    times = {name: [] for name in forms}
    for _ in range(given.repeats):
        for name, form in forms.items():
            start = time.process_time()
            jax.block_until_ready(form(params, x, y))
            times[name].append((time.process_time() - start) * 1e3)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    print(f"CPU time per step, {given.nodes} nodes, batch {given.batch}, and ratio to {best}:")
    for name, value in medians.items():
        print(f"{name:15s} {value:8.2f} ms {value / medians[best]:6.2f}")


if __name__ == "__main__":
    main()
