"""Gossip against the literal form: a rule mapped over `x[nbr]`, coordinate rules by `jnp.sort`.

    python benchmarks/gossip.py [--nodes 256] [--size 10000] [--degree 8] [--repeats 5]

Both forms run in turns in one process and are compared before a ratio is printed. Times are CPU times of all
threads, the median over the repeats; `temp` is what the compiled program needs beside its arguments and results,
`[n, k, d]` says whether an array of that size occurs in it. The last line is a complete graph of 64 nodes, where
receivers share one network, beside one network each.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

import ghostjax as gj
from ghostjax._kernels import squared_distances
from ghostjax._round import Received
from ghostjax.aggregators import Context


def sorted_window(trim):
    """The trimmed mean (or, where nothing is left, the median) of slots `[k, d]` by sorting; all weights 1."""

    def rule(rows):
        k = rows.shape[0]
        low = min(trim, (k - 1) // 2)
        return jnp.sort(rows, 0)[low : k - low].mean(0)

    return rule


def geometric(rule):
    """A geometric rule on slots `[k, d]` the way one receiver alone would run it."""

    def alone(rows):
        w = jnp.ones(rows.shape[0], rows.dtype)
        return rule.coefficients(squared_distances(rows, w), w) @ rows

    return alone


def cases(degree):
    rules = gj.aggregators
    f = degree // 4
    yield "mean", None, lambda rows: rows.mean(0)
    yield "trimmed mean", rules.TrimmedMean(f=f), sorted_window(f)
    yield "median", rules.Median(), sorted_window(degree)
    for name, rule in (
        ("Krum", rules.Krum(f=f)),
        ("multi-Krum", rules.MultiKrum(f=f)),
        ("geometric median", rules.GeometricMedian()),
        ("Krum after NNM", rules.NNM(rules.Krum(f=f), f=f)),
        ("median after NNM", rules.NNM(rules.Median(f=f), f=f)),
        ("own clipping", rules.CenteredClipping(centre="anchor")),
    ):
        literal = geometric(rule) if isinstance(rule, rules.AbstractGeometricRule) else alone(rule)
        yield name, rule, literal


def received(x, w):
    """What arrives where nobody is Byzantine and nothing is lost."""
    nobody = jnp.zeros(x.shape[0], bool)
    return Received(x, w, jnp.zeros_like(w), nobody, None, None, nobody)


def alone(rule):
    """A general rule on slots `[k, d]`."""

    def one(rows):
        return rule.step(rule.init(rows), rows, jnp.ones(rows.shape[0], rows.dtype), Context(anchor=rows[0]))[1]

    return one


def main(nodes, size, degree, repeats):
    graph = gj.topologies.ring(nodes, degree, weights="uniform")
    x = jax.random.normal(jax.random.key(0), (nodes, size))
    w, key = jnp.ones(nodes), jax.random.key(1)
    real = jax.random.uniform(jax.random.key(2), (nodes,), minval=0.2, maxval=1.5)
    copy = compiled(lambda x: x * 2, x)
    print(f"ring of {nodes} nodes, degree {degree}, d = {size}; a scaled copy of x: {median(copy, repeats, x):.2f} ms")
    header = ("rule", "gossip ms", "temp MB", "real w ms", "literal ms", "temp MB", "ratio", "difference", "[n, k, d]")
    print("{:18}{:>11}{:>9}{:>11}{:>12}{:>9}{:>8}{:>12}{:>11}".format(*header))
    for name, rule, literal in cases(degree):
        protocol = gj.protocols.Gossip(rule, graph)
        state = protocol.init(x[0], nodes)._replace(theta=x)

        def ours(state, x, w, protocol=protocol):
            return protocol.receive(state, received(x, w), key)[1]

        def theirs(x, literal=literal):
            return jax.vmap(lambda slots: literal(x[slots]))(graph.nbr)

        report(name, compiled(ours, state, x, w), (state, x, w), compiled(theirs, x), (x,), repeats, real)
    everybody(size, repeats)


def everybody(size, repeats, nodes=64):
    """A complete graph: trimmed mean of 64 receivers from one network, and from one each."""
    rule, graph = gj.aggregators.TrimmedMean(f=nodes // 8), gj.topologies.complete(nodes)
    protocol, x, w = (
        gj.protocols.Gossip(rule, graph),
        jax.random.normal(jax.random.key(0), (nodes, size)),
        jnp.ones(nodes),
    )
    state = protocol.init(x[0], nodes)._replace(theta=x)
    key = jax.random.key(1)
    shared = compiled(lambda state, x, w: protocol.receive(state, received(x, w), key)[1], state, x, w)
    each = compiled(lambda x, w: jax.lax.map(lambda at: rule(x[at], w), graph.nbr), x, w)
    real = jax.random.uniform(jax.random.key(2), (nodes,), minval=0.2, maxval=1.5)
    report("complete graph", shared, (state, x, w), each, (x, w), repeats, real)


def report(name, fast, ours, slow, theirs, repeats, real):
    difference = float(jnp.abs(fast(*ours) - slow(*theirs)).max())
    np.testing.assert_allclose(fast(*ours), slow(*theirs), rtol=1e-4, atol=1e-4)
    unlike = (*ours[:-1], real)
    times = [(once(fast, *ours), once(slow, *theirs), once(fast, *unlike)) for _ in range(repeats)]
    a, b, c = (statistics.median(column) for column in zip(*times, strict=True))
    rows = ours[0].theta.shape
    slots = any(f"[{rows[0]},{k},{rows[1]}]" in fast.as_text() for k in range(2, 65))
    print(
        f"{name:18}{a:11.2f}{temp(fast):9.1f}{c:11.2f}{b:12.1f}{temp(slow):9.1f}{b / a:8.1f}{difference:12.1e}"
        f"{'yes' if slots else 'no':>11}",
        flush=True,
    )


def compiled(function, *args):
    program = jax.jit(function, compiler_options=gj.compiler_options()).lower(*args).compile()
    jax.block_until_ready(program(*args))
    return program


def once(program, *args):
    begin = time.process_time()
    jax.block_until_ready(program(*args))
    return (time.process_time() - begin) * 1e3


def median(program, repeats, *args):
    return statistics.median(once(program, *args) for _ in range(repeats))


def temp(program):
    return program.memory_analysis().temp_size_in_bytes / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--degree", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    main(**vars(parser.parse_args()))
