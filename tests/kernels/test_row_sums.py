"""Sums along many long rows are taken one row at a time on CPU, and are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._kernels import row_norms, squared_distances_to
from ghostjax._kernels.row_sums import LONG, MANY

from ..programs import text


def direct(x, centre):
    return jnp.square(x - centre[None, :]).sum(1)


@pytest.fixture
def arrays():
    draw = np.random.default_rng(0)
    return [jnp.asarray(draw.normal(size=shape), jnp.float32) for shape in ((MANY + 1, LONG), LONG)]


def test_sums_and_derivatives_are_those_of_the_whole(arrays):
    np.testing.assert_allclose(squared_distances_to(*arrays), direct(*arrays), rtol=1e-5)
    for at in (0, 1):
        own, whole = (
            jax.grad(lambda *a, f=f: jnp.log(f(*a)).sum(), at)(*arrays) for f in (squared_distances_to, direct)
        )
        np.testing.assert_allclose(own, whole, rtol=1e-3, atol=1e-6)


def test_batches(arrays):
    x, centre = arrays
    centres = jnp.stack([centre, 2 * centre])
    found = jax.vmap(squared_distances_to, (None, 0))(x, centres)
    np.testing.assert_allclose(found, [direct(x, c) for c in centres], rtol=1e-5)


@pytest.mark.parametrize("rows,columns", [(MANY + 1, LONG), (MANY, LONG), (MANY + 1, LONG - 1)])
def test_only_many_long_rows_take_a_loop(rows, columns):
    program = text(jax.jit(squared_distances_to).lower(jnp.zeros((rows, columns)), jnp.zeros(columns)).compile())
    assert (" while(" in program) is (rows > MANY and columns >= LONG and jax.default_backend() == "cpu")


def test_norms_about_no_centre_take_no_loop():
    # The sum of terms of one array is XLA's best form for any shape.
    program = text(jax.jit(row_norms).lower(jnp.zeros((MANY + 1, LONG))).compile())
    # The one loop is that of rows beyond the float range, which runs once or not at all.
    assert program.count(" while(") == 1
