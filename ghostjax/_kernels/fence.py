"""A kernel that stays one kernel under `vmap`.

A fused network is fast only as a separate kernel: XLA fuses it with a consumer that broadcasts its result, and then
recomputes it once per row. The network therefore runs in a separate branch or loop. Plain `vmap` would undo that, since
a batched `cond` runs both branches as a select. Hence a batching rule of our own: a loop on CPU.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap


def batch_as_loop(kernel, together):
    """`kernel` as a function whose batched form is a loop over the batch on CPU and `together` elsewhere.

    `together` takes every argument with a leading batch axis and must itself be safe to batch again.
    """
    mapped_kernel = custom_vmap(kernel)

    @mapped_kernel.def_vmap
    def rule(size, batched, *args):
        def one_by_one(*args):
            def one(mapped):
                mapped = iter(mapped)
                return mapped_kernel(*[next(mapped) if b else a for a, b in zip(args, batched, strict=True)])

            return lax.map(one, [a for a, b in zip(args, batched, strict=True) if b])

        def all_at_once(*args):
            return together(
                *[a if b else jnp.broadcast_to(a, (size, *a.shape)) for a, b in zip(args, batched, strict=True)]
            )

        out = lax.platform_dependent(*args, cpu=one_by_one, default=all_at_once)
        return out, jax.tree.map(lambda _: True, out)

    return mapped_kernel
