"""A kernel that stays one kernel under `vmap`.

A fused network is fast only while nothing fuses with it: a consumer that broadcasts its result makes XLA
recompute it once per row. It therefore runs in a branch or loop of its own, which plain `vmap` would undo (a
batched `cond` runs both branches as a select).
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
