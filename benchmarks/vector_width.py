"""What vectors of 512 bits (`ghostjax.compiler_options`) are worth: CPU time with jax's default width and with them.

    python benchmarks/vector_width.py

A kernel alone, and ten rounds of digits with the MLP. The last column is the largest difference between the results of
the two programs, relative to the largest entry: the order of long sums depends on the width. Where the processor has no
such vectors the ratio is 1.
"""

import jax
import jax.numpy as jnp
import numpy as np
from _rounds import lowered, rules, simulation
from kernels_context import cpu_ms

import ghostjax as gj
from ghostjax._kernels import window_mean, window_mean_slots


def kernels():
    """Each kernel with its arguments."""
    rng = np.random.default_rng(0)
    for n, d in ((16, 10_000), (64, 10_000), (64, 1_000_000), (128, 10_000), (256, 10_000)):
        x = jnp.asarray(rng.standard_normal((n, d)), jnp.float32)
        yield f"window ({n}, {d}) alike", window_mean, (x, jnp.ones(n), jnp.asarray(n // 5 * 1.0))
    x = jnp.asarray(rng.standard_normal((64, 10_000)), jnp.float32)
    unlike = jnp.asarray(rng.uniform(0.5, 1, 64), jnp.float32)
    yield "window (64, 10000) unlike", window_mean, (x, unlike, jnp.asarray(12.0))
    nbr = (jnp.arange(256)[:, None] + jnp.arange(-4, 5)[None, :]) % 256
    x = jnp.asarray(rng.standard_normal((256, 10_000)), jnp.float32)
    yield "slots (256, 10000) degree 8", window_mean_slots, (x, nbr, jnp.ones((256, 9)), jnp.full(256, 2.0))


def line(name, program, arguments, repeats):
    """Prints the two times, and whether the results agree."""
    forms = [program.compile(compiler_options={}), program.compile(compiler_options=gj.compiler_options())]
    a, b = (jax.tree.leaves(form(*arguments)) for form in forms)
    apart = max(
        np.abs(p - q).max() / max(np.abs(p).max(), 1e-30) for p, q in zip(a, b, strict=True) if p.dtype == np.float32
    )
    default, wide = cpu_ms(forms, *arguments, repeats=repeats)
    print(f"{name:32s} {default:9.2f} ms {wide:9.2f} ms {default / wide:6.2f} x {apart:10.1e}")


def main():
    """Prints one line per program."""
    print(f"{'':32s} {'default':>12s} {'512 bits':>12s} {'ratio':>8s} {'apart':>10s}")
    for name, kernel, arguments in kernels():
        line(name, jax.jit(kernel).lower(*arguments), arguments, 21)
    for name in ("mean", "trimmed mean", "multi-Krum", "geometric median"):
        _, arguments = lowered(simulation(64, rules(12.0)[name]), 10)
        line(f"10 rounds n=64 {name}", jax.jit(gj.rollout).lower(*arguments), arguments, 21)


if __name__ == "__main__":
    main()
