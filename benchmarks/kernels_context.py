"""What a kernel costs inside a program: CPU time against the same number of bare kernels.

    python benchmarks/kernels_context.py [--nodes 64] [--size 10000] [--wide]

Contexts: beside `x - y`, in a scan of 10 rounds that feed back, under `vmap` of 8, and value and gradient (one
forward kernel and two order statistics: three kernels). "around" is the same program with a scaled row or a scaled
copy of x in place of the kernel, and the ratio what the program takes beyond it. The goal is at most 2.
`--wide` compiles everything with `ghostjax.compiler_options()`: where the processor has vectors of 512 bits,
the bare network is faster there, the arithmetic around it, which waits for memory, is not. Everything runs on one core
where the system allows it: a second thread of XLA waits actively, which counts.
"""

import argparse
import os
import time

import jax
import jax.numpy as jnp
import numpy as np

import ghostjax as gj
from ghostjax._kernels import window_mean, window_mean_slots


def cpu_ms(functions, *args, repeats=9):
    """Median CPU milliseconds of each function, in alternation."""
    for fn in functions:
        jax.block_until_ready(fn(*args))
    times = [[] for _ in functions]
    for _ in range(repeats):
        for fn, series in zip(functions, times, strict=True):
            start = time.process_time()
            jax.block_until_ready(fn(*args))
            series.append(1e3 * (time.process_time() - start))
    return [float(np.median(series)) for series in times]


def contexts(kernel):
    """Each program with the number of kernels in it."""

    def scan(x, w, f):
        return jax.lax.scan(lambda c, _: (c - 0.1 * kernel(c, w, f), None), x, None, length=10)[0]

    return {
        "bare": (kernel, 1),
        "beside x - y": (lambda x, w, f: jnp.square(x - kernel(x, w, f)).sum(-1), 1),
        "scan of 10": (scan, 10),
        "vmap of 8": (lambda x, w, f: jax.vmap(lambda s: kernel(x, w, s))(jnp.stack([f] * 7 + [f / 2])), 8),
        "gradient": (jax.value_and_grad(lambda *a: jnp.square(kernel(*a)).sum(), (0, 1, 2)), 3),
    }


def table(name, kernel, stand_in, options, x, w, f):
    """Prints one line per context."""
    programs, around = contexts(kernel), contexts(stand_in)
    functions = [jax.jit(fn, compiler_options=options) for own in (programs, around) for fn, _ in own.values()]
    times = cpu_ms(functions, x, w, f)
    bare, without = times[0], [0.0, *times[len(programs) + 1 :]]
    for (label, (_, kernels)), ms, less in zip(programs.items(), times, without, strict=False):
        ratio = (ms - less) / (kernels * bare)
        print(f"{name:27s} {label:12s} {ms:8.2f} ms  around {less:6.2f} ms  {ratio:5.2f} x {kernels} bare", flush=True)


def main():
    """Prints every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--wide", action="store_true")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    n, d = arguments.nodes, arguments.size
    options = gj.compiler_options() if arguments.wide else {}
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((n, d)), jnp.float32)
    ones, real = jnp.ones(n), jnp.asarray(rng.uniform(0.5, 1, n), jnp.float32)
    f = jnp.asarray(float(n // 5))

    def row(x, w, f):
        return x[0] * w.sum() + f

    table(f"window ({n}, {d}) alike", window_mean, row, options, x, ones, f)
    table(f"window ({n}, {d}) constant", lambda x, w, f: window_mean(x, jnp.ones(n), f), row, options, x, ones, f)
    table(f"window ({n}, {d}) unlike", window_mean, row, options, x, real, f)
    nodes = 256
    nbr = (jnp.arange(nodes)[:, None] + jnp.arange(-4, 5)[None, :]) % nodes
    x = jnp.asarray(rng.standard_normal((nodes, d)), jnp.float32)
    weights, trim = jnp.ones((nodes, 9)), jnp.full(nodes, 2.0)

    def slots(x, w, f):
        return window_mean_slots(x, nbr, w, f)

    def copy(x, w, f):
        return x * w.sum(1)[:, None] + f[:, None]

    table(f"slots ({nodes}, {d}) degree 8", slots, copy, options, x, weights, trim)
    sort = jax.vmap(lambda x, at: jnp.sort(x[at], 0)[2:-2].mean(0), (None, 0))
    forms = [lambda x: slots(x, weights, trim), lambda x: sort(x, nbr)]
    fast, slow = cpu_ms([jax.jit(form, compiler_options=options) for form in forms], x, repeats=3)
    stats = jax.jit(slots).lower(x, weights, trim).compile().memory_analysis()
    assert stats is not None
    memory = stats.temp_size_in_bytes
    print(
        f"slots against a vmapped sort: {fast:.1f} / {slow:.0f} ms = {slow / fast:.0f} x;",
        f"temporary {memory / 1e6:.1f} MB",
    )


if __name__ == "__main__":
    main()
