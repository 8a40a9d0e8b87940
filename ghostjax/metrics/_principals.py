"""Sums over the identities of each principal."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def ranks(owner: Int[Array, " n"]) -> Int[Array, " n"]:
    """The principal of each identity, numbered from 0 in the order of `owner`.

    Owners numbered 0, 1, .. without a gap keep their number. A run may have other owners than the shapes of its
    program, so that n places are kept for principals, of which the last ones may be empty.
    """
    first = ~jnp.tril(owner[:, None] == owner[None, :], -1).any(1)
    return ((owner[None, :] < owner[:, None]) & first[None, :]).sum(1)


def by_principal(values: Float[Array, " n"], owner: Int[Array, " n"]) -> Float[Array, " n"]:
    """`values` summed over the identities of each principal; 0 where there is none."""
    return jnp.zeros_like(values).at[ranks(owner)].add(values)
